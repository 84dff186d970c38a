"""Files that a command will write."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write an .npz file of arrays of any names; `numpy.savez` keeps some for itself."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
