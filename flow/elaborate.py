"""Amaranth to Verilog, cached, with what the testbench needs to know of it."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path

from arch.config import Config
from arch.errors import AssayError
from flow.cache import SIM_BUILD, cached, digest
from flow.verilog import Memory, for_simulation, memories, ports
from tb.memory_layout import RtlMemory, rtl_memories

_ROOT = Path(__file__).resolve().parent.parent
_TOP = "accelerator"
_FILES = (f"{_TOP}.v", f"{_TOP}.svh", f"{_TOP}.json")


@dataclass(frozen=True)
class Rtl:
    """The accelerator as text.

    Attributes
    ----------
    verilog
        Modules, without power-up values; the top is ``accelerator``.
    include
        SystemVerilog for the inside of ``tb/assay_top.sv``: widths, and tasks that load and dump
        every memory of :func:`tb.memory_layout.rtl_memories`.
    metadata
        JSON of the ports: names, widths, signedness.
    """

    verilog: str
    include: str
    metadata: str


def recipe(config: Config) -> dict[str, object]:
    """Everything that the Verilog of an accelerator is made from."""
    sources = [*_ROOT.glob("hdl/*.py"), *_ROOT.glob("arch/*.py"), *_ROOT.glob("arch/*.rdl")]
    sources += [_ROOT / "flow" / "elaborate.py", _ROOT / "flow" / "verilog.py"]
    sources += [_ROOT / "tb" / "memory_layout.py"]
    return {
        "hardware": f"{config.hardware_hash:016x}",
        "sources": {str(path.relative_to(_ROOT)): path.read_text() for path in sources},
        "amaranth": importlib.metadata.version("amaranth"),
    }


def elaborate(config: Config, root: Path = SIM_BUILD) -> Rtl:
    """Verilog of an accelerator, from the cache if neither its sources nor its sizes changed."""

    def make(folder: Path) -> None:
        rtl = convert(config)
        for name, text in zip(_FILES, (rtl.verilog, rtl.include, rtl.metadata), strict=True):
            (folder / name).write_text(text)

    folder = cached(digest(recipe(config)), make, root)
    return Rtl(*((folder / name).read_text() for name in _FILES))


def convert(config: Config) -> Rtl:
    """Verilog of an accelerator, made now; errors where ``tb.memory_layout`` does not fit it."""
    # Amaranth is slow to import and needed only where nothing is cached.
    from amaranth.back import verilog

    from hdl.accelerator import Accelerator

    accelerator = Accelerator(config)
    # Without source lines: what is built depends on the hardware, not on comments or folders.
    text = verilog.convert(accelerator, name=_TOP, strip_internal_attrs=True, emit_src=False)
    text = for_simulation(text)
    found = memories(text, _TOP)
    buffers = [_locate(memory, found) for memory in rtl_memories(config)]
    metadata = json.dumps(accelerator.metadata.as_json())
    widths = {port.name: port.width_bits for port in ports(text, _TOP)}
    return Rtl(text, _include(widths, buffers, config), metadata)


def _include(widths: dict[str, int], buffers: list[Memory], config: Config) -> str:
    lines = [
        f"localparam integer AXI_BYTES = {config.axi_bytes};",
        f"localparam integer CSR_ADDRESS_BITS = {widths['csr__awaddr']};",
        f"localparam integer INDEX_BITS = {widths['retire_load__instruction']};",
        f"localparam integer CYCLE_BITS = {widths['cycle']};",
    ]
    lines += ["task load_memories;", "begin"]
    lines += [f"    words_read = $fread(dut.{memory.path}, file);" for memory in buffers]
    lines += ["end", "endtask", "task dump_memories;", "begin"]
    for memory in buffers:
        lines += [
            f"    for (index = 0; index < {memory.depth}; index = index + 1) begin",
            f"        dump_word_check(^dut.{memory.path}[index]);",
            f'        $fwrite(file, "%u", dut.{memory.path}[index]);',
            "    end",
        ]
    return "\n".join([*lines, "end", "endtask", ""])


def _locate(wanted: RtlMemory, found: list[Memory]) -> Memory:
    suffix = ".".join(wanted.path)
    matches = [memory for memory in found if f".{memory.path}".endswith(f".{suffix}")]
    if len(matches) != 1:
        raise AssayError(
            f"the RTL has {len(matches)} memories named {suffix}, the testbench needs one: "
            "make hdl/ and tb/memory_layout.py agree"
        )
    memory = matches[0]
    if (memory.depth, memory.width_bits) != (wanted.depth, 8 * wanted.word_bytes):
        raise AssayError(
            f"the RTL's memory {memory.path} is {memory.depth} x {memory.width_bits} bits, the "
            f"testbench expects {wanted.depth} x {8 * wanted.word_bytes}: make hdl/ and "
            "tb/memory_layout.py agree"
        )
    return memory
