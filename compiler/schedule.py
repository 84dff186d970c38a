"""The order of the program: by the cycle in which each instruction is expected to issue.

The front end dispatches in order and stops at a full queue. An instruction that stands far before
its time fills its queue and holds up all behind it; one that stands late starves its engine. In
order of issue neither happens: a load stands where its room in the buffer comes free and memory
gets to it, however long before its use that is. Since what an instruction depends on issues before
it, the order is a legal sequential execution.
"""

from __future__ import annotations

from collections.abc import Sequence

from arch.config import Config
from compiler.dependencies import Needs
from compiler.step import Step
from compiler.synchronize import synchronize
from model.timeline import issue_cycles


def order_of_issue(steps: Sequence[Step], needs: Sequence[Needs], config: Config) -> list[int]:
    """Indices of `steps` in the order of the program.

    Each engine keeps its own order; when it issues is what the timeline model says of a front end
    that is never in the way.

    Parameters
    ----------
    steps
        In an order that is a legal sequential execution.
    needs
        Their dependencies in that order.
    config
        Memory and limits of the engines.
    """
    program = synchronize([step.instruction for step in steps], needs, config)
    issues = issue_cycles(program, config)
    return sorted(range(len(steps)), key=issues.__getitem__)
