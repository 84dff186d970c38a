"""Graph to program image: layout, tiles, order, synchronisation."""

from compiler.pipeline import compile

__all__ = ["compile"]
