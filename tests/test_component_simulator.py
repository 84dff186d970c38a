"""Testbenches on Verilator and Icarus: the semantics of Amaranth's simulator, and X."""

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module, Signal, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from component_simulator import Fault, planted, simulate_component

from flow import testbench
from flow.testbench import UnknownValueError


class Direction(enum.Enum, shape=1):
    DOWN = 0
    UP = 1


class Pair(data.Struct):
    low: 3
    high: signed(5)


class Counter(wiring.Component):
    """Counts accepted items; keeps the last one in a register and in a memory without reset."""

    i: In(stream.Signature(Pair))
    direction: In(Direction)
    hold: In(1)
    count: Out(8, init=100)
    difference: Out(signed(6))
    echo: Out(Pair)
    last: Out(Pair)
    way: Out(Direction)
    address: In(2)
    stored: Out(8)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=4, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        last = Signal(Pair, reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~self.hold),
            self.difference.eq(self.i.p.high - self.i.p.low),
            self.echo.eq(self.i.p),
            self.last.eq(last),
            self.way.eq(self.direction),
            write.addr.eq(self.address),
            write.data.eq(self.i.p),
            write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(self.address),
            self.stored.eq(read.data),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += last.eq(self.i.p)
            with m.If(self.direction == Direction.UP):
                m.d.sync += self.count.eq(self.count + 1)
            with m.Else():
                m.d.sync += self.count.eq(self.count - 1)
        return m


Bench = Callable[[Any], Any]


def on_amaranth(dut: Any, *benches: Bench) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def everything(run: Callable[..., None]) -> list[Any]:
    """What two testbenches see of a counter."""
    dut, seen = Counter(), []

    async def drive(ctx: Any) -> None:
        seen.append(("start", ctx.get(dut.count), ctx.get(dut.i.ready)))
        ctx.set(dut.i.p, {"low": 5, "high": -3})
        seen.append(("settled", ctx.get(dut.difference), ctx.get(dut.echo.high)))
        ctx.set(dut.i.p.low, 1)
        seen.append((ctx.get(dut.difference), ctx.get(dut.echo).low, ctx.get(dut.echo.as_value())))
        ctx.set(dut.i.p.high, 6)
        ctx.set(dut.direction, Direction.UP)
        seen.append((ctx.get(dut.way), ctx.get(dut.i.p.high), ctx.get(dut.echo.as_value()[2:6])))
        ctx.set(dut.i.valid, True)
        seen.append(("sampled", await ctx.tick().sample(dut.count, dut.i.p.low)))
        seen.append(("after", ctx.get(dut.count), ctx.get(dut.last.high), ctx.get(dut.stored)))
        seen.append(("repeated", await ctx.tick().sample(dut.count).repeat(5)))
        ctx.set(dut.direction, Direction.DOWN)
        seen.append(("until", await ctx.tick().sample(dut.count).until(dut.hold)))

    async def hold(ctx: Any) -> None:
        await ctx.tick().repeat(9)
        ctx.set(dut.hold, 1)
        await ctx.tick()
        seen.append(("held", ctx.get(dut.count), ctx.get(dut.i.ready)))

    run(dut, drive, hold)
    return seen


@pytest.mark.usefixtures("each_simulator")
def test_testbenches_see_what_they_see_in_amaranth_s_simulator() -> None:
    assert everything(simulate_component) == everything(on_amaranth)


@pytest.mark.usefixtures("each_simulator")
def test_reset_in_the_middle_restores_what_has_a_reset() -> None:
    dut = Counter()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.p.low, 7)
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.count) == 97
        ctx.set(ctx.reset, 1)
        ctx.set(dut.i.valid, 0)
        _, reset_active = await ctx.tick()
        assert reset_active
        ctx.set(ctx.reset, 0)
        assert ctx.get(dut.count) == 100
        assert ctx.get(dut.last.low) == 7

    simulate_component(dut, bench)


@pytest.mark.usefixtures("icarus")
def test_an_unknown_bit_that_is_read_is_a_failure_that_names_it() -> None:
    """What is known around it can be read."""
    dut = Counter()

    async def bench(ctx: Any) -> None:
        with pytest.raises(UnknownValueError, match=r"^last\[7:0\] is xxxxxxxx$"):
            ctx.get(dut.last)
        with pytest.raises(UnknownValueError, match=r"^stored\[1:0\] is xx$"):
            ctx.get(dut.stored[:2])
        assert ctx.get(dut.stored, unknown=0) == 0x00
        assert ctx.get(dut.stored, unknown=1) == 0xFF
        assert ctx.get(dut.count) == 100
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        assert ctx.get(dut.stored) == 0

    simulate_component(dut, bench)


def test_power_up_values_of_verilator_come_from_the_seed() -> None:
    dut, seen = Counter(), []

    async def bench(ctx: Any) -> None:
        assert ctx.get(dut.count) == 100
        seen.append((ctx.get(dut.last.as_value()), ctx.get(dut.stored)))

    for seed in (1, 2, 3, 1):
        testbench.simulate(dut, bench, seed=seed)
    assert seen[0] == seen[3]
    assert len(set(seen)) == 3


class Zero(wiring.Component):
    """Without a clock."""

    value: In(2)
    zero: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        with m.If(self.value == 0):
            m.d.comb += self.zero.eq(1)
        return m


@pytest.mark.usefixtures("each_simulator")
def test_outputs_are_known_before_an_input_changes() -> None:
    dut = Zero()

    async def bench(ctx: Any) -> None:
        assert ctx.get(dut.zero)
        ctx.set(dut.value, 2)
        assert not ctx.get(dut.zero)
        with pytest.raises(TypeError, match="has no clock"):
            await ctx.tick()

    simulate_component(dut, bench)


class Two(Elaboratable):
    """Two counters in a row, without ports of its own."""

    def __init__(self) -> None:
        self.first, self.second = Counter(), Counter()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules += [self.first, self.second]
        m.d.comb += [
            self.second.i.valid.eq(self.first.i.valid),
            self.second.i.p.eq(self.first.last),
        ]
        return m


@pytest.mark.usefixtures("each_simulator")
def test_ports_of_held_components_are_those_of_an_elaboratable_without() -> None:
    dut = Two()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.first.i.valid, 1)
        ctx.set(dut.first.i.p.low, 3)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.second.last.low) == 3
        ctx.set(dut.second.direction, Direction.UP)
        await ctx.tick()
        assert (ctx.get(dut.first.count), ctx.get(dut.second.count)) == (97, 99)
        with pytest.raises(TypeError, match="second__i__valid is an output"):
            ctx.set(dut.second.i.valid, 0)

    simulate_component(dut, bench)


@pytest.mark.usefixtures("each_simulator")
def test_only_ports_and_parts_of_them_are_read() -> None:
    dut = Counter()

    async def bench(ctx: Any) -> None:
        with pytest.raises(TypeError, match="neither a port nor a part of one"):
            ctx.get(dut.i.valid & dut.i.ready)
        with pytest.raises(TypeError, match="no port of the component"):
            ctx.get(Signal(4))

    simulate_component(dut, bench)


@pytest.mark.usefixtures("each_simulator")
def test_a_testbench_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testbench, "LIMIT_CYCLES", 50)

    async def bench(ctx: Any) -> None:
        while True:
            await ctx.tick()

    with pytest.raises(AssertionError, match="not done after 50 cycles"):
        simulate_component(Counter(), bench)


def count_up() -> None:
    """A test as there are many."""
    dut = Counter()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.direction, Direction.UP)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.count) == 120

    simulate_component(dut, bench)


FAULTS = {
    "wrong step": Fault("", r"count \+ 1'h1", "count + 2'h2"),
    "reset removed": Fault("", r"if \(rst\) begin\n *\S+ += 8'h64;\n *end", ""),
    "stuck ready": Fault("", r"assign i__ready = .*;", "assign i__ready = 1'b0;"),
}


@pytest.mark.usefixtures("icarus")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_seen(fault: Fault) -> None:
    with planted(fault), pytest.raises(AssertionError):
        count_up()
    count_up()


def test_a_fault_that_cannot_be_planted_is_an_error() -> None:
    missing = Fault("adder", "", "")
    with planted(missing), pytest.raises(ValueError, match=r"no module component\.adder: there"):
        count_up()
    twice = Fault("", "assign i__ready", "assign i__ready", count=2)
    with planted(twice), pytest.raises(ValueError, match="1 places of component look like"):
        count_up()
