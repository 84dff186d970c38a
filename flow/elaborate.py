"""Amaranth to Verilog, cached, with what the testbench needs to know of it."""

from __future__ import annotations

import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path

from arch.config import Config
from arch.errors import AssayError
from flow.cache import SIM_BUILD, cached, digest
from tb.memory_layout import RtlMemory, rtl_memories

_ROOT = Path(__file__).resolve().parent.parent

_MODULE = re.compile(r"^module (\S+) ?\(", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+) +(\S+) \($", re.MULTILINE)
_MEMORY = re.compile(r"^  reg \[(\d+):0\] (\S+) \[(\d+):0\];$", re.MULTILINE)
_PORT = re.compile(r"^  (?:input|output) \[(\d+):0\] (\S+);$", re.MULTILINE)


@dataclass(frozen=True)
class Rtl:
    """The accelerator as text.

    Attributes
    ----------
    verilog
        Modules; the top is ``accelerator``.
    include
        SystemVerilog for the inside of ``tb/assay_top.sv``: widths, and tasks that load and dump
        every memory of :func:`tb.memory_layout.rtl_memories`.
    metadata
        JSON of the ports: names, widths, signedness.
    """

    verilog: str
    include: str
    metadata: str


def elaborate(config: Config, root: Path = SIM_BUILD) -> Rtl:
    """Verilog of an accelerator, from the cache if neither its sources nor its sizes changed."""
    sources = [*_ROOT.glob("hdl/*.py"), *_ROOT.glob("arch/*.py"), *_ROOT.glob("arch/*.rdl")]
    recipe = {
        "hardware": f"{config.hardware_hash:016x}",
        "sources": {str(path.relative_to(_ROOT)): path.read_text() for path in sources},
        "amaranth": importlib.metadata.version("amaranth"),
        "include": Path(__file__).read_text(),
        "layout": [repr(memory) for memory in rtl_memories(config)],
    }

    def make(folder: Path) -> None:
        # Amaranth is slow to import and needed only here.
        from amaranth.back import verilog

        from hdl.accelerator import Accelerator

        accelerator = Accelerator(config)
        text = verilog.convert(accelerator, name="accelerator", strip_internal_attrs=True)
        (folder / "accelerator.svh").write_text(_include(text, config))
        (folder / "accelerator.json").write_text(json.dumps(accelerator.metadata.as_json()))
        (folder / "accelerator.v").write_text(text)

    folder = cached(digest(recipe), make, root)
    names = ("accelerator.v", "accelerator.svh", "accelerator.json")
    return Rtl(*((folder / name).read_text() for name in names))


def memory_paths(verilog: str) -> dict[str, tuple[int, int]]:
    """Hierarchical name of every memory below ``accelerator``, with its (depth, width in bits)."""
    starts = [*_MODULE.finditer(verilog)]
    ends = [match.start() for match in starts[1:]] + [len(verilog)]
    bodies = {match[1]: verilog[match.end() : end] for match, end in zip(starts, ends, strict=True)}
    found: dict[str, tuple[int, int]] = {}

    def visit(module: str, prefix: str) -> None:
        body = bodies[module]
        for width, name, depth in _MEMORY.findall(body):
            found[prefix + name] = (int(depth) + 1, int(width) + 1)
        for child, name in _INSTANCE.findall(body):
            visit(child, f"{prefix}{name}.")

    visit("accelerator", "")
    return found


def _include(verilog: str, config: Config) -> str:
    paths = memory_paths(verilog)
    widths = {name: int(high) + 1 for high, name in _PORT.findall(verilog)}
    lines = [
        f"localparam integer AXI_BYTES = {config.axi_bytes};",
        f"localparam integer CSR_ADDRESS_BITS = {widths['csr__awaddr']};",
        f"localparam integer INDEX_BITS = {widths['retire_load__instruction']};",
        f"localparam integer CYCLE_BITS = {widths['cycle']};",
    ]
    names = [f"dut.{_locate(memory, paths)}" for memory in rtl_memories(config)]
    lines += ["task load_memories;", "begin"]
    lines += [f"    words_read = $fread({name}, file);" for name in names]
    lines += ["end", "endtask", "task dump_memories;", "begin"]
    for name, memory in zip(names, rtl_memories(config), strict=True):
        lines += [
            f"    for (index = 0; index < {memory.depth}; index = index + 1) begin",
            f"        dump_word_check(^{name}[index]);",
            f'        $fwrite(file, "%u", {name}[index]);',
            "    end",
        ]
    return "\n".join([*lines, "end", "endtask", ""])


def _locate(memory: RtlMemory, paths: dict[str, tuple[int, int]]) -> str:
    suffix = ".".join(memory.path)
    matches = [path for path in paths if f".{path}".endswith(f".{suffix}")]
    if len(matches) != 1:
        raise AssayError(
            f"the RTL has {len(matches)} memories named {suffix}, the testbench needs one: "
            "make hdl/ and tb/memory_layout.py agree"
        )
    if paths[matches[0]] != (memory.depth, 8 * memory.word_bytes):
        depth, width = paths[matches[0]]
        raise AssayError(
            f"the RTL's memory {matches[0]} is {depth} x {width} bits, the testbench expects "
            f"{memory.depth} x {8 * memory.word_bytes}: make hdl/ and tb/memory_layout.py agree"
        )
    return matches[0]
