"""The program image: a file that survives the round trip and says what is wrong with it."""

import dataclasses

import pytest

from arch.config import load_config
from arch.errors import AssayError
from arch.image import DebugInfo, OperatorInfo, build_image, load_image, parse_image
from arch.isa import End, encode_program

CONFIG = load_config("tiny")
DEBUG = DebugInfo(
    workload="none",
    operators=(
        OperatorInfo(name="a", kind="linear", macs=1, read_bytes=2, write_bytes=3, outputs=("y",)),
    ),
    operator_of=(-1,),
    tensors=(),
)


def image(program_address=0, data=(("weights", 256, b"abc"),), dram_bytes=512):
    return build_image(
        CONFIG, program_address, encode_program([End()]), list(data), dram_bytes, DEBUG
    )


def test_file_round_trip(tmp_path):
    path = tmp_path / "x.assay"
    image().save(path)
    again = load_image(path)
    assert again == image()
    assert again.program == [End()]
    assert again.debug == DEBUG


def test_dram_holds_the_sections_over_the_fill():
    memory = image().dram(b"\xaa" * 512)
    assert memory[0:2] == b"\x01\x00"
    assert memory[255:260] == b"\xaaabc\xaa"


def _parses(raw):
    try:
        parse_image(raw)
    except AssayError:
        return False
    return True


def test_every_damaged_byte_is_noticed():
    raw = image().to_bytes()
    padding = {i for i in range(len(raw)) if raw[i] == 0}
    for position in range(len(raw)):
        broken = raw[:position] + bytes([raw[position] ^ 0x41]) + raw[position + 1 :]
        if position in padding and _parses(broken):
            assert parse_image(broken) == image()
        else:
            with pytest.raises(AssayError) as error:
                parse_image(broken)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("length", [0, 7, 39, 100, 300])
def test_a_file_cut_off_is_an_error(length):
    with pytest.raises(AssayError, match=r"not a program image|cut off"):
        parse_image(image().to_bytes()[:length])


def test_other_version_asks_to_compile_again():
    raw = bytearray(image().to_bytes())
    raw[8] = 9
    with pytest.raises(AssayError, match="image version 9, expected 3: compile it again"):
        parse_image(bytes(raw))


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(AssayError, match="cannot be read: No such file"):
        load_image(tmp_path / "none.assay")


def test_image_refuses_another_configuration():
    with pytest.raises(AssayError, match=r"configuration 'base' is .*: compile it again for it"):
        image().check_config(load_config("base"))
    with pytest.raises(AssayError, match="raise dram_mib"):
        dataclasses.replace(image(), dram_bytes=1 << 40).check_config(CONFIG)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"program_address": 64}, "program address 0x40 is not a multiple of 256"),
        ({"data": [("weights", 32, b"abc")]}, "section 'weights' overlaps"),
        ({"data": [("weights", 510, b"abc")]}, "section 'weights' ends at 513, beyond the 512"),
    ],
)
def test_sections_must_fit(arguments, expected):
    with pytest.raises(AssayError, match=expected):
        image(**arguments)
