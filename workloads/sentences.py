"""Sentences to embed: those of the benchmarks, those of calibration, and a user's."""

from __future__ import annotations

from pathlib import Path

from arch.errors import AssayError

_FOLDER = Path(__file__).resolve().parent
SENTENCES = _FOLDER / "sentences.txt"
"""Of benchmarks and accuracy: pairs of like meaning, then some of none."""
CALIBRATION_SENTENCES = _FOLDER / "calibration_sentences.txt"
"""Of many kinds and lengths, none of them in ``SENTENCES``."""


def read_sentences(path: Path) -> list[str]:
    """The lines of a text file, without blank ones.

    Raises
    ------
    AssayError
        The file cannot be read, is no UTF-8, or holds no sentence.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise AssayError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise AssayError(f"{path}: byte {error.start} is no UTF-8: save it as UTF-8") from None
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise AssayError(f"{path}: holds no sentence: write one to a line")
    return sentences
