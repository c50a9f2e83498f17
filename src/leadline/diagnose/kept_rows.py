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

    `repeated` is then the share of rows that come in the order of the time before. `first_targets` are those of the first
    batches, where they are one number a row.

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
        self.repeated: float | None = None
        self._room = 0
        self.first_targets: list[Tensor] = []
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
            of_batch = first_tensor(self._parts[-1][1])
            if of_batch.numel() == len(of_batch):
                self.first_targets.append(of_batch.reshape(-1))
            self._whole = None
        self.seen += count

    def rows(self) -> Rows:
        """The kept rows, each once."""
        if self._whole is None:
            whole = self._together()
            keys = row_keys(whole)
            once = _first_of_each(keys)
            # Where the last rows all came before, the data have come round: there are no others.
            if not self._replaced and len(once) and int(once[-1]) < len(whole) - min(_TAIL, len(once)):
                self.distinct = len(once)
                self.repeated = _in_order(keys)
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
        for kept, offered in zip(leaves_of((whole.inputs, whole.targets)), leaves_of((inputs, targets)), strict=True):
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
    targets = as_tensors(targets)
    wanted = leaves_of(targets)
    inputs = as_tensors(inputs, len(wanted[0]) if wanted and wanted[0].ndim else 1)
    given = leaves_of(inputs)
    if not given or not wanted:
        raise ValueError(f"{'inputs' if not given else 'targets'} without a tensor")
    if wanted[0].ndim == 0:
        inputs, targets = (each_tensor(part, lambda each: each.unsqueeze(0)) for part in (inputs, targets))
        given, wanted = leaves_of(inputs), leaves_of(targets)
    count = len(wanted[0])
    for each in (*given, *wanted):
        if each.ndim == 0 or len(each) != count:
            raise ValueError(f"inputs of {len(each) if each.ndim else 1} rows, targets of {count}")
    if device is not None:
        inputs, targets = (each_tensor(part, lambda each: each.to(device)) for part in (inputs, targets))
    return Rows(inputs, targets)


def as_tensors(tree: Any, count: int | None = None) -> Any:
    """The same nest with arrays and numbers as tensors; within it lists of numbers too, where they have so many."""
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree)
    if isinstance(tree, (bool, int, float, np.generic)):
        return torch.as_tensor(tree)
    if isinstance(tree, (tuple, list)) and not hasattr(tree, "_fields") and tree and all(map(_is_number, tree)):
        return torch.as_tensor(tree)
    return _within(tree, count)


def _within(tree: Any, count: int | None) -> Any:
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree) if tree.dtype.kind in "biuf" else tree
    if isinstance(tree, dict):
        return {name: _within(part, count) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        if isinstance(tree, list) and len(tree) == count and all(map(_is_number, tree)):
            return torch.as_tensor(tree)
        return like(tree, [_within(part, count) for part in tree])
    return tree


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.generic))


def _copy(tensor: Tensor, which: Any) -> Tensor:
    return tensor.detach()[which.to(tensor.device) if isinstance(which, Tensor) else which].clone()


def leaves_of(tree: Any) -> list[Tensor]:
    """The tensors of a nest, in order."""
    found: list[Tensor] = []
    each_tensor(tree, found.append)
    return found


def _bytes(tree: Any, count: int) -> list[int]:
    return [tensor.numel() * tensor.element_size() // max(count, 1) for tensor in leaves_of(tree)]


def _joined(parts: list[Any]) -> Any:
    """Batches one after the other; those whose rows have other shapes than the first are left out."""
    if isinstance(parts[0], Tensor):
        return torch.cat([part for part in parts if part.shape[1:] == parts[0].shape[1:]])
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], (tuple, list)):
        return like(parts[0], [_joined(list(each)) for each in zip(*parts, strict=True)])
    return parts[0]


def row_keys(rows: Rows) -> list[bytes]:
    """What tells a row from others: the bytes of its inputs and targets.

    Example:
        >>> keys = row_keys(Rows(torch.zeros(2, 3), torch.tensor([1, 1])))
        >>> keys[0] == keys[1]
        True
    """
    count = len(rows)
    columns = [tensor.reshape(count, -1).cpu().contiguous() for tensor in leaves_of((rows.inputs, rows.targets))]
    raws = [column.view(torch.uint8).numpy() for column in columns]  # of all types, bfloat16 among them
    return [b"|".join(raw[row].tobytes() for raw in raws) for row in range(count)]


def _first_of_each(keys: list[bytes]) -> Tensor:
    """The numbers of the rows whose inputs and targets equal no earlier row's."""
    seen, first = set[bytes](), list[int]()
    for row, key in enumerate(keys):
        if key not in seen:
            seen.add(key)
            first.append(row)
    return torch.tensor(first)


def _in_order(keys: list[bytes]) -> float | None:
    """The share of rows that are those of one round before; a round is over when the first row comes again."""
    round_ = next((at for at in range(1, len(keys)) if keys[at] == keys[0]), len(keys))
    left = len(keys) - round_
    return sum(keys[at] == keys[at - round_] for at in range(round_, len(keys))) / left if left >= _TAIL else None
