"""The AXI4 memory in Python: exact where it stands for the reference memory, wild where random."""

from __future__ import annotations

import itertools
import random

import pytest
from axi_master import AXI_BYTES, AxiMaster

from tb.axi_behaviour import AxiBehaviour, WriteOrder
from tb.axi_channels import Address, Channel, WriteBeat
from tb.axi_memory import AxiMemory
from tb.axi_store import AxiStore
from tb.run_files import DECERR, OKAY, SLVERR, MemoryFaults

CONTENTS = bytes(random.Random(0).randbytes(16384))
LATENCY = 20


def memory(
    *, seed: int | None = None, order: WriteOrder | None = None, rate: int = 8, **faults: object
) -> AxiMemory:
    behaviour = AxiBehaviour(
        latency_cycles=LATENCY, bytes_per_cycle=rate, seed=seed, write_order=order
    )
    return AxiMemory(bytearray(CONTENTS), AXI_BYTES, behaviour, MemoryFaults(**faults))


def test_first_read_beat_comes_latency_cycles_after_acceptance():
    """T-DRAM-01, T-DRAM-02, T-DRAM-03."""
    master = AxiMaster(memory())
    master.read(5, 64, 4, read_id=1)
    assert master.run(100) == []
    assert master.accepted[Channel.AR] == [5]
    assert [cycle for cycle, _ in master.reads] == [25, 26, 27, 28]
    assert b"".join(beat.data for _, beat in master.reads) == CONTENTS[64:96]


def test_slow_memory_paces_its_beats():
    """T-DRAM-02, T-DRAM-03: 3 bytes a cycle; four beats cost 11 cycles."""
    master = AxiMaster(memory(rate=3))
    master.read(5, 0, 4)
    master.read(6, 64, 1)
    assert master.run(100) == []
    assert [cycle - 25 for cycle, _ in master.reads] == [0, 2, 5, 8, 11]


def test_read_goes_before_write_of_the_same_cycle():
    """T-DRAM-02, T-DRAM-04, T-DRAM-05: the write is served after the four read beats."""
    master = AxiMaster(memory())
    master.read(5, 0, 4)
    master.write(5, 256, bytes(16))
    assert master.run(100) == []
    assert master.accepted[Channel.W] == [10, 11]
    assert master.responses == [(31, OKAY)]


def test_late_write_data_hold_the_server():
    """T-DRAM-04: a read behind the write starts after the late last beat in cycle 40."""
    master = AxiMaster(memory())
    master.write(5, 0, bytes(8), data_at=40)
    master.read(6, 0)
    assert master.run(100) == []
    assert master.accepted[Channel.W] == [40]
    assert [cycle for cycle, _ in master.reads] == [60]


@pytest.mark.parametrize("seed", [None, 1])
def test_access_beyond_the_contents_answers_decerr(seed):
    chosen = memory(seed=seed)
    master = AxiMaster(chosen)
    master.read(5, len(CONTENTS) - 8)
    master.read(6, len(CONTENTS), 2)
    master.write(7, len(CONTENTS), bytes(8))
    assert master.run(2000) == []
    assert [beat.response for _, beat in master.reads] == [OKAY, DECERR, DECERR]
    assert [response for _, response in master.responses] == [DECERR]
    assert chosen.store.outside_beats == 3
    assert bytes(chosen.store.contents) == CONTENTS


@pytest.mark.parametrize("seed", [None, 1])
def test_injected_errors_answer_the_beats_of_their_addresses(seed):
    chosen = memory(seed=seed, addresses=range(16, 24), read=SLVERR, write=DECERR)
    master = AxiMaster(chosen)
    master.read(5, 8, 3)
    assert master.run(2000) == []
    master.write(2000, 8, bytes([7] * 24))
    assert master.run(2000) == []
    assert [beat.response for _, beat in master.reads] == [OKAY, SLVERR, OKAY]
    assert [response for _, response in master.responses] == [DECERR]
    assert chosen.store.contents[8:32] == bytes([7] * 8) + CONTENTS[16:24] + bytes([7] * 8)


@pytest.mark.parametrize("seed", [None, 1])
def test_a_memory_that_falls_silent_makes_no_further_handshake(seed):
    chosen = memory(seed=seed, answered_bursts=2)
    master = AxiMaster(chosen)
    master.read(5, 0, 16)
    master.read(6, 128, 16)
    master.read(600, 0)
    master.write(600, 0, bytes(8))
    assert master.run(2000, at_rest=False) == []
    assert chosen.silent
    assert len(master.accepted[Channel.AR]) == 2
    assert master.accepted[Channel.AW] == master.accepted[Channel.W] == []
    assert len(master.reads) < 32


def test_a_memory_that_falls_silent_keeps_what_it_presents():
    master = AxiMaster(memory(answered_bursts=3), takes_from=200)
    master.read(5, 0, 2)
    master.write(6, 64, bytes(8))
    master.read(100, 0)
    assert master.run(300, at_rest=False) == []
    assert [cycle for cycle, _ in master.reads] == [200]
    assert master.responses == [(200, OKAY)]


def test_only_bytes_with_a_strobe_are_written():
    store = AxiStore(bytearray(CONTENTS), AXI_BYTES, MemoryFaults())
    burst = Address(18, 2, 3, 1, 0)
    assert store.write(burst, 0, WriteBeat(bytes(8), 0b00111100, False)) == OKAY
    assert store.contents == CONTENTS[:18] + bytes(4) + CONTENTS[22:]


def traffic(seed: int) -> AxiMaster:
    """Thirty bursts each way, of disjoint addresses; checked for data and protocol."""
    chosen, generator = memory(seed=seed), random.Random(seed)
    master, expected = AxiMaster(chosen), bytearray(CONTENTS)
    asked: dict[int, list[int]] = {0: [], 1: []}
    for burst in range(30):
        beats = generator.choice((1, 2, 7, 16))
        data = generator.randbytes(beats * AXI_BYTES)
        address = burst * 128
        expected[address : address + len(data)] = data
        master.write(5 * burst, address, data)
        read_id, address = generator.randrange(2), 8192 + generator.randrange(30) * 128
        master.read(4 * burst, address, beats, read_id)
        asked[read_id] += range(address, address + beats * AXI_BYTES, AXI_BYTES)
    assert master.run(20_000) == []
    assert chosen.store.contents == expected
    for read_id, addresses in asked.items():
        data = [beat.data for _, beat in master.reads if beat.id == read_id]
        assert data == [CONTENTS[at : at + AXI_BYTES] for at in addresses]
    assert [response for _, response in master.responses] == [OKAY] * 30
    return master


@pytest.mark.parametrize("seed", range(10))
def test_random_memory_keeps_data_and_protocol(seed):
    traffic(seed)


def test_the_same_seed_gives_the_same_cycles():
    first, again, other = traffic(3), traffic(3), traffic(4)
    assert first.reads == again.reads
    assert first.responses == again.responses
    assert first.reads != other.reads


def test_reads_of_different_ids_overtake_and_interleave():
    overtaken = interleaved = 0
    for seed in range(20):
        master = AxiMaster(memory(seed=seed))
        master.read(0, 0, 8, read_id=0)
        master.read(1, 64, 8, read_id=1)
        assert master.run(2000) == []
        order = [beat.id for _, beat in master.reads]
        overtaken += order[0] == 1
        interleaved += sum(a != b for a, b in itertools.pairwise(order)) > 1
    assert overtaken > 2
    assert interleaved > 2


def test_data_first_accepts_an_address_only_behind_its_data():
    for seed in range(5):
        master = AxiMaster(memory(seed=seed, order="data_first"))
        for burst in range(10):
            master.write(burst, 24 * burst, bytes(24))
        assert master.run(2000) == []
        last_beats = master.accepted[Channel.W][2::3]
        pairs = zip(last_beats, master.accepted[Channel.AW], strict=True)
        assert all(last < address for last, address in pairs)


def test_address_waits_for_data_that_are_presented():
    for seed in range(5):
        master = AxiMaster(memory(seed=seed, order="address_waits"))
        master.write(5, 0, bytes(16), data_at=100)
        assert master.run(2000) == []
        [address], data = master.accepted[Channel.AW], master.accepted[Channel.W]
        assert 100 < address < data[0]


def test_a_read_that_does_not_wait_for_the_response_may_miss_the_write():
    """The memory writes as late, and reads as early, as the protocol allows."""
    missed = 0
    for seed in range(40):
        master = AxiMaster(memory(seed=seed, order="free"))
        master.write(0, 0, bytes(8))
        master.read(20, 0)
        assert master.run(2000) == []
        missed += master.reads[0][1].data != bytes(8)
    assert 0 < missed < 40


def test_a_write_may_overtake_a_read_that_nobody_waited_for():
    """Data may be read long before they are presented."""
    overtaken = 0
    for seed in range(40):
        master = AxiMaster(memory(seed=seed, order="free"))
        master.read(0, 0)
        master.write(20, 0, bytes(8))
        assert master.run(2000) == []
        (answered, beat), (responded, _) = master.reads[0], master.responses[0]
        overtaken += responded < answered and beat.data != bytes(8)
    assert overtaken > 0


def test_every_channel_is_pressed_back_and_every_answer_delayed():
    masters = [traffic(seed) for seed in range(10)]
    for channel in (Channel.AR, Channel.AW):
        step = 4 if channel is Channel.AR else 5
        late = [
            at - step * burst
            for master in masters
            for burst, at in enumerate(master.accepted[channel])
        ]
        assert max(late) > 3
    gaps = [
        after - before
        for master in masters
        for (before, _), (after, _) in itertools.pairwise(master.reads)
    ]
    assert max(gaps) > 3
    assert 1 in gaps
    delays = [
        answered - address
        for master in masters
        for (answered, _), address in zip(
            master.responses, master.accepted[Channel.AW], strict=True
        )
    ]
    assert max(delays) > 50
