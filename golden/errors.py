"""The exception of the golden model."""

from __future__ import annotations

from arch.errors import AssayError


class GoldenError(AssayError):
    """A program the architecture gives no meaning: bounds, unwritten bytes, races, bad fields."""
