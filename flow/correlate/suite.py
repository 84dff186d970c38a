"""What is correlated: workloads x configurations x memory timings of a suite."""

from __future__ import annotations

from flow.correlate.schema import Point
from flow.suite import suite


class Suite(suite.Suite):
    """A suite whose simulators and memories play no part."""

    def points(self) -> list[Point]:
        """Every point once; errors as :meth:`flow.suite.suite.Suite.runs`."""
        fields = set(Point.model_fields)
        return list(
            dict.fromkeys(Point(**point.model_dump(include=fields)) for point in self.runs())
        )


def load_suite(name_or_path: str) -> Suite:
    """Read a suite; errors as :func:`flow.suite.suite.read_suite`."""
    return suite.read_suite(name_or_path, Suite)
