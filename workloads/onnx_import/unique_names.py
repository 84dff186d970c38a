"""Names that differ."""

from __future__ import annotations


class UniqueNames:
    """Gives each name once: those asked for again get a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """The name itself, or the first of ``name_2``, ``name_3``, ... that is free."""
        name = wanted
        while name in self._taken:
            self._counts[wanted] = self._counts.get(wanted, 1) + 1
            name = f"{wanted}_{self._counts[wanted]}"
        self._taken.add(name)
        return name
