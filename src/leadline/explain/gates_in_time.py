"""What the gates and cells of a recurrent network do while it reads one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.unrolling import turned_layers, unrolled


@dataclass(frozen=True)
class GateReading:
    """The gates of one recurrent layer in one direction over one row, step by step as the row stands.

    Args:
        name: of the layer.
        kind: "lstm", "gru" or "rnn".
        backward: whether it read the row from its end.
        values: [T, H] each: of an LSTM "input", "forget", "output", "candidate", "cell" and "hidden"; of a GRU "reset",
            "update", "candidate" and "hidden"; of a simple layer "hidden". Gates lie between 0, closed, and 1, open.

    Example:
        >>> gates = np.array([[0.99, 0.5], [0.97, 0.02]])
        >>> reading = GateReading("lstm", "lstm", False, {"forget": gates, "hidden": gates})
        >>> reading.steps, reading.units, reading.open_share("forget"), reading.closed_share("forget")
        (2, 2, 0.5, 0.25)
    """

    name: str
    kind: str
    backward: bool
    values: dict[str, NDArray[np.float64]]

    @property
    def steps(self) -> int:
        return len(self.values["hidden"])

    @property
    def units(self) -> int:
        return int(self.values[next(iter(self.values))].shape[1])

    def open_share(self, gate: str, *, beyond: float = 0.9) -> float:
        """How often a gate is wide open: the share of units and steps above `beyond`."""
        return float((self.values[gate] > beyond).mean())

    def closed_share(self, gate: str, *, below: float = 0.1) -> float:
        """How often a gate is shut: the share of units and steps under `below`."""
        return float((self.values[gate] < below).mean())

    def most_moved(self, count: int, what: str = "") -> NDArray[np.int64]:
        """The units whose cell (or hidden state), squashed by tanh, goes the longest way from step to step, that one first.

        Args:
            count: at most so many.
            what: of which values; the cell where there is one, else the hidden state.
        """
        values = self.values[what or ("cell" if "cell" in self.values else "hidden")]
        return np.argsort(-np.abs(np.diff(np.tanh(values), axis=0)).sum(axis=0), kind="stable")[:count]


def gate_readings(model: nn.Module, row: Any) -> tuple[GateReading, ...]:
    """Gates, cells and outputs of every recurrent layer while a network reads one row, made again step by step.

    Shapes: a text's ids [T] or a series [T, C], or either as a batch of one → arrays [T, H].

    Args:
        model: any network with `nn.LSTM`, `nn.GRU`, `nn.RNN` or `PeepholeLSTM` in it; used in evaluation, and not changed.
        row: one row without padding, as the network takes it.

    Returns:
        One reading for each recurrent layer and direction, in the order in which they were reached.

    Errors: `ArgumentError` for a network without a recurrent layer, or for more or less than one row.

    Example:
        >>> network = nn.Sequential(nn.LSTM(2, 3, batch_first=True))
        >>> [reading] = gate_readings(network, np.zeros((7, 2), np.float32))
        >>> reading.values["forget"].shape, reading.values["cell"].shape
        ((7, 3), (7, 3))

    Source: Karpathy, Johnson and Li (2015), Visualizing and understanding recurrent networks.
    """
    given = torch.as_tensor(row)
    whole = not given.is_floating_point()
    if given.ndim == (1 if whole else 2):
        given = given[None]
    if given.ndim != (2 if whole else 3) or len(given) != 1 or not given.shape[1]:
        raise ArgumentError(
            "Gates are read over one row at a time", expected="ids [T] or a series [T, C]", got=list(torch.as_tensor(row).shape)
        )
    own = next(model.parameters(), torch.empty(0))
    given = given.to(own.device) if whole else given.to(own.device, own.dtype)
    with unrolled(model) as layers, torch.no_grad():
        model(given)
    if not layers:
        raise ArgumentError("No recurrent layer of the network read the row", got=type(model).__name__)
    turned = turned_layers(model)
    return tuple(
        GateReading(each.name, each.kind, back, {name: _in_order(steps, back) for name, steps in each.values.items()})
        for each in layers
        for back in (each.backward or each.name in turned,)
    )


def _in_order(steps: list[Tensor], backward: bool) -> NDArray[np.float64]:
    """[T, H]: what was read last stands first where the row was read from its end."""
    together = torch.cat(steps).double().cpu().numpy()
    return np.ascontiguousarray(together[::-1] if backward else together)
