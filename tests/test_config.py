"""The configuration: named set, files of users, and what a bad one says."""

import pytest

from arch.config import config_names, load_config
from arch.errors import AssayError


def write(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def message(tmp_path, text):
    with pytest.raises(AssayError) as error:
        load_config(write(tmp_path, text))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_named_set_is_complete():
    assert config_names() == ["16x8", "8x16", "base", "edge", "tiny", "wide"]


def test_base_is_the_reference_configuration():
    base = load_config("base")
    assert (base.rows, base.cols, base.axi_data_bits) == (16, 16, 128)
    assert (base.dram_latency_cycles, base.dram_bytes_per_cycle) == (100, 16)
    assert (base.activation_buffer_kib, base.weight_buffer_kib) == (64, 64)
    assert base.accumulator_kib == 32


def test_a_file_may_extend_a_named_configuration(tmp_path):
    config = load_config(write(tmp_path, 'extends = "base"\nactivation_buffer_kib = 32\n'))
    assert config.name == "mine"
    assert config.activation_buffer_bytes == 32768
    assert config.rows == 16


def test_memory_port_follows_bandwidth(tmp_path):
    config = load_config(write(tmp_path, 'extends = "base"\ndram_bytes_per_cycle = 33\n'))
    assert config.axi_data_bits == 512
    assert config.word_bytes == 64


def test_memory_timing_does_not_change_the_hardware(tmp_path):
    slow = load_config(write(tmp_path, 'extends = "base"\ndram_latency_cycles = 200\n'))
    assert slow.hardware_hash == load_config("base").hardware_hash


def test_queue_depth_changes_the_hardware(tmp_path):
    deep = load_config(write(tmp_path, 'extends = "base"\nqueue_depth = 16\n'))
    assert deep.hardware_hash != load_config("base").hardware_hash


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(AssayError, match="no configuration 'bsae': give one of 16x8, 8x16, base"):
        load_config("bsae")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('extends = "base"\nrows = 12\n', "rows = 12 must be a power of two"),
        ('extends = "base"\nrow = 16\n', "unknown key 'row': the keys are name, rows"),
        ("rows = 16\n", "is missing: add it, or extends"),
        ('extends = "base"\nrows = "16"\n', "rows = '16': Input should be a valid integer"),
        ('extends = "base"\ndram_latency_cycles = 0\n', "dram_latency_cycles = 0: Input should be"),
        ('extends = "base"\naccumulator_kib = 1\n', "holds 8 vectors in each half, fewer than 16"),
        ('extends = "base"\naxi_data_bits = 64\n', "dram_bytes_per_cycle = 16 is more than"),
        ('extends = "tiny"\naxi_data_bits = 256\n', "wider than a parameter word of 128 bits"),
        ('extends = "mine.toml"\n', "'extends' comes back to this file"),
        ("rows = \n", "not a readable TOML file"),
    ],
)
def test_bad_file_names_key_value_and_rule(tmp_path, text, expected):
    assert expected in message(tmp_path, text)
