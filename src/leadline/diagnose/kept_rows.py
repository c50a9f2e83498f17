"""Rows that pass by in batches, kept for the checks: a fair sample of them, within a bound on memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.diagnose.subject import Rows, each_tensor, first_tensor, like

_MOST_ROWS, _MOST_BYTES = 2048, 32 << 20
_TAIL = 16  # rows at the end that all came before, which tell that the data have come round


class KeptRows:
    """A sample of the rows of a stream of batches; how many distinct rows there are is told once they come again.

    The first rows are kept as they come; of later batches, those that are offered, each row takes the place of another with
    the probability that makes the sample fair (Vitter's algorithm R). It draws from a generator of its own.

    Example:
        >>> kept = KeptRows()
        >>> for _ in range(3):
        ...     kept.offer(torch.arange(8.0).view(4, 2), torch.arange(4))
        >>> len(kept.rows()), kept.distinct
        (4, 4)
    """

    def __init__(self) -> None:
        self.seen = 0
        self.distinct: int | None = None
        self._room = 0
        self._parts: list[tuple[Any, Any]] = []
        self._held = 0
        self._checked: bool | None = None
        self._replaced = False
        self._random = np.random.default_rng(0)
        self._whole: Rows | None = None

    @property
    def full(self) -> bool:
        return bool(self._room) and self._held >= self._room

    def offer(self, inputs: Any, targets: Any) -> None:
        """Keep some rows of this batch."""
        count = len(first_tensor(targets))
        if not self._room:
            self._room = room_for(inputs, targets, count)
        if self.full:
            if self._complete():
                return
            places = self._random.integers(0, self.seen + count, size=count)
            chosen = np.flatnonzero(places < self._room)
            self._replace(inputs, targets, chosen, places[chosen])
        else:
            most = self._room - self._held
            # Of a batch larger than the room a random choice, in its order.
            which = slice(None) if count <= most else torch.from_numpy(np.sort(self._random.permutation(count)[:most]))
            self._parts.append(tuple(each_tensor(part, lambda each: _copy(each, which)) for part in (inputs, targets)))
            self._held += min(count, most)
            self._whole = None
        self.seen += count

    def rows(self) -> Rows:
        """The kept rows, each once."""
        if self._whole is None:
            whole = self._together()
            once = _first_of_each(whole)
            # Where the last rows all came before, the data have come round: there are no others.
            if not self._replaced and len(once) and int(once[-1]) < len(whole) - min(_TAIL, len(once)):
                self.distinct = len(once)
            self._whole = whole.take(once)
        return self._whole

    def _complete(self) -> bool:
        """Whether all rows there are had come once before there was no more room; looked at once."""
        if self._checked is None:
            self.rows()
            self._checked = self.distinct is not None
        return self._checked

    def _together(self) -> Rows:
        return Rows(_joined([part[0] for part in self._parts]), _joined([part[1] for part in self._parts]))

    def _replace(self, inputs: Any, targets: Any, chosen: Any, places: Any) -> None:
        if not len(chosen):
            return
        whole = self._together()
        to, of = torch.from_numpy(places), torch.from_numpy(chosen)
        for kept, offered in zip(_leaves((whole.inputs, whole.targets)), _leaves((inputs, targets)), strict=True):
            if kept.shape[1:] == offered.shape[1:]:
                kept[to.to(kept.device)] = offered.detach()[of.to(offered.device)].to(kept.dtype)
        self._parts, self._whole, self._replaced = [(whole.inputs, whole.targets)], None, True


def room_for(inputs: Any, targets: Any, count: int) -> int:
    """How many rows like these `count` are kept at most.

    Example:
        >>> room_for(torch.zeros(2, 3, 224, 224), torch.zeros(2), 2)
        55
    """
    row = max(1, sum(_bytes(inputs, count)) + sum(_bytes(targets, count)))
    return max(16, min(_MOST_ROWS, _MOST_BYTES // row))


def as_rows(inputs: Any, targets: Any, device: torch.device | None = None) -> Rows:
    """A batch as rows on a device: arrays and numbers become tensors, and where the target is one number it is one row.

    Errors: `ValueError` where rows do not stand side by side along the first dimension of inputs and targets.

    Example:
        >>> as_rows(np.zeros(3), 1.0).inputs.shape
        torch.Size([1, 3])
        >>> as_rows(torch.zeros(7, 4, 3), torch.zeros(4))
        Traceback (most recent call last):
            ...
        ValueError: inputs of 7 rows, targets of 4
    """
    inputs, targets = _as_tensors(inputs), _as_tensors(targets)
    given, wanted = _leaves(inputs), _leaves(targets)
    if not given or not wanted:
        raise ValueError(f"{'inputs' if not given else 'targets'} without a tensor")
    if wanted[0].ndim == 0:
        inputs, targets = (each_tensor(part, lambda each: each.unsqueeze(0)) for part in (inputs, targets))
        given, wanted = _leaves(inputs), _leaves(targets)
    count = len(wanted[0])
    for each in (*given, *wanted):
        if each.ndim == 0 or len(each) != count:
            raise ValueError(f"inputs of {len(each) if each.ndim else 1} rows, targets of {count}")
    if device is not None:
        inputs, targets = (each_tensor(part, lambda each: each.to(device)) for part in (inputs, targets))
    return Rows(inputs, targets)


def _as_tensors(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree)
    if isinstance(tree, (bool, int, float, np.generic)):
        return torch.as_tensor(tree)
    if isinstance(tree, (tuple, list)) and not hasattr(tree, "_fields") and tree and all(map(_is_number, tree)):
        return torch.as_tensor(tree)
    if isinstance(tree, dict):
        return {name: torch.from_numpy(part) if isinstance(part, np.ndarray) else part for name, part in tree.items()}
    return tree


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.generic))


def _copy(tensor: Tensor, which: Any) -> Tensor:
    return tensor.detach()[which.to(tensor.device) if isinstance(which, Tensor) else which].clone()


def _leaves(tree: Any) -> list[Tensor]:
    found: list[Tensor] = []
    each_tensor(tree, found.append)
    return found


def _bytes(tree: Any, count: int) -> list[int]:
    return [tensor.numel() * tensor.element_size() // max(count, 1) for tensor in _leaves(tree)]


def _joined(parts: list[Any]) -> Any:
    """Batches one after the other; those whose rows have other shapes than the first are left out."""
    if isinstance(parts[0], Tensor):
        return torch.cat([part for part in parts if part.shape[1:] == parts[0].shape[1:]])
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], (tuple, list)):
        return like(parts[0], [_joined(list(each)) for each in zip(*parts, strict=True)])
    return parts[0]


def _first_of_each(rows: Rows) -> Tensor:
    """The numbers of the rows whose inputs and targets equal no earlier row's."""
    count, seen, first = len(rows), set[bytes](), list[int]()
    columns = [tensor.reshape(count, -1).cpu().contiguous().numpy() for tensor in _leaves((rows.inputs, rows.targets))]
    raws = [np.ascontiguousarray(column).view(np.uint8).reshape(count, -1) for column in columns]
    for row in range(count):
        key = b"|".join(raw[row].tobytes() for raw in raws)
        if key not in seen:
            seen.add(key)
            first.append(row)
    return torch.tensor(first)
