"""What is proposed for texts and series: the network by how long and how many they are, and its training.

Measured on validation rows, as cross-entropy and share right at the best epoch. Film reviews, 500, 2,500 and 22,470 to learn
from, 2,500 to judge: `tfidf_linear` 0.420 (80.6 %), 0.313 (86.3 %), 0.225 (90.8 %); `averaged_embeddings` 0.440 (79.8 %), 0.328
(85.7 %), 0.243 (90.4 %); `text_convnet` not tried, 0.567 (73.9 %, 6 epochs), 0.503 (76.3 %, 2 epochs in five times as long).
Short messages of 18 words, 620, 1,700 and 3,920 to learn from: 0.110 (95.7 %), 0.079 (97.0 %), 0.064 (97.8 %); 0.092 (96.5 %),
0.064 (97.7 %), 0.054 (98.3 %); `text_convnet` 0.096 (97.0 %), not tried, 0.051 (98.4 %) in five times as long. The first 20, 40
and 100 words of 20,000 reviews: 0.543, 0.489, 0.353; 0.527, 0.493, 0.355; of 20 words `text_convnet` 0.594. So texts of a
sentence or two share vectors, and longer ones are counted; in between it makes no difference.

Names by their letters, 14,000 and 1,760 to learn from: `recurrent` 0.815 (76.9 %), 1.33 (65.2 %); `tfidf_linear` 0.850
(74.9 %), 1.20 (64.6 %); `averaged_embeddings` 0.882 (74.8 %), not tried.

Series, of which four divisions of the official training rows left few to judge by: `series_convnet` had all of 15 right of
GunPoint and of 12 of BasicMotions and 97.5 % of 20 of ItalyPowerDemand, `recurrent` 90 (two divisions), 94 and 92.5 %.

Means of two to four seeds below 4,000 rows but for `text_convnet` and names, which had one or two like all larger sets. Rates
and epochs were chosen by the same rows among two to four settings, so what stands here flatters them a little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.texts.texts import LONGEST, MOST, Texts

_LONG = 30  # words of a text on average
_MANY_TEXTS = 100_000  # rows, from which on averaged embeddings beat n-grams on tf-idf in Joulin et al. (2017), table 1
_LINEAR, _AVERAGED = "tfidf_linear", "averaged_embeddings"
_STEPS = 1_400  # of these two; by then the validation loss had turned, or had hardly moved for a while
_ROWS_OF_RATE = 22_500  # rows whose rates stand here
# Rate, the power of how many times fewer rows there are with which it goes up, the most it may be, and epochs at least. Of
# `tfidf_linear` on 21,250 reviews: 4 epochs at 0.05 ended at 0.234, 8 at 0.05 at 0.226, 8 at 0.02 at 0.226 with 0.3 % more of
# the test right; on 2,500 and 500 twice the epochs at 0.4 to 0.6 of the rate changed nothing.
_RATES_OF_STEPS = {_LINEAR: (0.02, 1.0, 0.3, 8), _AVERAGED: (0.003, 0.5, 0.01, 4)}
_ROWS_TO_SEE = {"text_convnet": 150_000, "recurrent": 150_000}
_SERIES_TO_SEE = 20_000  # 325 of ECG5000: 0.165 (94.7 %) after 57 epochs; 171 gave 0.159 (94.7 %), best in the 65th
_MOST_EPOCHS = {"series_convnet": 300}  # GunPoint, 3 steps an epoch: 0.036 after 100, 0.005 after 300
_RATES = {"text_convnet": 1e-3, "recurrent": 3e-3, "series_convnet": 3e-3}
# 2^19 buckets gave 0.225, 2^17 gave 0.231 on reviews of 4.9 million words.
_FEWEST_BUCKETS, _MOST_BUCKETS = 17, 19  # powers of two
_WORDS_A_BUCKET = 8
_WEIGHTS = 2**22  # of all outputs, at most


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
    words = _tokens(dataset) / max(rows, 1)
    if rows >= _MANY_TEXTS:
        return _AVERAGED, f"{rows:,} texts teach a vector for each of {len(inputs.vocabulary):,} words and for pairs of them"
    if words < _LONG:
        return (
            _AVERAGED,
            f"{words:.0f} words of a text on average, of {rows:,}: few of them repeat, so like words share vectors",
        )
    return _LINEAR, f"{words:.0f} words of a text on average, of {rows:,}: how often each stands there says enough"


def sequence_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of these networks, with reasons; none for others.

    Args:
        name: of the network.
        dataset: of texts or series.
        why: takes the reasons.
    """
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    if name in (_LINEAR, _AVERAGED) and isinstance(inputs, Texts):
        ngrams = 4 if inputs.unit == "characters" else 2
        why["model.ngrams"] = f"{inputs.unit} and up to {ngrams} in a row, whose order counts"
        return {"ngrams": ngrams} | (_buckets(dataset, ngrams, why) if name == _LINEAR else {})
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
        >>> sequence_training("tfidf_linear", 22_500)[:3]
        (64, 8, 0.02)
    """
    batch = int(2 ** np.clip(round(np.log2(max(rows, 2) / 64)), 4, 6))
    if model in _RATES_OF_STEPS:
        rate, power, most, least = _RATES_OF_STEPS[model]
        rate = min(rate * max(1.0, _ROWS_OF_RATE / rows) ** power, most)
        epochs = int(np.clip(round(_STEPS * batch / rows), least, 100))
        return SequenceTraining(batch, epochs, float(f"{rate:.2g}"), 0.0, averaged=model != _LINEAR)
    seen = _ROWS_TO_SEE.get(model, _SERIES_TO_SEE)
    epochs = int(np.clip(round(seen / rows), 4, _MOST_EPOCHS.get(model, 100)))
    return SequenceTraining(batch, epochs, _RATES.get(model, 1e-3), 0.01, averaged=True)


def _buckets(dataset: Dataset, ngrams: int, why: dict[str, str]) -> dict[str, int]:
    """How many buckets n-grams are hashed to: more where there are more of them, as long as the weights stay few."""
    found, outputs = (ngrams - 1) * _tokens(dataset), dataset.schema.answers.outputs
    power = int(np.clip(round(math.log2(max(found, 1) / _WORDS_A_BUCKET)), _FEWEST_BUCKETS, _MOST_BUCKETS))
    power = min(power, int(math.log2(_WEIGHTS / outputs)))
    why["model.buckets"] = f"{found:,} places of n-grams in the training texts, and {outputs} weight(s) for each bucket"
    return {"buckets": 2**power}


def _tokens(dataset: Dataset) -> int:
    """How many words, or characters, all training texts have."""
    inputs = dataset.train.inputs
    return int(inputs.lengths.sum() if isinstance(inputs, Ragged) else np.count_nonzero(inputs))
