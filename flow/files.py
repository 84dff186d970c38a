"""Files that a command will write."""

from __future__ import annotations

import os
from pathlib import Path

from arch.errors import AssayError


def check_writable(path: Path | None) -> None:
    """Find out before the work, not after it; None is no file.

    Raises
    ------
    AssayError
        The folder is missing, or the file cannot be written.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise AssayError(f"{path}: cannot be written: there is no folder {folder}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise AssayError(f"{path}: cannot be written: choose another file")
