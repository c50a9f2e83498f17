"""What the gates and single cells of a recurrent Run do while they read a text or a series, as pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.explain.colored_text import text_png
from leadline.explain.gates_in_time import GateReading, gate_readings
from leadline.explain.sequence_drawing import gates_png
from leadline.explain.stretch_drawing import cells_png
from leadline.explain.unrolling import RECURRENT
from leadline.runs.explaining import members_of
from leadline.runs.run import Run

_CELLS = 4  # that are drawn one by one, when none are named
_MOST = 12
_LONG = 3000  # words or characters of which a picture is drawn
_DRAWN = 6  # channels over the gates


class ReadingPicture(NamedTuple):
    """One picture of what a network does while it reads: what its file is called behind the input's name, and what it shows.

    Example:
        >>> ReadingPicture("gates", b"", "The gates.").name
        'gates'
    """

    name: str
    png: bytes
    says: str


class GateDrawer:
    """Draws the gates and cells of a Run's recurrent layers; of an ensemble those of its first network.

    Args:
        run: with a recurrent network, trained on texts or series.
        layer: which layer, by its name in the network; those of the last level when left out.
        units: numbers of the cells to draw one by one; the four that move most when left out.

    Errors: `ArgumentError` for a network without a recurrent layer, an unknown layer, or a unit that there is none of.

    Example:
        >>> import tempfile
        >>> import torch
        >>> import leadline
        >>> series = [np.sin(0.3 * (1 + row % 2) * np.arange(30 + row % 5) + row)[:, None] for row in range(60)]
        >>> quick = {"training.epochs": 1, "training.threads": 1}
        >>> quick |= {"model": "recurrent", "model.hidden": 8, "model.bidirectional": False}
        >>> run = leadline.train(series, targets=["slow", "fast"] * 30, changes=quick, folder=tempfile.mkdtemp())
        >>> prepare = run.schema.inputs.preparer(run.device)
        >>> x = prepare(torch.tensor(series[0][None], dtype=torch.float32))[0]
        >>> [picture.name for picture in GateDrawer(run).series(x, series[0], ("value",))]
        ['gates', 'cells']
    """

    def __init__(self, run: Run, *, layer: str | None = None, units: Sequence[int] = ()) -> None:
        self.network, self.layer, self.units = members_of(run.model)[0], layer, tuple(units)
        names = recurrent_layers(self.network)
        if not names:
            raise ArgumentError(
                f"The network in {run.folder} has no recurrent layer, and so no gates or cells to draw",
                expected="a Run with the model recurrent",
                got=run.plan.model.name,
            )
        if layer is not None and layer not in names:
            unknown("recurrent layer", layer, names)
        if len(self.units) > _MOST:
            raise ArgumentError("There are too many cells for a picture", expected=f"at most {_MOST}", got=len(self.units))

    def text(self, ids: Tensor, pieces: Sequence[str], gaps: Sequence[str]) -> list[ReadingPicture]:
        """Pictures of one text.

        Args:
            ids: of its words, [T].
            pieces: the words as they were written.
            gaps: what stands behind each.
        """
        pictures = []
        pieces, gaps = pieces[:_LONG], gaps[:_LONG]
        for reading, end in self._readings(ids[:_LONG]):
            heading = _heading(reading)
            pictures.append(ReadingPicture(f"gates{end}", gates_png(reading, pieces=pieces, heading=heading), heading))
            chosen, values = self._chosen(reading)
            heading = f"Single units of {_said(reading)}"
            names = [f"unit {unit}" for unit in chosen]
            png = text_png(pieces, np.tanh(values), names=names, between=gaps, limit=1.0, heading=heading)
            pictures.append(ReadingPicture(f"cells{end}", png, heading))
        return pictures

    def series(self, x: Tensor, series: NDArray[Any], channels: Sequence[str]) -> list[ReadingPicture]:
        """Pictures of one series.

        Args:
            x: as the network sees it, [T, C].
            series: in its own units, [T, C].
            channels: their names.
        """
        pictures = []
        one = len(channels) == 1
        drawn = np.asarray(series) if one else x.numpy(force=True)[:, :_DRAWN]  # units differ from channel to channel
        for reading, end in self._readings(x):
            heading = _heading(reading)
            pictures.append(ReadingPicture(f"gates{end}", gates_png(reading, series=drawn, heading=heading), heading))
            chosen, values = self._chosen(reading)
            heading = f"Single units of {_said(reading)}"
            names = [f"unit {unit}" for unit in chosen]
            png = cells_png(drawn, values, names, channels=channels if one else (), heading=heading)
            pictures.append(ReadingPicture(f"cells{end}", png, heading))
        return pictures

    def _readings(self, row: Tensor) -> list[tuple[GateReading, str]]:
        """Those that are drawn, each with the end of its file's name."""
        found = gate_readings(self.network, row.cpu().numpy())
        if self.layer is not None:
            found = tuple(each for each in found if each.name.split(" layer ")[0] == self.layer)
        else:
            last = re.sub(r"\.back\.", ".ahead.", found[-1].name)
            found = tuple(each for each in found if re.sub(r"\.back\.", ".ahead.", each.name) == last)
        if len({(each.name, each.backward) for each in found}) == 1:
            return [(found[0], "")]
        if len({each.name for each in found}) == 1 or self.layer is None:
            return [(each, "-back" if each.backward else "") for each in found]
        return [(each, "-" + re.sub(r"\W+", "-", each.name) + ("-back" if each.backward else "")) for each in found]

    def _chosen(self, reading: GateReading) -> tuple[list[int], NDArray[np.float64]]:
        """The cells to draw one by one, and their values [T, U]; of a layer without cells, its outputs."""
        for unit in self.units:
            if not 0 <= unit < reading.units:
                raise ArgumentError(f"There is no cell {unit}", expected=f"0 to {reading.units - 1}")
        chosen = list(self.units) or reading.most_moved(_CELLS).tolist()
        return chosen, reading.values["cell" if "cell" in reading.values else "hidden"][:, chosen]


def recurrent_layers(network: nn.Module) -> list[str]:
    """Names of the layers that read step by step.

    Args:
        network: any.

    Example:
        >>> recurrent_layers(nn.Sequential(nn.Linear(2, 3), nn.GRU(3, 4)))
        ['1']
    """
    return [name for name, each in network.named_modules() if isinstance(each, RECURRENT)]


def _heading(reading: GateReading) -> str:
    shown = min(32, reading.units)
    return f"Gates of {_said(reading)}: the {shown} of {reading.units} units that move most"


def _said(reading: GateReading) -> str:
    kind = "simple layer" if reading.kind == "rnn" else reading.kind.upper()
    return f"{reading.name} ({kind}{', which reads from the end' if reading.backward else ''})"
