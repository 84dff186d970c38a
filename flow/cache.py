"""Folders made once and found again by the digest of what they are made from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

SIM_BUILD = Path(__file__).resolve().parent.parent / "sim_build"


def digest(recipe: object) -> str:
    """Key of a recipe: anything that JSON can express."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]


def cached(key: str, make: Callable[[Path], None], root: Path = SIM_BUILD) -> Path:
    """The folder ``root/key``, made by ``make`` if it is not there yet.

    ``make`` fills a folder beside it, renamed when complete, under a lock of the key: two processes
    never make the same key at once, and what a killed one leaves behind is never taken for
    complete; the next attempt removes it.
    """
    folder = root / key
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{key}.lock"):
        if not folder.is_dir():
            partial = root / f"{key}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                make(partial)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
