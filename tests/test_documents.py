"""The reference pages are those of the contract, and lint notices where they are not."""

import subprocess

import pytest

from arch.fields import LAYOUTS, ErrorCode
from arch.registers import register_map
from flow import documents
from flow.toolchain import compiler


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "GENERATED", tmp_path)
    return tmp_path


def test_committed_pages_are_not_stale():
    assert documents.stale() == []


def test_a_page_that_differs_or_is_missing_is_stale(folder):
    assert documents.stale() == sorted(documents.pages(), key=list(documents.pages()).index)
    documents.write()
    assert documents.stale() == []
    (folder / "registers.md").write_text("edited by hand")
    (folder / "assay.h").unlink()
    assert documents.stale() == ["registers.md", "assay.h"]


def test_pages_name_every_register_counter_field_and_error():
    pages = documents.pages()
    for register in register_map().registers.values():
        assert f"| 0x{register.offset_bytes:03x} | `{register.name}` |" in pages["registers.md"]
    for counter in register_map().counters:
        assert f"| 0x{counter.offset_bytes:03x} | `{counter.name}` |" in pages["counters.md"]
    for opcode, fields in LAYOUTS.items():
        assert f"## {opcode.name} (0x{opcode:02x}" in pages["instructions.md"]
        assert all(f"`{field.name}`" in pages["instructions.md"] for field in fields)
    assert all(f"| {int(code)} | {code.name} |" in pages["instructions.md"] for code in ErrorCode)


def test_fields_of_an_instruction_follow_one_another():
    page = documents.pages()["instructions.md"].split("## LOAD ")[1].split("##")[0]
    assert "| 7:0 | `opcode` |" in page
    assert "| 11:8 | `signal` |" in page
    assert "| 45:44 | `buffer` |" in page


def test_header_compiles_and_places_registers(folder):
    documents.write()
    source = folder / "check.c"
    source.write_text(
        '#include <stddef.h>\n#include "assay.h"\n'
        + "".join(
            f"_Static_assert(offsetof(assay_t, {register.name}) == {register.offset_bytes}, "
            f'"{register.name}");\n'
            for register in register_map().registers.values()
        )
    )
    command = [str(compiler()), "-x", "c", "-std=c11", "-fsyntax-only", str(source)]
    subprocess.run(command, check=True)


def test_html_pages_are_written(tmp_path):
    documents.write_html(tmp_path / "html")
    assert (tmp_path / "html" / "index.html").is_file()
