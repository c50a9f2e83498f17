"""What a network answers that tells its inputs again: the input as told, how odd it is, and, of a table, by which column."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from leadline import files
from leadline.data.dataset import Excluded
from leadline.data.tables.frame import Frame
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import ArgumentError, LeadlineError, RunExistsError
from leadline.models import column_gains
from leadline.models.autoencoders.table_autoencoders import MixedOutputs
from leadline.models.told_rows import rows_told_again
from leadline.runs.making_up import in_own_units
from leadline.runs.predicting import Predictor, frames_for, table_of

_BATCH = 256
_NAMED = 3  # columns of a row that are told, the oddest first


@dataclass(frozen=True)
class OddColumn:
    """A column of a table that others contradict: what it holds, what they would have it hold, and how many nats that is worth.

    Example:
        >>> OddColumn("age", "7", "41", 12.5).told
        '41'
    """

    name: str
    value: str
    told: str
    gain: float


@dataclass(frozen=True)
class ToldAgain:
    """One input as the network tells it from its code, and how odd it is.

    `score` lies above `threshold` where it is called odd; `rarity` is how likely a usual row has at least that score; `told` is
    the input again, in its own units: uint8 or float32 [H, W, C] of a picture, float32 [D] of a row of numbers, text by column
    of a row of a table. `columns` are those of a table that others contradict most.

    Example:
        >>> again = ToldAgain("a.png", 9.5, threshold=4.0, rarity=0.01, told=np.zeros((4, 4, 1), np.uint8))
        >>> again.odd, again.image().size
        (True, (4, 4))
    """

    id: str
    score: float
    threshold: float
    rarity: float
    told: Any
    columns: tuple[OddColumn, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def odd(self) -> bool:
        """Whether the score lies above the threshold."""
        return self.score > self.threshold

    def image(self) -> Image.Image:
        """The picture as it is told.

        Errors: `ArgumentError` where it is no picture.
        """
        if not isinstance(self.told, np.ndarray) or self.told.ndim != 3:
            raise ArgumentError("What was told is no picture", got=type(self.told).__name__)
        values = self.told
        if values.dtype != np.uint8:
            low, high = float(values.min()), float(values.max())
            values = np.rint((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
        return Image.fromarray(values[:, :, 0] if values.shape[2] in (1, 2) else values[:, :, :3])

    def save(self, path: Path | str) -> Path:
        """Write the picture as PNG and return the path.

        Errors: `RunExistsError` where something lies there already; `ArgumentError` where it is no picture.
        """
        path = Path(path)
        if path.exists():
            raise RunExistsError(f"{path} exists already", do="Choose another place, or remove it first.")
        image = self.image()
        with files.writing(path) as file:
            image.save(file, "PNG")
        return path

    def to_json(self) -> dict[str, Any]:
        """All but the arrays, as JSON values."""
        record = {"id": self.id, "odd": self.odd, "score": self.score, "threshold": self.threshold, "rarity": self.rarity}
        if isinstance(self.told, dict):
            record["told"] = self.told
        elif self.told.ndim == 1:
            record["told"] = [float(value) for value in self.told]
        return record | ({"columns": [dataclasses.asdict(each) for each in self.columns]} if self.columns else {})


class ToldRows(Sequence[ToldAgain]):
    """Answers for several inputs: a sequence of `ToldAgain`; `excluded` could not be read, `notes` say what was strange.

    Example:
        >>> rows = ToldRows([ToldAgain("a", 1.0, threshold=4.0, rarity=0.5, told=np.zeros(2))])
        >>> len(rows), rows.scores.tolist()
        (1, [1.0])
    """

    def __init__(self, rows: Sequence[ToldAgain], excluded: Sequence[Excluded] = (), notes: Sequence[str] = ()) -> None:
        self._rows, self.excluded, self.notes = list(rows), list(excluded), tuple(notes)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        return ToldRows(self._rows[at]) if isinstance(at, slice) else self._rows[at]

    @property
    def scores(self) -> NDArray[np.float64]:
        """The scores alone, float64 [N]."""
        return np.array([row.score for row in self._rows], np.float64)

    def to_json(self) -> list[dict[str, Any]]:
        return [row.to_json() for row in self._rows]

    def __repr__(self) -> str:
        odd = sum(row.odd for row in self._rows)
        return f"ToldRows({len(self)} rows, {odd} of them odd)"


def tell_again(predictor: Predictor, stored: NDArray[Any], ids: Sequence[str]) -> list[ToldAgain]:
    """What the network makes of encoded rows [N, …].

    Args:
        predictor: with the network and its Schema.
        stored: as the Schema stores them.
        ids: one for each.
    """
    answers = predictor.schema.answers
    assert isinstance(answers, Reconstructions)
    found: list[ToldAgain] = []
    threshold = float("inf") if answers.threshold is None else answers.threshold
    for at in range(0, len(stored), _BATCH):
        rows = np.ascontiguousarray(stored[at : at + _BATCH])
        x = predictor.prepared(rows)
        scores = predictor.values(rows)[:, 0].astype(np.float64)
        with torch.inference_mode():
            again = in_own_units(predictor.schema.inputs, rows_told_again(predictor.model, x))
        rare, odd = answers.rarity(scores), _odd_columns(predictor, x, rows)
        for row, name in enumerate(ids[at : at + _BATCH]):
            found.append(ToldAgain(name, float(scores[row]), threshold, float(rare[row]), again[row], odd[row]))
    return found


def tell_inputs_again(predictor: Predictor, inputs: Any, ids: Sequence[str] | None = None) -> ToldAgain | ToldRows:
    """What `Run.predict` gives after a training of the task reconstruct.

    Args:
        predictor: with the network and its Schema.
        inputs: one raw input, several, or a source of rows.
        ids: names for several.

    Errors: a `LeadlineError` when a single input cannot be read.
    """
    schema = predictor.schema
    if isinstance(table := schema.inputs, Table):
        if table.is_one(inputs):
            stored, notes = table.read_row(inputs)
            (one,) = tell_again(predictor, stored[None], [ids[0] if ids else "0"])
            return dataclasses.replace(one, notes=notes)
        return _joined([tell_frame_again(predictor, frame) for frame in frames_for(table, inputs)], ids)
    if schema.inputs.is_one(inputs):
        name = ids[0] if ids else str(inputs) if isinstance(inputs, str | Path) else "0"
        return tell_again(predictor, predictor.encode(inputs)[None], [name])[0]
    return tell_several_again(predictor, inputs, ids)


def tell_frame_again(predictor: Predictor, frame: Frame) -> ToldRows:
    """The rows of a table."""
    stored, notes = table_of(predictor.schema).read_frame(frame.data, header=frame.header)
    return ToldRows(tell_again(predictor, stored, list(frame.ids)), frame.excluded, (*frame.notes, *notes))


def tell_several_again(predictor: Predictor, raws: Sequence[Any], ids: Sequence[str] | None = None) -> ToldRows:
    """Several raw inputs; those that cannot be read are set aside and listed."""
    names = (
        list(ids) if ids is not None else [str(raw) if isinstance(raw, str | Path) else str(at) for at, raw in enumerate(raws)]
    )
    if len(names) != len(raws):
        raise ArgumentError("There are not as many ids as inputs", expected=len(raws), got=len(names))
    stored, kept, excluded = [], [], []
    for raw, name in zip(raws, names, strict=True):
        try:
            if isinstance(raw, LeadlineError):
                raise raw
            stored.append(predictor.encode(raw))
            kept.append(name)
        except LeadlineError as error:
            excluded.append(Excluded(name, str(error)))
    return ToldRows(tell_again(predictor, np.stack(stored), kept) if stored else [], excluded)


def _joined(parts: Sequence[ToldRows], ids: Sequence[str] | None) -> ToldRows:
    rows = [row for part in parts for row in part]
    if ids is not None:
        if len(ids) != len(rows):
            raise ArgumentError("There are not as many ids as rows", expected=len(rows), got=len(ids))
        rows = [dataclasses.replace(row, id=name) for row, name in zip(rows, ids, strict=True)]
    return ToldRows(rows, [each for part in parts for each in part.excluded], [note for part in parts for note in part.notes])


def _odd_columns(predictor: Predictor, x: Any, stored: NDArray[Any]) -> list[tuple[OddColumn, ...]]:
    """Of each row of a table the columns that others contradict most; none for other inputs."""
    table = predictor.schema.inputs
    if not isinstance(table, Table) or not isinstance(getattr(predictor.model, "distribution", None), MixedOutputs):
        return [()] * len(stored)
    gains, values = column_gains(predictor.model, [x], table.blocks)
    names, found = list(table.blocks), []
    for row, own in enumerate(gains.numpy()):
        chosen = [at for at in np.argsort(-own)[:_NAMED].tolist() if own[at] > 0]
        held, told = table.words(stored[row]), table.words(values[row].numpy())
        found.append(tuple(OddColumn(names[at], held[names[at]], told[names[at]], float(own[at])) for at in chosen))
    return found
