"""How a loop calls its network, learned from one of its steps: what it tells beside what the network and the loss get."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from leadline.diagnose.kept_rows import leaves_of
from leadline.diagnose.loss_forms import LossForm
from leadline.diagnose.subject import GIVEN_ALONG, Rows, first_tensor, like
from leadline.diagnose.told_ways import Way, kind_of, same_memory, way_between

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


@dataclass(frozen=True)
class _Slot:
    """A tensor of the call that has a row for each row of the batch.

    Args:
        name: in the inputs of the rows.
        front: the dimension in which the network wants the rows.
        answers: whether it comes from the targets, of which it must not be learned.
        source: its number among the tensors that are told; None where it is none of them.
        way: from that one.
        listed: whether the network gets a list of numbers.
    """

    name: str
    front: int
    answers: bool = False
    source: int | None = None
    way: Way | None = None
    listed: bool = False

    def given(self, tensor: Tensor) -> Tensor:
        return tensor.detach().movedim(self.front, 0)

    def filled(self, rows: Tensor) -> Any:
        return rows.tolist() if self.listed else rows.movedim(0, self.front)


@dataclass(frozen=True)
class _Same:
    """A tensor of the call that is the same for every row, such as a first state or a mask of ones, along one dimension."""

    row: Tensor
    dimension: int

    def of(self, count: int) -> Tensor:
        sizes = list(self.row.shape)
        sizes[self.dimension] = count
        return self.row.expand(sizes)


@dataclass
class LoopForm:
    """How the network is called, and how what is told becomes what it gets.

    `recorded` says that some of what it gets is not made of what is told: its rows are then those of steps that were heard.

    Example:
        >>> x, y = torch.arange(24.0).reshape(4, 2, 3), torch.tensor([0, 1, 1, 0])
        >>> form = learn_call(nn.Linear(6, 2), (x.flatten(1),), {}, Rows(x, y))
        >>> form.rows(Rows(x, y)).inputs.shape
        torch.Size([4, 6])
    """

    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    slots: tuple[_Slot, ...] = ()
    loss: LossForm = field(default_factory=LossForm)

    @property
    def recorded(self) -> bool:
        return any(slot.source is None for slot in self.slots)

    @property
    def _alone(self) -> bool:
        """Whether the one argument is the rows and nothing else."""
        return len(self.arguments) == 1 and not self.keywords and isinstance(self.arguments[0], _Slot)

    def rows(self, told: Rows) -> Rows:
        """Rows that were told as network and loss get them.

        Errors: `ValueError` or `RuntimeError` for rows that are not of the kind that was learned from.
        """
        if not self.slots:
            return Rows(told.inputs, self.loss.of_targets(told.targets))
        tensors = leaves_of((told.inputs, told.targets))
        given = []
        for slot in self.slots:
            if slot.source is None or slot.way is None or slot.source >= len(tensors):
                raise ValueError("what the network gets is not made of what probe.step is told")
            given.append(slot.way(tensors[slot.source]))
        return self._rows(given, told.targets)

    def heard(self, arguments: tuple[Any, ...], keywords: dict[str, Any], targets: Any) -> Rows:
        """The rows of a call that was heard.

        Errors: `ValueError` for another call than the one that was learned from.
        """
        tensors = _slotted(self.arguments, arguments) + _slotted(self.keywords, keywords)
        return self._rows([slot.given(tensor) for slot, tensor in tensors], targets)

    def _rows(self, given: list[Tensor], targets: Any) -> Rows:
        targets = self.loss.of_targets(targets)
        if self._alone:
            return Rows(given[0], targets)
        pairs = list(zip(self.slots, given, strict=True))
        inputs: dict[str, Any] = {slot.name: tensor for slot, tensor in pairs if not slot.answers}
        along = {slot.name: tensor for slot, tensor in pairs if slot.answers}
        return Rows({**inputs, GIVEN_ALONG: along} if along else inputs, targets)

    def call(self, model: nn.Module, inputs: Any) -> Any:
        """What the loss takes of what the network gives for these inputs of rows."""
        count = len(first_tensor(inputs))

        def filled(part: Any) -> Any:
            if isinstance(part, _Slot):
                named = inputs[GIVEN_ALONG] if part.answers else inputs
                return part.filled(inputs if self._alone else named[part.name])
            return part.of(count) if isinstance(part, _Same) else part

        if not self.slots:
            return self.loss.of_outputs(model(inputs))
        return self.loss.of_outputs(model(*_mapped(self.arguments, filled), **_mapped(self.keywords, filled)))


def learn_call(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], told: Rows) -> LoopForm | None:
    """The form of a call of a network; None where it gets the inputs as they are told.

    Args:
        model: the network.
        arguments: that it got, and
        keywords: by name.
        told: the batch, as `probe.step` was told of it.

    Errors: `ValueError` where it gets something that cannot be looked into, or nothing with a row for each target.
    """
    learning = _Learning(told)
    if len(arguments) == 1 and not keywords and not learning.some_are_answers and _same_nest(arguments[0], told.inputs):
        return None
    names = _names_of(model)
    own = tuple(learning.template(each, names[at] if at < len(names) else str(at)) for at, each in enumerate(arguments))
    named = {name: learning.template(each, name) for name, each in keywords.items()}
    slots = tuple(_leaves(own, _Slot) + _leaves(named, _Slot))
    if not slots:
        raise ValueError("nothing that the network gets has a row for each target")
    if all(slot.answers for slot in slots):
        slots, own, named = _mapped((slots, own, named), _no_answer)
    return LoopForm(own, named, slots)


class _Learning:
    """Finds for each tensor of a call where it comes from."""

    def __init__(self, told: Rows) -> None:
        self.told = [*leaves_of(told.inputs), *leaves_of(told.targets)]
        self.count, targets = len(told), leaves_of(told.targets)
        self.answers = [any(_equal(each, target) for target in targets) for each in self.told]
        self._inputs = len(self.told) - len(targets)
        self._unlike: set[int] = set()

    @property
    def some_are_answers(self) -> bool:
        """Whether some of the inputs, and not all of them, are targets."""
        return any(self.answers[: self._inputs]) and not all(self.answers[: self._inputs])

    def template(self, part: Any, name: str) -> Any:
        """The call with slots in the place of its tensors."""
        if isinstance(part, Tensor):
            return self._tensor(part, name)
        if isinstance(part, dict):
            return {key: self.template(each, f"{name}.{key}") for key, each in part.items()}
        if isinstance(part, list) and len(part) == self.count and all(type(each) in (int, float) for each in part):
            found = self._tensor(torch.as_tensor(part), name)
            return dataclasses.replace(found, listed=True) if isinstance(found, _Slot) else part
        if isinstance(part, (tuple, list)) and not isinstance(part, PackedSequence):
            return like(part, [self.template(each, f"{name}.{at}") for at, each in enumerate(part)])
        if not isinstance(part, _PLAIN):
            raise ValueError(f"the network gets a {type(part).__name__}")
        return part

    def _tensor(self, tensor: Tensor, name: str) -> Any:
        tensor = tensor.detach()
        fronts = [at for at in range(tensor.ndim) if tensor.shape[at] == self.count]
        for front in fronts:
            given = tensor.movedim(front, 0)
            same = [source for source, told in enumerate(self.told) if same_memory(told, given)]
            for source in [*same, *range(len(self.told))]:
                if (way := way_between(self.told[source], given)) is not None:
                    return _Slot(name, front, self.answers[source], source, way)
        for front in fronts:
            first = tensor.narrow(front, 0, 1)
            if bool((tensor == first).all()):
                return _Same(first.clone(), front)
        if fronts and fronts[0] < 2:
            return self._changed(tensor, name, fronts[0])
        return tensor.clone()

    def _changed(self, tensor: Tensor, name: str, front: int) -> _Slot:
        """Of the same type and shape as what is told it is that, changed at random: what is told stands for it."""
        given = tensor.movedim(front, 0)
        for source, told in enumerate(self.told[: self._inputs]):
            if kind_of(told) == kind_of(given) and source not in self._unlike:
                self._unlike.add(source)
                return _Slot(name, front, False, source, way_between(told, told))
        return _Slot(name, front)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and torch.equal(one.to(other.device), other))


def _no_answer(part: Any) -> Any:
    """Where the network gets nothing but its targets, as one that rebuilds its inputs does, they are inputs."""
    return dataclasses.replace(part, answers=False) if isinstance(part, _Slot) else part


def _names_of(model: nn.Module) -> list[str]:
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def _same_nest(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return one is other or (same and (one.data_ptr() == other.data_ptr() or torch.equal(one.to(other.device), other)))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_nest(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(_same_nest, one, other))
    return not isinstance(one, Tensor) and not isinstance(other, Tensor)


def _mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        return {name: _mapped(part, change) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        return like(tree, [_mapped(part, change) for part in tree])
    return change(tree)


def _leaves(tree: Any, kind: type) -> list[Any]:
    found: list[Any] = []
    _mapped(tree, lambda part: found.append(part) if isinstance(part, kind) else None)
    return found


def _slotted(template: Any, given: Any) -> list[tuple[_Slot, Tensor]]:
    """The slots of a call, each with its tensor."""
    if isinstance(template, _Slot):
        given = torch.as_tensor(given) if template.listed else given
        if not isinstance(given, Tensor):
            raise ValueError("the network is called in another way than at first")
        return [(template, given)]
    if isinstance(template, dict):
        return [pair for key, part in template.items() for pair in _slotted(part, given[key])]
    if isinstance(template, (tuple, list)):
        return [pair for part, own in zip(template, given, strict=True) for pair in _slotted(part, own)]
    return []
