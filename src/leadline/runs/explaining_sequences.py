"""What the report shows of a network for texts or series: the words or stretches that decided, and gradients through time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.dataset import Dataset
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.texts.texts import Texts
from leadline.errors import ArgumentError
from leadline.explain.gradients_in_time import TimeGradient, gradient_through_time
from leadline.explain.occluding import log_odds
from leadline.models.recurrent_networks import StepPooling
from leadline.runs.examples import answer_words
from leadline.runs.explaining import members_of
from leadline.runs.explaining_gates import recurrent_layers
from leadline.runs.explaining_series import SeriesExplainer
from leadline.runs.explaining_texts import TextExplainer
from leadline.runs.run import Run

_SHOWN = 3  # rows that it had right, and as many that it had wrong
_ROWS, _STEPS = 16, 8_192  # for the gradient: rows, and steps in all of them together
_LONGEST = 1_000  # last steps of a row that are read for the gradient: each costs a few milliseconds


def find_deciding(run: Run, dataset: Dataset, values: NDArray[Any], *, seconds: float) -> dict[str, Any]:
    """Some test rows with what each of their words or steps was worth, and how far back a gradient reaches; else empty.

    Args:
        run: as it stands at the end of its training.
        dataset: whose test rows are shown.
        values: what the network said of them: probabilities [N, K] or numbers [N, M].
        seconds: about the time that this may take; what does not fit is left out.
    """
    inputs, answers = dataset.schema.inputs, dataset.schema.answers
    if not isinstance(inputs, (Texts, Series)) or not isinstance(answers, (Classes, Labels, Numbers)) or not len(dataset.test):
        return {}
    until = time.perf_counter() + seconds
    found: dict[str, Any] = {
        "kind": inputs.kind,
        "unit": getattr(inputs, "unit", "steps"),
        "scale": "number" if isinstance(answers, Numbers) else "odds",
        "rows": [],
        "pooling": str(getattr(getattr(members_of(run.model)[0], "pool", None), "kind", "")),
    }
    right, wrong = _worth_a_look(answers, values, dataset.test.targets)
    right, wrong = _telling(dataset, right), _telling(dataset, wrong)
    # In turns, so that a slow network shows some of both.
    chosen = [
        each for pair in zip_longest(wrong, right) for each in zip(pair, (False, True), strict=True) if each[0] is not None
    ]
    for place, (at, is_right) in enumerate(chosen):
        left = until - time.perf_counter()
        if left <= 0:
            break
        found["rows"].append(_row(run, dataset, at, values[at], seconds=left / (len(chosen) - place)) | {"right": is_right})
    return found | {"gradients": gradients_of(run, dataset)}


def _telling(dataset: Dataset, rows: list[int]) -> list[int]:
    """The first few rows that differ from each other; of texts, those that are not among the shortest come first."""
    if isinstance(dataset.test.inputs, Ragged) and isinstance(dataset.schema.inputs, Texts):
        lengths = dataset.test.inputs.lengths
        short = float(np.median(lengths)) / 2
        rows = sorted(rows, key=lambda at: bool(lengths[at] < short))
    chosen: dict[bytes, int] = {}
    for at in rows:
        chosen.setdefault(np.asarray(dataset.test.inputs[at]).tobytes(), at)
        if len(chosen) == _SHOWN:
            break
    return list(chosen.values())


def gradients_of(run: Run, dataset: Dataset) -> list[dict[str, Any]]:
    """How the gradient of what is said fades through time in each recurrent layer, over some test rows; else empty.

    What is differentiated is the log odds of the truth (of numbers and labels, the sum of the outputs), which unlike a loss do
    not come to nothing where the network is sure; and as the head would answer from the end of the reading alone: a mean or a
    maximum over all steps gives each of them a short way beside the long one, which is not what is asked here.

    Args:
        run: as it stands at the end of its training; of an ensemble its first network counts.
        dataset: whose longest test rows are read, from long ones the last 1,000 steps.
    """
    network, inputs, answers = members_of(run.model)[0], dataset.schema.inputs, dataset.schema.answers
    if not recurrent_layers(network) or not isinstance(inputs, (Texts, Series)):
        return []
    test = dataset.test.inputs
    lengths = test.lengths if isinstance(test, Ragged) else np.full(len(test), test.shape[1])
    longest = min(int(lengths.max()), _LONGEST)
    rows = np.argsort(-lengths, kind="stable")[: max(1, min(_ROWS, _STEPS // longest))]
    together = run.predictor.together(Ragged.of([np.asarray(test[int(at)])[-_LONGEST:] for at in rows]))
    x = inputs.preparer(run.device)(torch.from_numpy(together).to(run.device))
    targets = torch.from_numpy(np.asarray(dataset.test.targets[rows])).to(run.device)

    def said(outputs: Tensor, truth: Tensor) -> Tensor:
        if isinstance(answers, Classes) and outputs.shape[1] > 1:
            return log_odds(outputs).gather(1, truth[:, None]).sum()
        return outputs.sum()

    try:
        with _from_the_end(network):
            found = gradient_through_time(network, x, targets, said)
    except ArgumentError:  # rows of one step, or outputs that depend on nothing
        return []
    return [_gradient(each, len(rows)) for each in found]


@contextmanager
def _from_the_end(network: nn.Module) -> Iterator[None]:
    """Within the block every pooling of steps takes the last of them."""
    pools = [(each, each.kind, each.attention) for each in network.modules() if isinstance(each, StepPooling)]
    try:
        for pool, *_ in pools:
            pool.kind, pool.attention = "last", None
        yield
    finally:
        for pool, kind, attention in pools:
            pool.kind, pool.attention = kind, attention


def _gradient(each: TimeGradient, rows: int) -> dict[str, Any]:
    half = each.half_life
    return {
        "name": each.name,
        "backward": each.backward,
        "rows": rows,
        "norms": [float(f"{norm:.6g}") for norm in each.norms],
        "growth": each.growth,
        "half_life": half if np.isfinite(half) else None,
        "across": each.across if np.isfinite(each.across) else None,
        "verdict": each.verdict,
    }


def _worth_a_look(
    answers: Classes | Labels | Numbers, values: NDArray[Any], targets: NDArray[Any]
) -> tuple[list[int], list[int]]:
    """Test rows that were right, the surest of each class first, and the surest errors; of numbers the nearest and farthest."""
    if isinstance(answers, Classes):
        said, sure = values.argmax(axis=1), values.max(axis=1)
        order = np.argsort(-sure, kind="stable")
        right = [int(at) for at in order if said[at] == targets[at]]
        turns: dict[int, int] = {}
        turn: dict[int, int] = {}
        for at in right:
            turn[at] = turns.get(int(said[at]), 0)
            turns[int(said[at])] = turn[at] + 1
        return sorted(right, key=turn.__getitem__), [int(at) for at in order if said[at] != targets[at]]
    if isinstance(answers, Labels):
        errors = np.abs(values - targets).max(axis=1)
        order = np.argsort(errors, kind="stable")
        return [int(at) for at in order if errors[at] < 0.5], [int(at) for at in order[::-1] if errors[at] >= 0.5]
    errors = (np.abs(values - targets) / np.array(answers.std)).max(axis=1)
    order = np.argsort(errors, kind="stable")
    half = len(order) // 2  # a row is not near and far
    return [int(at) for at in order[: len(order) - half]], [int(at) for at in order[::-1][:half]]


def _row(run: Run, dataset: Dataset, at: int, values: NDArray[Any], *, seconds: float) -> dict[str, Any]:
    answers, test = dataset.schema.answers, dataset.test
    target = test.targets[at]
    output = _output(answers, values, target) if isinstance(answers, (Labels, Numbers)) else int(values.argmax())
    name, stored = str(test.ids[at]), np.asarray(test.inputs[at])
    row: dict[str, Any]
    if isinstance(dataset.schema.inputs, Texts):
        text = TextExplainer(run).of_stored(stored, name, outputs=[output], seconds=seconds)
        row = {"pieces": list(text.pieces), "gaps": list(text.gaps), "known": list(text.known)}
        worth = text.worth[0]
    else:
        series = SeriesExplainer(run).of_stored(stored, name, outputs=[output], apart=False)
        row = {"series": [[float(f"{value:.5g}") for value in channel] for channel in series.series.T]}
        row["channels"] = list(series.channels)
        worth = series.worth[0]
    said: Any = answer_words(answers, values if isinstance(answers, Numbers) else output)
    if isinstance(answers, Labels):
        said = answer_words(answers, values >= 0.5)
    return row | {
        "id": name,
        "answer": said,
        "truth": answer_words(answers, target),
        "of": answers.names[output],
        "probability": None if isinstance(answers, Numbers) else float(values[output]),
        "worth": [float(f"{value:.4g}") for value in worth],
    }


def _output(answers: Labels | Numbers, values: NDArray[Any], target: NDArray[Any]) -> int:
    """The one to explain: the number or label that is farthest from the truth, else the likeliest."""
    errors = np.abs(values - np.ravel(target)) / (np.array(answers.std) if isinstance(answers, Numbers) else 1.0)
    wrong = isinstance(answers, Numbers) or errors.max() >= 0.5
    return int(errors.argmax() if wrong else values.argmax())
