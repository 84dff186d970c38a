"""Graph to program image: layout, tiles, order, synchronisation."""

from compiler.compile import compile

__all__ = ["compile"]
