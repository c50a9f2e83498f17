"""Test rows for the report: what was said of each step beside what is true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Dataset
from leadline.data.steps.step_answers import OTHER, StepClasses
from leadline.data.steps.step_rows import StepSplit
from leadline.data.steps.tagged_sentences import Sentences

_SHOWN = 10
_STEPS = 400  # of a row that are shown
_CHANNELS = 3  # of a series that are kept for its drawing


def step_examples(dataset: Dataset, said: NDArray[Any], sure: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Some rows, those with mistakes and those without in turn, as plain values.

    Args:
        dataset: whose test rows were answered.
        said: of all test steps.
        sure: how sure the network was.
    """
    split, answers = dataset.test, dataset.schema.answers
    inputs: Any = split.inputs
    offsets = inputs.offsets.tolist()
    truth: NDArray[Any] = split.targets.values
    chosen = _chosen(said, truth, inputs.offsets)
    words = _words(dataset, chosen)
    examples = []
    for row in chosen:
        span = slice(offsets[row], min(offsets[row + 1], offsets[row] + _STEPS))
        record: dict[str, Any] = {"id": split.ids[row], "more": offsets[row + 1] - span.stop}
        if row in words:
            record["words"] = words[row][: span.stop - span.start]
        else:
            record["series"] = np.round(inputs.values[span, :_CHANNELS].astype(np.float64), 4).T.tolist()
        if isinstance(answers, StepClasses):
            names = [*answers.names, "another", None]
            places = np.where(
                truth[span] == OTHER, answers.outputs, np.where(truth[span] < 0, answers.outputs + 1, truth[span])
            )
            record |= {
                "said": [answers.names[number] for number in said[span].tolist()],
                "truth": [names[number] for number in places.tolist()],
                "sure": [round(value, 3) for value in sure[span].tolist()],
            }
        else:
            record |= {"said": said[span, 0].tolist(), "truth": [_number(value) for value in truth[span, 0].tolist()]}
        examples.append(record)
    return examples


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _chosen(said: NDArray[Any], truth: NDArray[Any], offsets: NDArray[np.int64]) -> list[int]:
    """Rows of a usual length: the worst first and the best of them after it, in turn."""
    lengths = np.diff(offsets)
    if truth.ndim == 1:
        wrong = ((said != truth) & (truth > -100)).astype(np.float64)
    else:
        wrong = np.nan_to_num(np.abs(said - truth).mean(axis=1))
    rate = np.add.reduceat(np.append(wrong, 0.0), offsets[:-1]) / np.maximum(1, lengths)
    usual = np.flatnonzero(lengths >= min(4, int(np.median(lengths))))
    order = usual[np.argsort(-rate[usual], kind="stable")]
    if len(order) <= _SHOWN:
        return [int(row) for row in order]
    # From the worst to the best, evenly: only the worst would make any network look bad.
    return [int(order[place]) for place in np.unique(np.linspace(0, len(order) - 1, _SHOWN).round().astype(int))]


def _words(dataset: Dataset, rows: list[int]) -> dict[int, list[str]]:
    """The words of some test rows, as they stood in the source."""
    inputs, split = dataset.schema.inputs, dataset.test
    if not isinstance(inputs, Sentences):
        return {}
    assert isinstance(split, StepSplit)
    return {row: list(split.words[row]) for row in rows}
