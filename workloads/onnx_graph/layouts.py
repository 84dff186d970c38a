"""How tensors of a model lie in matrices, and what is only moved or re-labelled.

A :class:`View` says of each element of a tensor of the model where it is. Shape operators make
views of views; whether elements have to move shows when an operator wants a matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workloads.tensor import Tensor

Indices = NDArray[np.int64]
Shape = tuple[int, ...]

FILL = -1
"""Number of an element that is no element of a tensor, but a constant code."""


@dataclass(frozen=True)
class Layout:
    """A matrix whose elements, row by row, are those of a tensor with its axes permuted.

    `perm` lists the axes as :func:`numpy.transpose` takes them.
    """

    perm: tuple[int, ...]
    rows: int
    cols: int

    def row_axes(self, shape: Shape) -> int | None:
        """How many axes of `perm` make the rows; None where rows end within an axis."""
        rows = 1
        for count, axis in enumerate((*self.perm, -1)):
            if rows == self.rows:
                return count
            if axis >= 0:
                rows *= shape[axis]
        return None


def natural(shape: Shape, column_axes: int = 1) -> Layout:
    """Axes in order, the last ones as columns."""
    return permuted(shape, tuple(range(len(shape))), column_axes)


def channels_last(shape: Shape) -> Layout:
    """Images: a pixel in each row."""
    return permuted(shape, (0, *range(2, len(shape)), 1))


def permuted(shape: Shape, perm: tuple[int, ...], column_axes: int = 1) -> Layout:
    """Axes in an order, the last ones as columns."""
    columns = math.prod(shape[axis] for axis in perm[max(0, len(perm) - column_axes) :])
    return Layout(perm, math.prod(shape) // columns, columns)


@dataclass(eq=False)
class Source:
    """A tensor; or an input of the model, which becomes one when an operator first reads it.

    Attributes
    ----------
    elements
        How many.
    tensor
        None for an input that nothing has read.
    order
        For inputs: which element of the model's input, in its own order, each element of the tensor
        is. None where the order is the same.
    """

    elements: int
    tensor: Tensor | None
    order: Indices | None = None

    def position(self) -> Indices:
        """Where in the tensor each element lies."""
        if self.order is None:
            return np.arange(self.elements, dtype=np.int64)
        position = np.empty(self.elements, np.int64)
        position[self.order] = np.arange(self.elements, dtype=np.int64)
        return position


@dataclass(frozen=True, eq=False)
class View:
    """Where the elements of a tensor of the model are.

    Attributes
    ----------
    shape
        Of the model's tensor.
    sources
        What holds elements; they are numbered one source behind the other.
    perm
        With one source: its elements are those of the tensor with axes permuted so. Else None.
    index
        Where `perm` is None: numbers of the elements, of `shape`; FILL for a constant.
    fill
        The code of that constant.
    made
        Matrices that exist already, by their layout.
    """

    shape: Shape
    sources: tuple[Source, ...]
    perm: tuple[int, ...] | None = None
    index: Indices | None = None
    fill: int = 0
    made: dict[Layout, Tensor] = field(default_factory=dict)

    @property
    def layout(self) -> Layout | None:
        """That of its only tensor; None where elements have to move first."""
        tensor = self.sources[0].tensor
        if self.perm is None or tensor is None or self.sources[0].order is not None:
            return None
        return Layout(self.perm, tensor.rows, tensor.cols)

    @property
    def filled(self) -> bool:
        """Whether some elements are constant."""
        return self.index is not None and bool((self.index == FILL).any())

    def numbers(self) -> Indices:
        """Numbers of all elements, of `shape`."""
        if self.index is not None:
            return self.index
        assert self.perm is not None
        extents = [self.shape[axis] for axis in self.perm]
        flat = np.arange(math.prod(self.shape), dtype=np.int64)
        return flat.reshape(extents).transpose(np.argsort(self.perm))

    def reshaped(self, shape: Shape) -> View:
        """The same elements in the same order, in another shape."""
        if shape == self.shape:
            return self
        if self.perm is not None and _order(self.perm, self.shape) == sorted(
            _order(self.perm, self.shape)
        ):
            return View(shape, self.sources, perm=tuple(range(len(shape))), made=self._flat(shape))
        return View(shape, self.sources, index=self.numbers().reshape(shape), fill=self.fill)

    def _flat(self, shape: Shape) -> dict[Layout, Tensor]:
        """Matrices of elements in their order, which hold for another shape too."""
        perm = tuple(range(len(shape)))
        return {
            Layout(perm, layout.rows, layout.cols): tensor
            for layout, tensor in self.made.items()
            if _order(layout.perm, self.shape) == sorted(_order(layout.perm, self.shape))
        }

    def transposed(self, axes: tuple[int, ...]) -> View:
        """Axes in another order."""
        shape = tuple(self.shape[axis] for axis in axes)
        if self.perm is not None:
            perm = tuple(axes.index(axis) for axis in self.perm)
            return View(shape, self.sources, perm=perm)
        return View(shape, self.sources, index=self.numbers().transpose(axes), fill=self.fill)

    def taken(self, index: Indices) -> View:
        """Elements chosen by their numbers (:meth:`numbers`), or FILL."""
        if np.array_equal(index, self.numbers()):
            return self
        return View(index.shape, self.sources, index=index, fill=self.fill)

    def broadcast(self, shape: Shape) -> View:
        """Elements repeated as NumPy does."""
        padded = self.reshaped((1,) * (len(shape) - len(self.shape)) + self.shape)
        return padded.taken(np.broadcast_to(padded.numbers(), shape))

    def repeated(self, shape: Shape, layout: Layout) -> tuple[View, Layout]:
        """Broadcast, but without rows that only repeat the one before.

        Returns a view and its layout: each row is for as many rows of `layout`, a matrix of
        `shape`, as there are more of these.
        """
        count = layout.row_axes(shape)
        assert count is not None
        padded = self.reshaped((1,) * (len(shape) - len(self.shape)) + self.shape)
        target = list(shape)
        for axis in reversed(layout.perm[:count]):
            if padded.shape[axis] != 1:
                break
            target[axis] = 1
        rows = math.prod(target[axis] for axis in layout.perm[:count])
        return padded.broadcast(tuple(target)), Layout(layout.perm, rows, layout.cols)

    def holds(self, layout: Layout) -> bool:
        """Whether its only tensor is this matrix, as far as that shows without looking."""
        own = self.layout
        return (
            own is not None
            and (own.rows, own.cols) == (layout.rows, layout.cols)
            and _order(own.perm, self.shape) == _order(layout.perm, self.shape)
        )

    def matrix(self, layout: Layout) -> Indices:
        """Numbers of the elements of the matrix, where sources are tensors."""
        numbers = self.numbers()
        if any(source.order is not None for source in self.sources):
            starts = np.cumsum([0, *(source.elements for source in self.sources)])
            positions = [
                source.position() + start
                for source, start in zip(self.sources, starts, strict=False)
            ]
            numbers = np.concatenate([*positions, [FILL]])[numbers]
        return numbers.transpose(layout.perm).reshape(layout.rows, layout.cols)


def joined(views: list[View], axis: int) -> View:
    """Views side by side along an axis; sources that they share count once."""
    sources: list[Source] = []
    for view in views:
        sources += [source for source in view.sources if source not in sources]
    starts = np.cumsum([0, *(source.elements for source in sources)])
    parts = []
    for view in views:
        shift = [
            np.arange(source.elements, dtype=np.int64) + starts[sources.index(source)]
            for source in view.sources
        ]
        parts.append(np.concatenate([*shift, [FILL]])[view.numbers()])
    index = np.concatenate(parts, axis)
    fills = {view.fill for view in views if view.filled}
    assert len(fills) <= 1
    return View(index.shape, tuple(sources), index=index, fill=fills.pop() if fills else 0)


def _order(perm: tuple[int, ...], shape: Shape) -> list[int]:
    """The axes that count: those of extent 1 may stand anywhere."""
    return [axis for axis in perm if shape[axis] > 1]
