"""Where bytes of buffers lie in memories of the RTL: rules B-01 and B-05 to B-09."""

from __future__ import annotations

import numpy as np
import pytest

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, config_names, load_config
from tb import memory_layout


@pytest.fixture(params=config_names())
def config(request):
    return load_config(request.param)


def words(config, path):
    """The words of one memory in the preload file of buffers that hold their own addresses."""
    buffers = {
        name: np.arange(int(np.prod(shape)), dtype=np.uint32)
        for name, shape in memory_layout.shapes(config).items()
    }
    for memory in memory_layout.rtl_memories(config):
        shape = memory_layout.shapes(config)[memory.buffer]
        if memory.path == path:
            return buffers[memory.buffer].reshape(shape)[memory.index]
    raise AssertionError(path)


@pytest.mark.parametrize(("buffer", "banks"), [("activation", 4), ("weight", 2)])
def test_banks_split_by_address_and_sub_banks_by_word_parity(config, buffer, banks):
    """B-01."""
    assert banks == {"activation": ACTIVATION_BANKS, "weight": WEIGHT_BANKS}[buffer]
    size = getattr(config, f"{buffer}_buffer_bytes")
    for bank in range(banks):
        for odd, parity in enumerate(("even", "odd")):
            found = words(config, (f"{buffer}_buffer", f"bank_{bank}_{parity}"))
            first = bank * size // banks + odd * config.word_bytes
            starts = np.arange(size // banks // config.word_bytes // 2) * 2 * config.word_bytes
            assert np.array_equal(found[:, 0], first + starts)
            assert np.array_equal(found[0], first + np.arange(config.word_bytes))


def test_parameter_words_are_4c_bytes_in_order(config):
    """B-05."""
    found = words(config, ("parameter_buffer", "memory"))
    assert found.shape == (config.parameter_buffer_bytes // (4 * config.cols), 4 * config.cols)
    assert np.array_equal(found.ravel(), np.arange(config.parameter_buffer_bytes))


def test_accumulator_halves_hold_d_vectors_of_c_int32(config):
    """B-06."""
    size = config.accumulator_depth * 4 * config.cols
    for half in range(2):
        found = words(config, ("accumulator", f"half_{half}"))
        assert np.array_equal(found.ravel(), half * size + np.arange(size))


def test_tables_hold_256_bytes_and_256_words(config):
    """B-07."""
    assert words(config, ("unary_table", "memory")).shape == (64, 4)
    assert words(config, ("wide_table", "memory")).shape == (256, 4)


def test_statistics_are_d_entries_of_32_or_48_bits(config):
    """B-08."""
    for name, size in (("maximum", 4), ("sum", 6), ("squares", 6), ("scale", 4)):
        found = words(config, ("statistics", name))
        assert np.array_equal(found.ravel(), np.arange(config.accumulator_depth * size))
        assert found.shape[1] == size


def test_indices_are_1024_numbers_in_words_of_a_beat(config):
    """B-09."""
    found = words(config, ("index_buffer", "memory"))
    assert np.array_equal(found.ravel(), np.arange(4 * 1024))
    assert found.shape[1] == config.axi_bytes


def test_a_file_written_byte_reversed_and_dumped_in_order_gives_the_buffers_back(config):
    """What is dumped of a word is a multiple of 32 bits, the word first."""
    buffers = memory_layout.random_buffers(config, np.random.default_rng(1))
    preload = memory_layout.split(config, buffers)
    dump, position = b"", 0
    for memory in memory_layout.rtl_memories(config):
        for _ in range(memory.depth):
            word = preload[position : position + memory.word_bytes]
            dump += word[::-1] + bytes(-len(word) % 4)
            position += memory.word_bytes
    joined = memory_layout.join(config, dump)
    assert position == len(preload)
    assert all(np.array_equal(joined[name], buffers[name]) for name in buffers)


def test_a_dump_of_another_size_is_an_error():
    config = load_config("tiny")
    with pytest.raises(ValueError, match="the memories hold"):
        memory_layout.join(config, bytes(1 << 20))
