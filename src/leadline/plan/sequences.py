"""What is proposed for texts and series: the network by how many rows there are, and its training.

The numbers are usual ones; they were tried on two sets, and compared on none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.series import Series
from leadline.data.texts import LONGEST, MOST, Texts

_FEW_TEXTS = 2_000  # rows
_ROWS_TO_SEE = {"tfidf_linear": 200_000, "averaged_embeddings": 250_000, "text_convnet": 150_000, "recurrent": 150_000}
_SERIES_TO_SEE = 60_000
_RATES = {"tfidf_linear": 0.05, "averaged_embeddings": 0.01, "text_convnet": 1e-3, "recurrent": 3e-3, "series_convnet": 3e-3}


class SequenceTraining(NamedTuple):
    """Batch, epochs, rate, decay and whether weights are averaged."""

    batch: int
    epochs: int
    learning_rate: float
    weight_decay: float
    averaged: bool


def texts_facts(inputs: Texts, chosen: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how texts are read, each with its reason.

    Args:
        inputs: as they were learned.
        chosen: the fields that a person asked for.
        why: takes the reasons.
    """
    known = f"{len(inputs.vocabulary) - 2:,} different {inputs.unit} are known"
    letters = "as names and scripts without spaces are" if inputs.unit == "characters" else "as sentences are"
    why["data.unit"] = f"the texts are read by their {inputs.unit}" + ("" if chosen.get("unit") else f", {letters}")
    why["data.vocabulary"] = known + ("" if chosen.get("vocabulary") else f"; 0 is as many as are seen twice, {MOST:,} at most")
    why["data.longest"] = f"up to {inputs.longest:,} {inputs.unit} of a text are read" + (
        "" if chosen.get("longest") else f"; 0 is as many as 95 % of the texts have, {LONGEST:,} at most"
    )
    return {"unit": inputs.unit}


def sequence_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network for texts or series, and why it is that.

    Args:
        dataset: of texts or series.
    """
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    if isinstance(inputs, Series):
        return "series_convnet", f"{rows:,} {inputs.describe()}: filters over a few steps find shapes wherever they stand"
    assert isinstance(inputs, Texts)
    if inputs.unit == "characters":
        return "recurrent", f"{rows:,} texts of {inputs.longest} characters at most, read letter by letter"
    if rows < _FEW_TEXTS:
        return "tfidf_linear", f"{rows:,} texts are too few to learn what a word means: each has one weight a class"
    return "averaged_embeddings", f"{rows:,} texts teach vectors for {len(inputs.vocabulary):,} words and for pairs of them"


def sequence_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of these networks, with reasons; none for others.

    Args:
        name: of the network.
        dataset: of texts or series.
        why: takes the reasons.
    """
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    if name in ("tfidf_linear", "averaged_embeddings") and isinstance(inputs, Texts):
        ngrams = 4 if inputs.unit == "characters" else 2
        why["model.ngrams"] = f"{inputs.unit} and up to {ngrams} in a row, whose order counts"
        return {"ngrams": ngrams}
    if name == "recurrent":
        why["model.hidden"] = f"{rows:,} rows of at most {inputs.shape[0]} steps"
        return {"hidden": 128, "bidirectional": True, "pooling": "max", "dropout": 0.3}
    if name == "series_convnet":
        why["model.dropout"] = f"{rows:,} series"
        return {"dropout": 0.2 if rows < 1_000 else 0.1}
    return {}


def sequence_training(model: str, rows: int) -> SequenceTraining:
    """How these networks are trained.

    Args:
        model: its name.
        rows: to learn from.

    Example:
        >>> sequence_training("series_convnet", 50).batch
        16
    """
    batch = int(2 ** np.clip(round(np.log2(max(rows, 2) / 64)), 4, 6))
    seen = _ROWS_TO_SEE.get(model, _SERIES_TO_SEE)
    epochs = int(np.clip(round(seen / rows), 4, 100))
    decay = 0.0 if model in ("tfidf_linear", "averaged_embeddings") else 0.01
    return SequenceTraining(batch, epochs, _RATES.get(model, 1e-3), decay, averaged=model != "tfidf_linear")
