"""Addresses in DRAM: tensors, constants and the sections of the image that fill them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.errors import AssayError
from compiler.packing import pack_parameters
from compiler.placement import ALIGNMENT_BYTES, SHARED, Placement
from model.tiling import round_up
from workloads.epilogue import Accumulated
from workloads.graph import Graph
from workloads.operators import Normalize
from workloads.tensor import DTYPES, Tensor


class Layout:
    """DRAM as it fills up: tensors at once, constants when an operator asks for them.

    Attributes
    ----------
    sections
        Name, address and bytes of what is there before the run.
    end
        Of what is taken so far, a multiple of ``ALIGNMENT_BYTES``.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: dict[str, NDArray[np.generic]],
        placement: Placement,
        config: Config,
    ) -> None:
        self.sections: list[tuple[str, int, bytes]] = []
        self.end = 0
        self._config = config
        self._placement = placement
        self._operators = {operator.name: operator for operator in graph.operators}
        self._origins: dict[str, int] = {}
        self._constants: dict[str, int] = {}
        contents = {tensor.name: inputs[tensor.name] for tensor in graph.inputs}
        contents |= {constant.tensor.name: constant.values for constant in graph.constants}
        for tensor in graph.tensors:
            home = placement.homes[tensor.name]
            if tensor.name == home.origin:
                self._origins[tensor.name] = self.reserve(self._rows_of(graph, tensor))
            if tensor.name in contents:
                content = pack_rows(contents[tensor.name], tensor, home.row_bytes)
                name = f"tensor.{tensor.name}"
                self.sections.append((name, self.address(tensor.name), content))
        self._origins[SHARED] = self.reserve(placement.shared_bytes)

    def _rows_of(self, graph: Graph, tensor: Tensor) -> int:
        """Bytes of a memory of its own: of the largest tensor that begins there."""
        homes = self._placement.homes
        return max(
            other.rows * homes[other.name].row_bytes
            for other in graph.tensors
            if homes[other.name].origin == tensor.name
        )

    def address(self, tensor: str) -> int:
        """Where a tensor that lives in DRAM begins."""
        home = self._placement.homes[tensor]
        return self._origins[home.origin] + home.address

    def reserve(self, size: int) -> int:
        """Set aside `size` bytes.

        Raises
        ------
        AssayError
            DRAM is full.
        """
        address = self.end
        self.end = round_up(address + size, ALIGNMENT_BYTES)
        if self.end > self._config.dram_bytes:
            raise AssayError(
                f"the workload needs more DRAM than the {self._config.dram_mib} MiB of "
                f"configuration '{self._config.name}': raise dram_mib"
            )
        return address

    def constant(self, name: str, pack: Callable[[], bytes]) -> int:
        """Address of the constant `name`, a section of the image from the first call on."""
        if name not in self._constants:
            content = pack()
            address = self.reserve(len(content))
            self._constants[name] = address
            self.sections.append((name, address, content))
        return self._constants[name]

    def parameters(self, name: str) -> int:
        """Address of bias and scale of the operator `name`, :meth:`constant` too."""
        operator = self._operators[name]
        assert isinstance(operator, Accumulated | Normalize), "others have none"
        bias = operator.bias if isinstance(operator, Accumulated) else operator.offset
        return self.constant(
            f"parameters.{name}", lambda: pack_parameters(bias, operator.scale, self._config.cols)
        )


def pack_rows(array: NDArray[np.generic], tensor: Tensor, row_bytes: int) -> bytes:
    """Rows of a tensor, padded with zeros to `row_bytes` (rule D-01)."""
    little = np.ascontiguousarray(array, DTYPES[tensor.element_type].newbyteorder("<"))
    padded = np.zeros((tensor.rows, row_bytes), np.uint8)
    padded[:, : tensor.cols * tensor.element_type.bytes] = little.view(np.uint8)
    return padded.tobytes()
