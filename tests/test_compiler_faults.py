"""A program without meaning is the user's fault in an image file, else the compiler's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from golden_support import with_fields

from arch.config import load_config
from arch.image import Image, SectionKind
from arch.isa import Matrix, encode_program
from compiler.verify import CompilerError, reject_races
from flow import cli
from flow.run import compile_workload
from workloads import registry

WORKLOAD = "gemm:4x4x4"
FAULTS = {
    "illegal": ({"last_k": 0}, "last_k = 0"),
    "overrun": ({"accumulator_address": 4095}, "accumulator: touches"),
    "unwritten": ({"activation_address": 0x1000}, "which was never written"),
}


def faulty_image(changes: dict[str, int]) -> Image:
    image = compile_workload(registry.load(WORKLOAD), load_config("tiny")).image
    code = encode_program(
        with_fields(i, **changes) if isinstance(i, Matrix) else i for i in image.program
    )
    sections = tuple(
        replace(section, data=code) if section.kind is SectionKind.PROGRAM else section
        for section in image.sections
    )
    return replace(image, sections=sections)


def complaint(capsys: pytest.CaptureFixture[str], program: str) -> tuple[int, str]:
    """Exit status and the last line on stderr, behind those that tell the progress."""
    status = cli._main(["run", program, "--config", "tiny"])
    *progress, line = capsys.readouterr().err.splitlines()
    assert all(told.startswith("... ") for told in progress)
    return status, line


@pytest.mark.parametrize("fault", FAULTS)
def test_what_golden_refuses_of_the_compiler_is_a_failure(fault, monkeypatch, capsys):
    changes, said = FAULTS[fault]
    image = faulty_image(changes)
    monkeypatch.setattr("compiler.compile", lambda *arguments: image)
    status, line = complaint(capsys, WORKLOAD)
    assert status == 1
    assert line.startswith("assay: fault of the compiler, not of the input: instruction ")
    assert said in line


@pytest.mark.parametrize("fault", FAULTS)
def test_what_golden_refuses_of_an_image_file_is_bad_input(fault, tmp_path: Path, capsys):
    changes, said = FAULTS[fault]
    path = tmp_path / "faulty.assay"
    faulty_image(changes).save(path)
    status, line = complaint(capsys, str(path))
    assert status == 2
    assert line.startswith("assay: instruction ")
    assert said in line


def test_what_the_compiler_refuses_of_its_own_program_is_its_fault():
    with pytest.raises(CompilerError, match=r"^fault of the compiler, .*: the program has no END"):
        reject_races([], [])
