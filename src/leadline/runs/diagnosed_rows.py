"""Rows of a Dataset as a diagnosis sees them, with their names, and those of them that its findings speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from leadline.data.answers import Classes
from leadline.data.batches import Batches
from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.texts.texts import Texts
from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows
from leadline.runs.examples import answer_words, picture_uri, series_uri

_MOST_ROWS, _MOST_BYTES = 2048, 32 << 20
_SHOWN, _WORDS = 24, 24


@dataclass(frozen=True)
class NamedRows:
    """Some rows of a split as the network gets them, never augmented, in the order of the split.

    Example:
        >>> import leadline
        >>> digits = leadline.data.load("digits")
        >>> (named,) = named_rows([digits.valid], digits.schema, torch.device("cpu"))
        >>> named.rows.inputs.shape, named.split.ids[0] == digits.valid.ids[0]
        (torch.Size([270, 1, 8, 8]), True)
    """

    split: Split
    rows: Rows


def named_rows(
    splits: Sequence[Split], schema: Schema, device: torch.device, *, channels_last: bool = False, seed: int = 0
) -> list[NamedRows]:
    """At most 2,048 rows of each split and at most 32 MiB of them, drawn at random where there are more.

    Rows of different lengths are all filled up to the longest of all splits.

    Args:
        splits: whose rows.
        schema: prepares them.
        device: where they come out.
        channels_last: the memory layout of pictures.
        seed: of the draw.
    """
    parts = [_drawn(split, seed) for split in splits]

    def prepared(part: Split) -> Rows:
        (batch,) = Batches(part, schema, len(part), device=device, channels_last=channels_last)
        return Rows(*batch)

    if not isinstance(parts[0].inputs, Ragged):
        return [NamedRows(part, prepared(part)) for part in parts]
    rows = prepared(_end_to_end(parts))
    ends = np.cumsum([0, *map(len, parts)]).tolist()
    return [NamedRows(part, rows.take(slice(*ends[at : at + 2]))) for at, part in enumerate(parts)]


def _drawn(split: Split, seed: int) -> Split:
    most = max(16, min(_MOST_ROWS, _MOST_BYTES // _bytes_a_row(split)))
    if len(split) <= most:
        return split.take(np.arange(len(split)))
    return split.take(np.sort(np.random.default_rng(seed).permutation(len(split))[:most]))


def _end_to_end(parts: Sequence[Split]) -> Split:
    """Rows of different lengths, one split after the other."""

    def joined(arrays: list[Any]) -> Any:
        return (
            Ragged.of([row for array in arrays for row in array]) if isinstance(arrays[0], Ragged) else np.concatenate(arrays)
        )

    inputs, targets = joined([part.inputs for part in parts]), joined([part.targets for part in parts])
    return Split(inputs, targets, [name for part in parts for name in part.ids])


def rows_spoken_of(readings: Readings, train: NamedRows, valid: NamedRows, schema: Schema) -> dict[str, list[dict[str, Any]]]:
    """Rows with labels that look wrong, and held-out rows beside the training rows that they nearly equal, for the report.

    Args:
        readings: whose row numbers are those of `train` and `valid`.
        train: the training rows that were looked at.
        valid: the held-out rows.
        schema: says what answers mean and whether inputs are pictures.
    """
    found: dict[str, list[dict[str, Any]]] = {"labels": [], "copies": []}
    if isinstance(schema.answers, Classes):
        names = schema.answers.names
        suspicious = readings.last.suspicious or [{"row": row} for row in readings.labels.rows]
        for each in suspicious[:_SHOWN]:
            row = _shown(train.split, int(each["row"]), schema)
            found["labels"].append(
                {
                    **row,
                    "label": row["truth"],
                    "likelier": _class(each.get("likelier"), names),
                    "confidence": each.get("confidence"),
                }
            )
    for held_out, training in readings.splits.pairs[:_SHOWN]:
        pair = {"held_out": _shown(valid.split, held_out, schema), "training": _shown(train.split, training, schema)}
        found["copies"].append(pair)
    return {name: rows for name, rows in found.items() if rows}


def _shown(split: Split, at: int, schema: Schema) -> dict[str, Any]:
    stored, truth = split.inputs[at], split.targets[at]
    whole = np.ndim(truth) == 0 or schema.task in ("labels", "number")
    row: dict[str, Any] = {"id": str(split.ids[at]), "truth": answer_words(schema.answers, truth) if whole else ""}
    if isinstance(schema.inputs, Texts):
        row["id"] += f": {schema.inputs.decode(stored[:_WORDS])}"
    elif isinstance(schema.inputs, Series):
        row["picture"] = series_uri(stored)
    elif stored.ndim == 3:
        row["picture"] = picture_uri(np.asarray(stored))
    return row


def _class(number: Any, names: Sequence[str]) -> str | None:
    return names[int(number)] if isinstance(number, (int, float)) and 0 <= int(number) < len(names) else None


def _bytes_a_row(split: Split) -> int:
    """Of a row as the network gets it: numbers of four bytes, ids of eight."""
    inputs: Any = split.inputs
    if isinstance(inputs, Ragged):
        return max(1, int(inputs.lengths.max(initial=1)) * int(np.prod(inputs.values.shape[1:])) * 8)
    return max(1, int(np.prod(inputs.shape[1:])) * 4)
