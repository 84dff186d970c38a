"""Testbenches in Python on a component in Verilog: the part of Amaranth's simulator that ours use.

A testbench is ``async def bench(ctx)``. ``ctx.set`` and ``ctx.get`` take ports and parts of them,
``await ctx.tick()`` ends the cycle; of several testbenches each runs once in every cycle, in the
order of their giving. Everything starts unknown (X on Icarus, random on Verilator) and goes through
one cycle of reset before the first cycle of a testbench.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import TracebackType
from typing import Any

from amaranth.hdl import Const, ShapeCastable, Signal, Value, ValueCastable

from flow.component import Component, Edit, Place, convert
from flow.toolchain import Simulator, power_up_arguments

LIMIT_CYCLES = 200_000
_LIMIT_SECONDS = 300

Testbench = Callable[[Any], Coroutine[Any, Any, None]]


class UnknownValueError(AssertionError):
    """A bit that is read is X."""


class Tick:
    """What ``ctx.tick()`` gives: await it for the end of the cycle."""

    def __init__(self, context: Context, values: tuple[Any, ...] = ()) -> None:
        self._context = context
        self._values = values

    def sample(self, *values: Any) -> Tick:
        """Tell the values before the clock edge."""
        return Tick(self._context, (*self._values, *values))

    async def repeat(self, count: int) -> tuple[Any, ...]:
        """``count`` ticks; the samples of the last one."""
        result: tuple[Any, ...] = ()
        for _ in range(count):
            result = await self
        return result[2:]

    async def until(self, condition: Any) -> tuple[Any, ...]:
        """Ticks up to the one before whose edge ``condition`` held; its samples."""
        while True:
            result = await self.sample(condition)
            if result[-1]:
                return result[2:-1]

    def __await__(self) -> Generator[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        samples = yield self._values
        return (True, bool(self._context.get(self._context.reset)), *samples)


class Context:
    """What a testbench does with the component.

    Attributes
    ----------
    reset
        The reset of the component, to be set like a port; None where it has no clock.
    """

    def __init__(self, component: Component, server: _Server) -> None:
        self.reset = component.reset
        self._server = server
        self._places = {id(place.signal): place for place in component.places.values()}
        self._inputs = 0
        self._outputs: str | None = None
        self._cycles = 0
        for place in component.places.values():
            if place.is_input:
                self._drive(place, 0, place.width_bits, place.signal.init)

    def set(self, value: Any, to: Any) -> None:
        """Set an input, or a part of one."""
        shape = value.shape()
        if isinstance(shape, ShapeCastable):
            to = shape.const(to)
        place, start, width = self._locate(value)
        if not place.is_input:
            raise TypeError(f"{place.name} is an output")
        self._drive(place, start, width, Const.cast(to).value)

    def get(self, value: Any, *, unknown: int | None = None) -> Any:
        """The value of a port, or of a part of one, with the inputs as they are set.

        Parameters
        ----------
        value
            The port or part.
        unknown
            What an X reads as, 0 or 1, where the component may leave bits of ``value`` unknown.

        Raises
        ------
        UnknownValueError
            A bit is X, and ``unknown`` is not given.
        """
        place, start, width = self._locate(value)
        bits = self._read(place, start, width)
        if not set(bits) <= {"0", "1"}:
            if unknown is None:
                raise UnknownValueError(f"{place.name}[{start + width - 1}:{start}] is {bits}")
            bits = "".join(bit if bit in "01" else str(unknown) for bit in bits)
        shape = value.shape()
        number = int(bits, 2)
        if isinstance(shape, ShapeCastable):
            return shape.from_bits(number)
        return number - (1 << width) if shape.signed and bits[0] == "1" else number

    def tick(self) -> Tick:
        """The end of the cycle, to be awaited."""
        if self.reset is None:
            raise TypeError("the component has no clock")
        return Tick(self)

    def clock(self) -> None:
        """A clock cycle, for :func:`simulate` alone."""
        self._cycles += 1
        assert self._cycles <= LIMIT_CYCLES, f"not done after {LIMIT_CYCLES} cycles"
        self._server.send(f"1 {self._inputs:x}")
        self._outputs = None

    def _locate(self, value: Any) -> tuple[Place, int, int]:
        """The port, the first bit in it, and the number of bits."""
        part = value.as_value() if isinstance(value, ValueCastable) else Value.cast(value)
        width, start = len(part), 0
        while not isinstance(part, Signal):
            if hasattr(part, "start"):
                start, part = start + part.start, part.value
            elif getattr(part, "operator", None) in ("s", "u"):
                (part,) = part.operands
            else:
                raise TypeError(f"{value!r} is neither a port nor a part of one")
        if id(part) not in self._places:
            raise TypeError(f"{part!r} is no port of the component")
        return self._places[id(part)], start, width

    def _drive(self, place: Place, start: int, width: int, number: int) -> None:
        shift, mask = place.start_bit + start, (1 << width) - 1
        inputs = self._inputs & ~(mask << shift) | (number & mask) << shift
        if inputs != self._inputs:
            self._inputs, self._outputs = inputs, None

    def _read(self, place: Place, start: int, width: int) -> str:
        first = place.start_bit + start
        if place.is_input:
            return f"{self._inputs >> first & (1 << width) - 1:0{width}b}"
        if self._outputs is None:
            self._server.send(f"0 {self._inputs:x}")
            self._outputs = self._server.answer()
        end = len(self._outputs) - first
        return self._outputs[end - width : end]


class _Server:
    """The process of a simulator."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # A combinational loop that oscillates never answers.
        self._timer = threading.Timer(_LIMIT_SECONDS, self._process.kill)
        self._timer.start()

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def answer(self) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.flush()
        line = self._process.stdout.readline().rstrip()
        assert line.startswith("="), f"the simulator says: {line or 'nothing'}"
        return line[1:]

    def __enter__(self) -> _Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._process.communicate()


def simulate(
    dut: Any,
    *testbenches: Testbench,
    simulator: Simulator = "verilator",
    seed: int = 0,
    edits: tuple[Edit, ...] = (),
) -> None:
    """Run testbenches until all of them return.

    Parameters
    ----------
    dut
        The elaboratable. It is converted once for each object: share one between runs.
    *testbenches
        Called with a :class:`Context`.
    simulator
        Where to run.
    seed
        What registers and memories start with on Verilator is made from it.
    edits
        Changes of the Verilog, in their order.

    Raises
    ------
    UnknownValueError
        A testbench read an X.
    """
    component = convert(dut)
    command = component.program(simulator, edits)
    if simulator == "verilator":
        command += power_up_arguments(seed)
    with _Server(command) as server:
        context = Context(component, server)
        if context.reset is not None:
            context.set(context.reset, 1)
            context.clock()
            context.set(context.reset, 0)
        _run(context, testbenches)


def _run(context: Context, testbenches: Sequence[Testbench]) -> None:
    samples: dict[Coroutine[Any, Any, None], tuple[Any, ...] | None]
    samples = {testbench(context): None for testbench in testbenches}
    while True:
        wanted: dict[Coroutine[Any, Any, None], tuple[Any, ...]] = {}
        for testbench, answer in samples.items():
            try:
                wanted[testbench] = testbench.send(answer)
            except StopIteration:
                continue
        if not wanted:
            return
        samples = {bench: tuple(map(context.get, values)) for bench, values in wanted.items()}
        context.clock()
