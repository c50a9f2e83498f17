"""Which stretches of a series decided: how far an answer falls when each of them is replaced by a straight line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.answers import Numbers
from leadline.data.series.series import Series
from leadline.errors import ArgumentError
from leadline.explain.occluding_stretches import stretch_importance
from leadline.runs.explaining_answers import Asked, judged_answers, score_of
from leadline.runs.predicting import Prediction, prediction
from leadline.runs.run import Run

_WINDOWS = (10, 5, 3)  # a tenth of the series, a fifth, a third: what repeats itself is not missed in short stretches
_COUNTS = math.log(1.5)  # log odds: a stretch that is worth less hardly counts
_CHANNELS = 64  # with more, channel by channel would take minutes, and no picture holds them


@dataclass(frozen=True)
class SeenSeries:
    """What a network made of one series, and what each of its steps was worth.

    `series` is [T, C] in its own units, gaps filled; `worth` [K, T] is how far each explained output falls when the steps
    around are covered in all channels, and `apart` [K, T, C] when in one channel alone (empty for more than 64): log odds of
    classes and labels, or a number in its own units. `window` is how many steps were covered together.

    Example:
        >>> said = Prediction("a.csv", "walk", {"walk": 0.9, "run": 0.1})
        >>> ones = np.ones((1, 5, 1), np.float32)
        >>> SeenSeries("a.csv", said, ("walk",), (0.9,), np.zeros((5, 1)), ("value",), ones[:, :, 0], ones).decisive()
        [(0, 5, 1.0)]
    """

    id: str
    prediction: Prediction
    classes: tuple[str, ...]
    values: tuple[float, ...]
    series: NDArray[Any]
    channels: tuple[str, ...]
    worth: NDArray[np.float32]
    apart: NDArray[np.float32]
    window: int = 0

    def decisive(
        self, at: int = 0, *, against: bool = False, most: int = 3, share: float = 0.5
    ) -> list[tuple[int, int, float]]:
        """The stretches that spoke most for an output: first step, step behind the last, and the most that each is worth.

        Args:
            at: number among the explained outputs.
            against: those that spoke against it instead, which are worth less than 0.
            most: how many.
            share: of the largest worth, from which on a step belongs to a stretch.
        """
        sign = -1 if against else 1
        worth = sign * self.worth[at]
        if worth.max() <= 0:
            return []
        inside = np.concatenate([[False], worth >= share * worth.max(), [False]])
        edges = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
        found = [(int(start), int(end), sign * float(worth[start:end].max())) for start, end in edges]
        return sorted(found, key=lambda stretch: -abs(stretch[2]))[:most]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            **self.prediction.to_json(),
            "explained": dict(zip(self.classes, self.values, strict=True)),
            "channels": list(self.channels),
            "window": self.window,
            "worth": {
                name: [round(float(value), 5) for value in row] for name, row in zip(self.classes, self.worth, strict=True)
            },
            "stretches": {name: [list(each) for each in self.decisive(at)] for at, name in enumerate(self.classes)},
        }


class SeriesExplainer:
    """Covers stretches of series, and looks at what the network of a Run then says.

    Args:
        run: a Run that was trained on series, and answers with classes, labels or numbers.
        classes: which outputs to explain, by name; the `top` likeliest when left out.
        top: how many.
        window: steps that are covered together; when left out a tenth of a series, or as much more (up to a third) as counts.

    Errors: `ArgumentError` for a Run on anything else, and for an unknown class, with the nearest right one.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> series = [np.sin(0.3 * (1 + row % 2) * np.arange(30 + row % 5) + row)[:, None] for row in range(60)]
        >>> quick = {"training.epochs": 2, "training.threads": 1}
        >>> run = leadline.train(series, targets=["slow", "fast"] * 30, changes=quick, folder=tempfile.mkdtemp())
        >>> seen = SeriesExplainer(run)(series[0], "a series")
        >>> seen.worth.shape, seen.apart.shape
        ((1, 30), (1, 30, 1))
    """

    def __init__(self, run: Run, *, classes: Sequence[str] | None = None, top: int = 1, window: int | None = None) -> None:
        self.run, self.inputs, self.answers = run, series_of(run), judged_answers(run)
        self.asked = Asked.of(self.answers, classes=classes, top=top)
        self.window = window
        self._prepare = self.inputs.preparer(run.device)

    def __call__(self, raw: Any, name: str) -> SeenSeries:
        """Look at one series.

        Errors: a `LeadlineError` for what is none, or does not fit the network.
        """
        return self.of_stored(self.inputs.encode(raw), name)

    def of_stored(
        self, stored: NDArray[Any], name: str, *, outputs: Sequence[int] | None = None, apart: bool = True
    ) -> SeenSeries:
        """The same for a series as the Dataset holds it.

        Args:
            stored: [T, C].
            name: of the series.
            outputs: numbers of the outputs to explain, in place of those that were asked for.
            apart: whether to look channel by channel, too.
        """
        values = self.run.predictor.values(stored[None])[0]
        chosen = list(outputs) if outputs is not None else self.asked.outputs(values)
        x = self.prepared(stored)
        finish = score_of(self.answers)
        window, worth = self._worth(x, chosen)
        by_channel = np.zeros((len(chosen), *stored.shape[:1], 0), np.float32)
        if stored.shape[1] == 1:
            by_channel = worth[:, :, None]
        elif apart and stored.shape[1] <= _CHANNELS:
            by_channel = stretch_importance(self.run.model, x, chosen, window=window, apart=True, finish=finish)
        return SeenSeries(
            id=name,
            prediction=prediction(name, values, self.answers),
            classes=tuple(self.answers.names[at] for at in chosen),
            values=tuple(float(values[at]) for at in chosen),
            series=np.asarray(stored),
            channels=self.inputs.channels,
            worth=worth,
            apart=by_channel,
            window=window,
        )

    def _worth(self, x: torch.Tensor, chosen: Sequence[int]) -> tuple[int, NDArray[np.float32]]:
        """How many steps are covered together, and what each step is then worth to each output, [K, T]."""
        finish = score_of(self.answers)
        widths = [self.window] if self.window is not None else sorted({max(1, round(len(x) / part)) for part in _WINDOWS})
        best: tuple[int, NDArray[np.float32]] | None = None
        for wide in widths:
            worth = stretch_importance(self.run.model, x, chosen, window=wide, finish=finish)
            if best is None or np.abs(worth).max() > np.abs(best[1]).max():
                best = wide, worth
            if isinstance(self.answers, Numbers) or np.abs(worth).max() >= _COUNTS:
                return wide, worth
        assert best is not None
        return best

    def prepared(self, stored: NDArray[Any]) -> torch.Tensor:
        """A stored series as the network sees it, [T, C].

        Args:
            stored: [T, C].
        """
        return self._prepare(torch.from_numpy(np.array(stored[None], np.float32)).to(self.run.device))[0]


def explain_series(
    run: Run, series: Any, *, classes: Sequence[str] | None = None, top: int = 1, window: int | None = None
) -> SeenSeries:
    """Which stretches of one series decided what the network of a Run says of it.

    Args:
        run: trained on series.
        series: as `run.predict` takes one.
        classes: which outputs, by name; the `top` likeliest when left out.
        top: how many.
        window: steps that are covered together; when left out a tenth of the series, or as much more (up to a third) as counts.

    Errors: as `SeriesExplainer`; a `LeadlineError` for what is no series.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> series = [np.sin(0.3 * (1 + row % 2) * np.arange(30 + row % 5) + row)[:, None] for row in range(60)]
        >>> quick = {"training.epochs": 2, "training.threads": 1}
        >>> run = leadline.train(series, targets=["slow", "fast"] * 30, changes=quick, folder=tempfile.mkdtemp())
        >>> explain_series(run, series[0], top=2, window=5).worth.shape
        (2, 30)
    """
    explainer = SeriesExplainer(run, classes=classes, top=top, window=window)
    return explainer(series, str(series) if isinstance(series, (str, Path)) else "0")


def series_of(run: Run) -> Series:
    """How the Run reads series.

    Errors: `ArgumentError` for a Run on anything else.
    """
    inputs = run.schema.inputs
    if not isinstance(inputs, Series):
        raise ArgumentError(
            f"The network in {run.folder} was not trained on series, so there are no stretches to explain",
            expected="a Run on series",
            got=inputs.describe(),
        )
    return inputs
