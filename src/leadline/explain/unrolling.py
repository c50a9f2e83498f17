"""A recurrent layer step by step from its weights, so that what lies between its inputs and outputs can be seen.

B batch, T time, D features that come in, H hidden units, s rows that still go on at a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from leadline.errors import ArgumentError
from leadline.layers import PeepholeLSTM
from leadline.layers.recurrent_loops import turned_rows
from leadline.models.recurrent_cells import RecurrentStack

RECURRENT = (nn.RNNBase, PeepholeLSTM)


@dataclass
class Unrolled:
    """One layer in one direction: what each of its steps came to, [s, …], in the order in which it read.

    Args:
        name: of the layer in the network.
        kind: "lstm", "gru" or "rnn".
        backward: whether it read each row from its end.
        values: by name, for each step the values of all units: of an LSTM "input", "forget", "output", "candidate", "cell" and
            "hidden", of a GRU "reset", "update", "candidate" and "hidden", of a simple layer "hidden".
        rows: which row of the batch stands where, the longest first; None where they stand in order.
    """

    name: str
    kind: str
    backward: bool
    values: dict[str, list[Tensor]] = field(default_factory=dict)
    rows: Tensor | None = None

    def note(self, found: dict[str, Tensor]) -> Tensor:
        """Keep one step, and answer with its output."""
        for name, value in found.items():
            self.values.setdefault(name, []).append(value)
        return found["hidden"]


@contextmanager
def unrolled(module: nn.Module) -> Iterator[list[Unrolled]]:
    """While this lasts, every recurrent layer of a network is carried out step by step, and a list fills with what it did.

    The network is in evaluation meanwhile. A layer that is called again and again (to write a text) goes on where it was.

    Args:
        module: a network with `nn.LSTM`, `nn.GRU`, `nn.RNN` or `PeepholeLSTM`.

    Errors: `ArgumentError` for a network without one.

    Example:
        >>> network = nn.Sequential(nn.LSTM(3, 4, batch_first=True))
        >>> with unrolled(network) as layers:
        ...     outputs, _ = network(torch.zeros(2, 5, 3))
        >>> layers[0].name, len(layers[0].values["forget"]), torch.equal(outputs[:, -1], layers[0].values["hidden"][-1])
        ('0', 5, True)
    """
    layers = {name: each for name, each in module.named_modules() if isinstance(each, RECURRENT)}
    if not layers:
        raise ArgumentError(
            "There is no recurrent layer to look into",
            expected="a network with nn.LSTM, nn.GRU, nn.RNN or PeepholeLSTM",
            got=type(module).__name__,
        )
    modes = [(each, each.training) for each in module.modules()]
    found: list[Unrolled] = []
    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(_hooked(name or type(layer).__name__, layer, found))
        try:
            module.eval()
            yield found
        finally:
            for each, training in modes:
                each.training = training


def turned_layers(module: nn.Module) -> set[str]:
    """The layers that are given rows from their end to their beginning, and so read backwards without knowing it.

    Args:
        module: any network.

    Example:
        >>> sorted(turned_layers(RecurrentStack("gru", 3, hidden=4, bidirectional=True)))
        ['back.0']
    """
    back = {id(layer) for stack in module.modules() if isinstance(stack, RecurrentStack) for layer in stack.back}
    return {name for name, each in module.named_modules() if id(each) in back}


@contextmanager
def _hooked(name: str, layer: nn.Module, found: list[Unrolled]) -> Iterator[None]:
    def instead(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any], __: Any) -> Any:
        several = dict(zip(("input", "hx"), given, strict=False)) | named
        x = several.get("input", several.get("x"))
        return carried_out(name, layer, x, several.get("hx", several.get("state")), found)

    handle = layer.register_forward_hook(instead, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def carried_out(name: str, layer: Any, x: Any, hx: Any, found: list[Unrolled]) -> Any:
    """What the layer would answer, made step by step; each of its layers and directions is added to `found`.

    Args:
        name: of the layer.
        layer: a recurrent one, in evaluation.
        x: as it takes it: padded, packed or one sequence.
        hx: its state, or None.
        found: receives one record for each layer and direction, or what goes on is added to the record that is there.
    """
    two = isinstance(layer, (nn.LSTM, PeepholeLSTM))
    alone = isinstance(x, Tensor) and x.ndim == 2
    if alone:
        x = x.unsqueeze(0 if layer.batch_first else 1)
        hx = None if hx is None else tuple(part.unsqueeze(1) for part in hx) if two else hx.unsqueeze(1)
    rows, back = (x.sorted_indices, x.unsorted_indices) if isinstance(x, PackedSequence) else (None, None)
    data, sizes = _by_time(layer, x)
    states = None if hx is None else hx if two else (hx,)
    ends: list[list[Tensor]] = []
    levels = layer.layers if isinstance(layer, PeepholeLSTM) else layer.num_layers
    for level in range(levels):
        sides = []
        for end in ("", "_reverse")[: 2 if layer.bidirectional else 1]:
            start = None if states is None else [part[len(ends)] for part in states]
            start = start if start is None or rows is None else [part.index_select(0, rows) for part in start]
            label = f"{name} layer {level + 1}" if levels > 1 else name
            record = _record(found, label, _kind(layer), bool(end), rows)
            outputs, last = _one_way(layer, f"_l{level}{end}", data, sizes, start, record)
            sides.append(outputs)
            ends.append(last if back is None else [part.index_select(0, back) for part in last])
        data = torch.cat(sides, dim=1)
    last_states = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
    if isinstance(x, PackedSequence):
        return x._replace(data=data), last_states if two else last_states[0]
    outputs = data.reshape(len(sizes), -1, data.shape[1])
    outputs = outputs.transpose(0, 1) if layer.batch_first else outputs
    if alone:
        outputs, last_states = outputs.squeeze(0 if layer.batch_first else 1), tuple(part.squeeze(1) for part in last_states)
    return outputs, last_states if two else last_states[0]


def _by_time(layer: Any, x: Any) -> tuple[Tensor, list[int]]:
    """First all first steps [B, D], then all second ones, and how many there are."""
    if isinstance(x, PackedSequence):
        return x.data, x.batch_sizes.tolist()
    by_time = x.transpose(0, 1) if layer.batch_first else x
    return by_time.flatten(0, 1), [by_time.shape[1]] * by_time.shape[0]


def _record(found: list[Unrolled], name: str, kind: str, backward: bool, rows: Tensor | None) -> Unrolled:
    for each in found:
        if each.name == name and each.backward == backward:
            return each
    found.append(Unrolled(name, kind, backward, rows=rows))
    return found[-1]


def _one_way(
    layer: Any, end: str, data: Tensor, sizes: list[int], start: list[Tensor] | None, record: Unrolled
) -> tuple[Tensor, list[Tensor]]:
    turned = turned_rows(sizes).to(data.device) if record.backward else None
    given = data if turned is None else data.index_select(0, turned)
    width = layer.proj_size or layer.hidden_size if isinstance(layer, nn.RNNBase) else layer.hidden
    if start is None:
        cells = layer.hidden_size if isinstance(layer, nn.RNNBase) else layer.hidden
        start = [data.new_zeros(sizes[0], width)] + [data.new_zeros(sizes[0], cells)] * (record.kind == "lstm")
    step = _stepper(layer, end, record)
    state, outputs, finished = list(start), [], []
    for x in given.split_with_sizes(sizes):
        if len(x) < len(state[0]):
            finished.append([part[len(x) :] for part in state])
            state = [part[: len(x)] for part in state]
        state = step(x, state)
        outputs.append(state[0])
    finished.append(state)
    last = [torch.cat(parts[::-1]) for parts in zip(*finished, strict=True)]
    together = torch.cat(outputs)
    return together if turned is None else together.index_select(0, turned), last


def _stepper(layer: Any, end: str, record: Unrolled) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    """One step of the layer: inputs [s, D] and the state before to the state after."""

    w, u, b, v, smaller, peephole = (getattr(layer, f"{name}{end}", None) for name in _WEIGHTS)
    linear: Callable[..., Tensor] = nn.functional.linear

    def lstm(x: Tensor, state: list[Tensor]) -> list[Tensor]:
        h, c = state
        i, f, g, o = (linear(x, w, b) + linear(h, u, v)).chunk(4, dim=1)
        if peephole is not None:
            i, f = i + peephole[0] * c, f + peephole[1] * c
        i, f, g = i.sigmoid(), f.sigmoid(), g.tanh()
        c = f * c + i * g
        o = (o if peephole is None else o + peephole[2] * c).sigmoid()
        h = o * c.tanh()
        h = h if smaller is None else linear(h, smaller)
        # What is handed on is told apart from what h was made of: a gradient of the state is that of h and c side by side.
        c = c.view_as(c)
        record.note({"input": i, "forget": f, "output": o, "candidate": g, "cell": c, "hidden": h})
        return [h, c]

    def gru(x: Tensor, state: list[Tensor]) -> list[Tensor]:
        (h,) = state
        r, z, n = linear(x, w, b).chunk(3, dim=1)
        from_r, from_z, from_n = linear(h, u, v).chunk(3, dim=1)
        r, z = (r + from_r).sigmoid(), (z + from_z).sigmoid()
        n = (n + r * from_n).tanh()
        return [record.note({"reset": r, "update": z, "candidate": n, "hidden": (1 - z) * n + z * h})]

    def simple(x: Tensor, state: list[Tensor]) -> list[Tensor]:
        total = linear(x, w, b) + linear(state[0], u, v)
        return [record.note({"hidden": total.relu() if getattr(layer, "nonlinearity", "tanh") == "relu" else total.tanh()})]

    return {"lstm": lstm, "gru": gru, "rnn": simple}[record.kind]


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "peephole")


def _kind(layer: nn.Module) -> str:
    return "gru" if isinstance(layer, nn.GRU) else "rnn" if isinstance(layer, nn.RNN) else "lstm"
