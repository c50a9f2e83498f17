"""Predicting: raw inputs through the Schema and the network to answers in a person's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.answers import Answers, Numbers
from leadline.data.dataset import Excluded
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.window_rows import WindowRows
from leadline.data.input_files import FoundInputs
from leadline.data.pictures.decoding import EXTENSIONS
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import LargePictures
from leadline.data.ragged import Ragged
from leadline.data.schema import Inputs, Schema
from leadline.data.series.series import Series
from leadline.data.sources import Reading, frame_of, nowhere
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.tagged_files import ENDINGS
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.arrow_frames import from_data_frame, is_data_frame
from leadline.data.tables.frame import Frame
from leadline.data.tables.given_rows import frame_of_rows
from leadline.data.tables.table import Table
from leadline.data.tables.table_files import is_table, read_file, table_files_in
from leadline.data.texts.texts import Texts
from leadline.data.tokens.tokens import NextToken, Tokens
from leadline.data.trees.trees import Trees
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import ArgumentError, LeadlineError, SourceNotFoundError
from leadline.language import NGramNetwork
from leadline.layers.level_arrays import TreeLevels
from leadline.models import made_inputs
from leadline.models.told_rows import row_codes, row_oddness
from leadline.plan.network_building import head_of
from leadline.runs.node_labels import check_children, labelled_trees, most_children
from leadline.text.vocabularies import UNKNOWN

_BATCH = 256
_FILES = (
    (Texts, "texts", frozenset({".txt", ".text", ".md"})),
    (Sentences, "sentences", frozenset({".txt", ".text", ".md", *ENDINGS})),
    (Series, "series", frozenset({".npy", ".csv", ".tsv", ".ts"})),
    (Trees, "trees", frozenset({".txt", ".text", ".ptb", ".mrg", ".tree", ".trees"})),
    (None, "pictures", EXTENSIONS),
)


@dataclass(frozen=True)
class Prediction:
    """The answer for one input.

    `answer` is a class name, the list of labels with a probability of at least one half, a number, or several by name;
    `probabilities` holds the probability of each class or label (empty for numbers); `notes` say what in a row of a table was
    not as in training; `tree` is a tree in brackets with the answer for each of its nodes, after a training on trees.

    Example:
        >>> Prediction("garden.jpg", "rose", {"rose": 0.9, "tulip": 0.1}).probability
        0.9
    """

    id: str
    answer: str | list[str] | float | dict[str, float]
    probabilities: dict[str, float]
    notes: tuple[str, ...] = ()
    tree: str = ""

    @property
    def probability(self) -> float | None:
        """The probability of the answer, where it is one class."""
        return self.probabilities.get(self.answer) if isinstance(self.answer, str) else None

    def to_json(self) -> dict[str, Any]:
        told = {"id": self.id, "answer": self.answer, "probabilities": self.probabilities}
        return told | {"tree": self.tree} if self.tree else told


class Predictions(Sequence[Prediction]):
    """Answers for several inputs: a sequence of `Prediction`.

    `values` is the array behind them: probabilities [N, K], or numbers [N, M]; `excluded` are inputs that could not be read;
    `notes` say what in the inputs was not as in training.

    Example:
        >>> from leadline.data import Classes
        >>> found = Predictions(["a.jpg", "b.jpg"], np.array([[0.9, 0.1], [0.2, 0.8]]), Classes(("rose", "tulip")))
        >>> found.answers, found[1].probability
        (['rose', 'tulip'], 0.8)
    """

    def __init__(
        self,
        ids: Sequence[str],
        values: NDArray[Any],
        answers: Answers,
        excluded: Sequence[Excluded] = (),
        notes: Sequence[str] = (),
        trees: Sequence[str] = (),
    ) -> None:
        self.ids, self.values, self.excluded, self.notes = list(ids), values, list(excluded), tuple(notes)
        self.trees = list(trees)
        self._answers = answers

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Predictions(self.ids[at], self.values[at], self._answers, trees=self.trees[at])
        return prediction(self.ids[at], self.values[at], self._answers, tree=self.trees[at] if self.trees else "")

    def __iter__(self) -> Iterator[Prediction]:
        return (self[at] for at in range(len(self)))

    @property
    def answers(self) -> list[Any]:
        """The answers alone."""
        return [one.answer for one in self]

    def to_json(self) -> list[dict[str, Any]]:
        return [one.to_json() for one in self]

    def __repr__(self) -> str:
        first = ", ".join(str(answer) for answer in self[:5].answers)
        return f"Predictions({len(self)} answers: {first}{', …' if len(self) > 5 else ''})"


def joined(parts: Sequence[Predictions], ids: Sequence[str] | None = None) -> Predictions:
    """Several of them as one, with other ids if these are given.

    Errors: `ArgumentError` for another number of ids than of answers.
    """
    names = [name for part in parts for name in part.ids] if ids is None else list(ids)
    values = np.concatenate([part.values for part in parts])
    if len(names) != len(values):
        raise ArgumentError("There are not as many ids as rows", expected=len(values), got=len(names))
    excluded = [row for part in parts for row in part.excluded]
    return Predictions(names, values, parts[0]._answers, excluded, [note for part in parts for note in part.notes])


def prediction(name: str, values: NDArray[Any], answers: Answers, notes: tuple[str, ...] = (), *, tree: str = "") -> Prediction:
    """One row of probabilities or numbers in words."""
    row = dict(zip(answers.names, values.tolist(), strict=True))
    if isinstance(answers, (Numbers, Reconstructions)):
        return Prediction(name, row if len(row) > 1 else float(values[0]), {}, notes)
    if answers.task == "labels":
        return Prediction(name, [label for label, probability in row.items() if probability >= 0.5], row, notes)
    return Prediction(name, answers.names[int(values.argmax())], row, notes, tree)


class Predictor:
    """A network with what its Schema puts around it, ready on a device."""

    def __init__(self, model: nn.Module, schema: Schema, device: torch.device) -> None:
        self.model, self.schema, self.device = model.eval(), schema, device
        self._prepare = schema.inputs.preparer(device)
        self._most_children = most_children(model) if isinstance(schema.inputs, Trees) else 0
        answers = schema.answers
        self._finish: Callable[[Tensor], Tensor] = (
            answers.values
            if isinstance(answers, (Numbers, LargePictures, Forecasts, StepNumbers, Drawings))
            else answers.probabilities
        )

    def one(self, raw: Any, name: str = "0") -> Prediction:
        """The answer for one raw input."""
        notes: tuple[str, ...] = ()
        stored: NDArray[Any]
        if isinstance(inputs := self.schema.inputs, Table):
            stored, notes = inputs.read_row(raw)
        else:
            stored = self.encode(raw)
        tree = self.labelled([raw])[0] if isinstance(inputs, Trees) else ""
        return prediction(name, self.values(stored[None])[0], self.schema.answers, notes, tree=tree)

    def labelled(self, raws: Sequence[Any]) -> list[str]:
        """Trees in brackets, with what the network says of each of their nodes."""
        return labelled_trees(self.model, self.schema, self.device, raws)

    def encode(self, raw: Any) -> NDArray[Any]:
        """One raw input as the network's Schema stores it.

        Errors: a `LeadlineError` for what cannot be read, for a text without a word, of which nothing could be said, and for a
        tree with a node of more children than the network takes.
        """
        stored: NDArray[Any] = self.schema.inputs.encode(raw)
        inputs = self.schema.inputs
        if isinstance(inputs, Trees):
            check_children(stored, self._most_children)
        if isinstance(inputs, Texts) and len(stored) == 1 and stored[0] == UNKNOWN and not inputs.tokens(raw):
            raise ArgumentError("The text is empty", expected=f"at least one {inputs.unit.removesuffix('s')}")
        return stored

    def found(self, inputs: FoundInputs, ids: Sequence[str] | None = None) -> Predictions:
        """Answers for what stood in files of several inputs, with what could not be read among the excluded."""
        said = self.many(inputs.raws, ids if ids is not None else inputs.ids)
        return Predictions(
            said.ids, said.values, self.schema.answers, (*inputs.excluded, *said.excluded), (*inputs.notes, *said.notes)
        )

    def values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Probabilities [N, K] or numbers [N, M] for encoded rows [N, …] that fit one batch."""
        if isinstance(self.schema.answers, NextToken):
            return self._next_token(stored)
        if isinstance(self.schema.answers, Drawings):  # the rows are seeds
            return self._finish(torch.cat([made_inputs(self.model, 1, seed=int(seed)) for seed in stored])).numpy(force=True)
        with torch.inference_mode():
            prepared = self._prepare(torch.from_numpy(stored).to(self.device))
            if isinstance(self.schema.answers, Reconstructions):
                return row_oddness(self.model, prepared)[:, None].float().numpy(force=True)
            outputs = self.model(prepared)
            if isinstance(prepared, TreeLevels):
                outputs = outputs[prepared.roots]  # the answer for a whole tree
            return self._finish(outputs).numpy(force=True)

    def _next_token(self, stored: NDArray[Any]) -> NDArray[Any]:
        """The probabilities of the token after the last of each row [N, T]: [N, V]."""
        lengths = (stored != Tokens.padding).sum(axis=1)
        if not lengths.all():
            raise ArgumentError("There is nothing that a token could follow", expected="at least one character or word")
        ids = self._prepare(torch.from_numpy(stored).to(self.device))
        if isinstance(self.model, NGramNetwork):
            return self._finish(self.model.after(ids, torch.from_numpy(lengths))).numpy(force=True)
        last: Any = torch.from_numpy(lengths - 1).to(self.device)
        with torch.inference_mode():
            return self._finish(self.model(ids)[torch.arange(len(ids), device=self.device), last]).numpy(force=True)

    def all_values(self, stored: NDArray[Any] | Ragged | WindowRows) -> NDArray[Any]:
        """The same for any number of encoded rows, a batch at a time."""
        parts = [self.values(self.together(stored[at : at + _BATCH])) for at in range(0, len(stored), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.schema.answers.outputs), np.float32)

    def together(self, rows: NDArray[Any] | Ragged | Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Encoded rows as one batch [N, …]; texts and series of different lengths are filled up to the longest."""
        if isinstance(rows, np.ndarray):
            return np.ascontiguousarray(rows)
        if isinstance(inputs := self.schema.inputs, (Texts, Series, Tokens, Sentences, Trees)):
            return (rows if isinstance(rows, Ragged) else Ragged.of(rows)).padded(inputs.padding)
        return np.stack(list(rows))

    def rows(self, frame: Frame) -> Predictions:
        """Answers for the rows of a table."""
        encoded, notes = table_of(self.schema).read_frame(frame.data, header=frame.header)
        values = self.all_values(encoded)
        return Predictions(frame.ids, values, self.schema.answers, frame.excluded, (*frame.notes, *notes))

    def features(self, stored: NDArray[Any] | Ragged | WindowRows) -> NDArray[np.float32]:
        """What the last layer of the network sees of encoded rows [N, …], float32 [N, H]; of several members their mean."""
        if isinstance(self.schema.answers, (StepClasses, StepNumbers)):
            raise ArgumentError(
                "The network answers each step of a row, so a row has no features of its own",
                expected="a Run of one answer a row",
            )
        if isinstance(self.schema.answers, Reconstructions):
            return self._codes(stored)
        if isinstance(self.schema.answers, Drawings):
            raise ArgumentError(
                "A network that draws has no features of a picture", expected="a Run whose network takes pictures in"
            )
        head = head_of(self.model)
        if head is None:
            raise ArgumentError("The network has no linear layer whose inputs could be features", got=type(self.model).__name__)
        if isinstance(self.schema.inputs, Trees):
            return self._of_roots(stored)
        seen: list[Tensor] = []
        hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
        try:
            self.all_values(stored)
        finally:
            hook.remove()
        parts = [part.mean(dim=1) if part.ndim == 3 else part.flatten(1) for part in seen]
        return np.concatenate([part.numpy(force=True) for part in parts]) if parts else np.zeros((0, 0), np.float32)

    def _codes(self, stored: Any) -> NDArray[np.float32]:
        """The codes of rows, from which a network tells them again."""
        parts = []
        for at in range(0, len(stored), _BATCH):
            with torch.inference_mode():
                prepared = self.prepared(self.together(stored[at : at + _BATCH]))
                parts.append(row_codes(self.model, prepared).float().numpy(force=True))
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def prepared(self, stored: NDArray[Any]) -> Any:
        """Encoded rows as the network takes them, on its device."""
        return self._prepare(torch.from_numpy(np.ascontiguousarray(stored)).to(self.device))

    def _of_roots(self, stored: Any) -> NDArray[np.float32]:
        """The same of the roots of trees."""
        parts = []
        for at in range(0, len(stored), _BATCH):
            levels: Any = self._prepare(torch.from_numpy(self.together(stored[at : at + _BATCH])))
            with torch.inference_mode():
                parts.append(self.model.states(levels)[levels.roots].float().numpy(force=True))  # type: ignore[operator]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def many(self, raws: Sequence[Any], ids: Sequence[str] | None = None) -> Predictions:
        """Answers for several raw inputs; those that cannot be read are set aside and listed."""
        names = list(ids) if ids is not None else [_name(raw, at) for at, raw in enumerate(raws)]
        if len(names) != len(raws):
            raise ArgumentError("There are not as many ids as inputs", expected=len(raws), got=len(names))
        kept: list[str] = []
        values: list[NDArray[Any]] = []
        trees: list[str] = []
        excluded: list[Excluded] = []
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(raws), _BATCH):
                part = range(start, min(start + _BATCH, len(raws)))
                rows, read = [], []
                for at, result in zip(part, pool.map(self._try_encode, (raws[at] for at in part)), strict=True):
                    if isinstance(result, LeadlineError):
                        excluded.append(Excluded(names[at], str(result)))
                    else:
                        rows.append(result)
                        read.append(raws[at])
                        kept.append(names[at])
                if rows:
                    values.append(self.values(self.together(rows)))
                if rows and isinstance(self.schema.inputs, Trees):
                    trees += self.labelled(read)
        stacked = np.concatenate(values) if values else np.zeros((0, self.schema.answers.outputs), np.float32)
        return Predictions(kept, stacked, self.schema.answers, excluded, trees=trees)

    def _try_encode(self, raw: Any) -> NDArray[Any] | LeadlineError:
        try:
            if isinstance(raw, LeadlineError):  # it could not even be read
                return raw
            return self.encode(raw)
        except LeadlineError as error:
            return error


def table_of(schema: Schema) -> Table:
    """The inputs of a network that was trained on a table.

    Errors: `ArgumentError` where it was trained on anything else.
    """
    if not isinstance(schema.inputs, Table):
        raise ArgumentError("The network was not trained on a table", expected=schema.inputs.describe())
    return schema.inputs


def frames_for(table: Table, inputs: Any) -> list[Frame]:
    """Rows as a person gives them: table files or a folder of them, a data frame, a list of rows, or columns by name.

    Errors: `SourceNotFoundError` for a file that is not there; `ArgumentError` for what are no rows.
    """
    if isinstance(inputs, Mapping):
        if len({len(column) if hasattr(column, "__len__") else None for column in inputs.values()}) > 1:
            raise ArgumentError("The columns differ in length", expected="as many values in each")
        inputs = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    several = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if several and all(isinstance(row, Mapping) for row in several):
        return [from_data_frame(frame_of_rows(several))]
    if not several or not all(isinstance(each, (str, Path)) for each in several):
        frame = frame_of(inputs, Reading()) if is_data_frame(inputs) else None
        if frame is None:
            raise ArgumentError(
                "These are no rows of a table",
                expected="csv, tsv or parquet files, a data frame, or rows as dicts",
                got=repr(inputs)[:80],
            )
        return [frame]
    return [read_rows(table, path) for each in several for path in files_below(Path(each))]


def files_below(path: Path) -> list[Path]:
    """The table files of a folder, or the file itself.

    Errors: `SourceNotFoundError` where there is nothing; `ArgumentError` for what is no table.
    """
    if not path.exists():
        raise nowhere(path, path.absolute())
    found = table_files_in(path) if path.is_dir() else [path]
    if not found or not all(map(is_table, found)):
        raise ArgumentError(f"{path} is no table", expected="csv, tsv or parquet, as the network was trained on a table")
    return found


def read_rows(table: Table, path: Path) -> Frame:
    """The rows of one file, written as that of the training was: with or without names of columns, in its encoding."""
    return read_file(path, header=table.header, encoding=table.encoding)


def inputs_below(folder: Path, inputs: Inputs | None = None) -> list[Path]:
    """All files in a folder and the folders in it that the network could answer for, in order: pictures, texts or series.

    Errors: `SourceNotFoundError` where there are none.
    """
    what, endings = next((what, endings) for kind, what, endings in _FILES if kind is None or isinstance(inputs, kind))
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings and not path.name.startswith("."))
    if not found:
        raise SourceNotFoundError(f"There are no {what} in {folder}", expected="files ending in " + ", ".join(sorted(endings)))
    return found


def _name(raw: Any, at: int) -> str:
    return str(raw) if isinstance(raw, (str, Path)) else str(at)
