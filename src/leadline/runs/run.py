"""Run: a trained network and all that was learnt about it, opened from its folder without the code that trained it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline import data, files, report
from leadline.data.forecasts.forecast_ahead import latest_windows
from leadline.data.forecasts.forecasting import read_forecast
from leadline.data.forecasts.window_rows import WindowSplit
from leadline.data.forecasts.windows import Windows
from leadline.data.schema import Schema
from leadline.data.sources import check_source
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstruction_loading import read_reconstruct
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.diagnose.findings import Verdict
from leadline.errors import ArgumentError, DataError, LeadlineError, RunError
from leadline.plan.record import Plan
from leadline.runs import drawings, pairs, tokens, trees
from leadline.runs import results as judging
from leadline.runs.ahead import DatedForecasts, foresee, rows_like
from leadline.runs.answering_steps import StepAnswer, StepPredictions, answer_steps
from leadline.runs.diagnosis_file import kept_diagnosis, verdict_in, with_commands
from leadline.runs.enlarging import EnlargedPicture, EnlargedPictures, enlarge, enlarge_several
from leadline.runs.file_inputs import is_folder, several_in
from leadline.runs.forecasts import judge_forecasts
from leadline.runs.making_up import Rows, made_up
from leadline.runs.predicting import Prediction, Predictions, Predictor, frames_for, inputs_below, joined
from leadline.runs.reconstructing.evaluating_rows import evaluate_rows
from leadline.runs.reconstructing.telling_again import ToldAgain, ToldRows, tell_inputs_again
from leadline.runs.reloading import load_for
from leadline.runs.steps import judge_steps
from leadline.runs.word_runs import evaluate_words, vectors_of
from leadline.text.word_vectors import NearWord, WordVectors
from leadline.training import History
from leadline.training.monte_carlo import Thinned

_OWN = "This is what the network was trained on, so only its test split counts."


class Run:
    """A finished training: `plan`, `schema`, `history`, `results` (scores on the test split), `model`.

    Make one with `leadline.train`, open one with `leadline.open`.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> picture = leadline.data.load("digits").test.inputs[0]
        >>> run.score > 0.5, run.predict(picture).answer in run.schema.answers.names
        (True, True)
    """

    def __init__(self, folder: Path, plan: Plan, schema: Schema, model: nn.Module, device: torch.device) -> None:
        self.folder, self.plan, self.schema, self.model, self.device = folder, plan, schema, model, device
        self.predictor = Predictor(model, schema, device)

    @cached_property
    def results(self) -> dict[str, Any]:
        """Scores on the test split with their intervals, baselines on the same rows, and more; see `results.json`."""
        results: dict[str, Any] = self._read("results.json")
        return results

    @cached_property
    def history(self) -> History:
        """One record a log point."""
        return History.read(self.folder / "history.jsonl")

    @property
    def diagnosis(self) -> Verdict:
        """What the training was like: findings, the weightiest first, none where it is healthy.

        Errors: `RunError` where the Run was trained by an older Leadline, and `diagnose` has not been called since.
        """
        if (kept := kept_diagnosis(self.folder)) is None:
            raise RunError(f"{self.folder} keeps no diagnosis", do=f"Make one: leadline diagnose {self.folder}")
        return verdict_in(kept)

    @property
    def score(self) -> float:
        """The headline metric on the test split."""
        return float(self.results["scores"][self.results["headline"]]["value"])

    def predict(
        self, inputs: Any, ids: Sequence[str] | None = None
    ) -> (
        Prediction
        | Predictions
        | EnlargedPicture
        | EnlargedPictures
        | DatedForecasts
        | StepAnswer
        | StepPredictions
        | ToldAgain
        | ToldRows
    ):
        """Answers for one raw input (a `Prediction`) or for several (`Predictions`); after a training on pairs, pictures.

        After a training of forecasts what comes after the end of each series of a table: files, a data frame, columns by name.
        After a training on a text the answer is the token that most likely comes next; after one of answers to each step, a
        `StepAnswer` holds those of a row; after one on inputs alone a `ToldAgain` holds the input as it is told, and how odd it
        is.

        Args:
            inputs: a path, a PIL image, a text, an array like those of the training, or several of these; a folder stands for
                all pictures, texts or series in it, a .ts or a file with a series in each line for all its series, a table of
                texts for all its texts, with labels or without. After a training on a table: a row as a dict, or a file, a data
                frame or a list of rows. One bad input among several is set aside and listed in `.excluded`.
            ids: names for several inputs; by default their paths or positions.

        Errors: a `LeadlineError` when a single input cannot be read.
        """
        if getattr(inputs, "ndim", 0) == 1 and hasattr(inputs, "to_dict"):
            inputs = inputs.to_dict()  # one row of a pandas data frame
        if self.schema.task == "words":
            raise ArgumentError(
                "Word vectors answer nothing by themselves", do="Ask run.most_similar(WORD) or run.word_vectors."
            )
        if self.schema.task == "generate":
            raise ArgumentError("A network that draws answers nothing", do="Ask run.generate(64).")
        path = isinstance(inputs, (str, Path))
        of_tokens = self.schema.task in ("tokens", "ngram")
        if isinstance(inputs, str) and not inputs.strip() and not of_tokens:  # to which a space is one
            raise ArgumentError("The input is an empty text", expected=self.schema.inputs.describe())
        if isinstance(self.schema.inputs, Windows):
            return foresee(self.predictor, self.plan, inputs)
        if self.schema.task == "sequence":
            return answer_steps(self.predictor, inputs, ids)
        if self.schema.task == "reconstruct":
            if path and is_folder(inputs) and not isinstance(self.schema.inputs, Table):
                inputs = inputs_below(Path(inputs), self.schema.inputs)
            return tell_inputs_again(self.predictor, inputs, ids)
        if self.schema.task in ("tokens", "ngram") and self.schema.inputs.is_one(inputs):
            return self.predictor.one(inputs, ids[0] if ids else "0")
        if isinstance(table := self.schema.inputs, Table) and not table.is_one(inputs):
            return joined([self.predictor.rows(frame) for frame in frames_for(table, inputs)], ids)
        if path and is_folder(inputs):
            inputs = inputs_below(Path(inputs), self.schema.inputs)
        if (found := several_in(inputs, self.schema)) is not None:
            return self.predictor.found(found, ids)
        if self.schema.task == "pairs" and self.schema.inputs.is_one(inputs):
            return enlarge(self.model, self.schema, self.device, inputs, ids[0] if ids else str(inputs) if path else "0")
        if self.schema.inputs.is_one(inputs):
            return self.predictor.one(inputs, ids[0] if ids else str(inputs) if path else "0")
        if self.schema.task == "pairs":
            return enlarge_several(self.model, self.schema, self.device, inputs, ids)
        return self.predictor.many(inputs, ids)

    def sampled(self, samples: int = 50) -> Run:
        """This Run answering with the mean of so many thinned networks (Monte-Carlo dropout) in place of all weights scaled.

        Args:
            samples: masks to draw, at least 2; they are the same for the same inputs.

        Errors: `ArgumentError` for a network without dropout.
        """
        if self.schema.task == "reconstruct":
            raise ArgumentError("A network that tells its inputs again does so whole", got=f"samples = {samples}")
        task = "classes" if self.schema.task == "trees" else self.schema.task  # of each node
        return Run(self.folder, self.plan, self.schema, Thinned(self.model, task, samples=samples), self.device)

    def evaluate(self, source: Any, targets: Any = None, *, usual: str | None = None) -> dict[str, Any]:
        """Scores with intervals on labelled data that the network has not seen.

        Args:
            source: whatever `leadline.train` takes. The source of the training itself stands for its test split. After a
                training on words: a file of analogies (four words a line) or of similarities (two words and a number).
            targets: for arrays.
            usual: after a training on inputs alone, the classes that are not odd, separated by commas.

        Errors: `DataError` when the classes are not those of the training, or nothing can be read.
        """
        check_source(source)
        if self.schema.task == "pairs":
            return pairs.evaluate(self.model, self.schema, self.device, self.plan, source)
        if self.schema.task == "generate":
            return drawings.evaluate(self.model, self.schema, self.device, self.plan, self.folder, source, targets)
        if self.schema.task == "words":
            return evaluate_words(self.word_vectors, source)
        if self.schema.task in ("tokens", "ngram"):
            return tokens.evaluate(self.model, self.schema, self.device, self.plan, source)
        if self.schema.task == "trees":
            return trees.evaluate(self.model, self.schema, self.device, self.plan, source)
        if self.schema.task == "reconstruct":
            return self._told_again(source, targets, usual)
        if usual is not None:
            raise ArgumentError("Only a network that tells its inputs again knows usual rows", got=f"usual = {usual}")
        split, note = self._rows_of(source, targets)
        if isinstance(split, WindowSplit):
            judged, rows, *_ = judge_forecasts(self.predictor, split)
            return {"note": note, "rows": len(rows), **judged}
        if self.schema.task == "sequence":
            return {"note": note, "rows": len(split), **judge_steps(self.predictor, split)[0]}
        values = self.predictor.all_values(split.inputs)
        return {"note": note, "rows": len(split), **judging.judge(self.schema.answers, values, split.targets)}

    def _told_again(self, source: Any, targets: Any, usual: str | None) -> dict[str, Any]:
        """Scores of a network that tells its inputs again, by the classes of the source where it was trained without any."""
        answers = self.schema.answers
        assert isinstance(answers, Reconstructions)
        if usual is None and (own := self._own_rows(source, targets)) is not None:
            split, note = own, _OWN
        else:
            split, answers = read_reconstruct(source, self.schema, targets=targets, usual=usual)
            note = " ".join(split.notes)
        return evaluate_rows(self.predictor, split, self.folder, self.results["baselines"][0], answers, note)

    @cached_property
    def word_vectors(self) -> WordVectors:
        """The vectors of all words, the commonest first, after a training on words.

        Errors: `ArgumentError` for a network that was trained on anything else.
        """
        return vectors_of(self.model, self.schema)

    def most_similar(
        self, positive: str | Iterable[str], negative: str | Iterable[str] = (), *, top: int = 10
    ) -> list[NearWord]:
        """The words nearest to a word, or to several less others, after a training on words.

        Args:
            positive: a word, or several.
            negative: whose directions are taken away.
            top: how many.

        Errors: `ArgumentError` for a word that is not known, with those that are spelled alike, or for another network.
        """
        return self.word_vectors.most_similar(positive, negative, top=top)

    def analogy(self, first: str, second: str, third: str, *, top: int = 10) -> list[NearWord]:
        """What is to `third` as `second` is to `first`, after a training on words; errors as in `most_similar`."""
        return self.word_vectors.analogy(first, second, third, top=top)

    def write(
        self,
        beginning: str = "",
        *,
        length: int = 400,
        temperature: float = 0.8,
        top_p: float = 0.95,
        top_k: int = 0,
        seed: int = 0,
    ) -> Iterator[str]:
        """Text that goes on from a beginning, piece by piece, after a training on a text.

        Args:
            beginning: "" begins a line.
            length: how many tokens to write.
            temperature: below 1 the likely becomes likelier; 0 always takes the likeliest.
            top_p: each is drawn from the fewest that have this probability together.
            top_k: each is drawn from so many of the likeliest; 0 from all.
            seed: the same seed writes the same text.

        Errors: `ArgumentError` for a network that was trained on anything else, or an argument out of range.
        """
        return tokens.written(
            self.model,
            self.schema,
            beginning,
            length=length,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            seed=seed,
        )

    def generate(self, number: int = 64, *, classes: Sequence[str] = (), seed: int = 0, steps: int | None = None) -> Rows:
        """What the network makes up, like what it learned from: pictures [number, H, W, C]; rows of numbers, or of a table.

        After a training of the task generate, and of variational autoencoders, Boltzmann machines and deep belief nets.

        Args:
            number: of pictures or rows.
            classes: names; they go round. A network that knows classes goes round all of them where none is named.
            seed: the same one makes the same again.
            steps: of the chains of a Boltzmann machine.

        Errors: `ArgumentError` for a network that makes nothing up, or a class that it does not know.
        """
        return made_up(self.model, self.schema, number, seed=seed, classes=classes, steps=steps)

    def features(self, inputs: Any) -> NDArray[np.float32]:
        """What the last layer sees of some inputs, float32 [N, H]: numbers to give to another classifier.

        Args:
            inputs: several, as `predict` takes them; each must be readable.
        """
        if self.schema.task == "words":
            return np.stack([self.word_vectors[word] for word in ([inputs] if isinstance(inputs, str) else inputs)])
        if isinstance(windows := self.schema.inputs, Windows):
            return self.predictor.features(latest_windows(rows_like(self.plan, inputs), windows).inputs)
        if isinstance(table := self.schema.inputs, Table):
            frames = frames_for(table, [inputs] if table.is_one(inputs) else inputs)
            stored = [table.read_frame(frame.data, header=frame.header)[0] for frame in frames]
            return self.predictor.features(np.concatenate(stored))
        if isinstance(inputs, (str, Path)) and is_folder(inputs):
            inputs = inputs_below(Path(inputs), self.schema.inputs)
        if (found := several_in(inputs, self.schema)) is not None:
            if found.excluded:
                raise DataError(f"{found.excluded[0].id} cannot be used: {found.excluded[0].reason}")
            inputs = found.raws
        several = [inputs] if self.schema.inputs.is_one(inputs) else inputs
        return self.predictor.features(self.predictor.together([self.predictor.encode(raw) for raw in several]))

    def _rows_of(self, source: Any, targets: Any) -> tuple[data.Split, str]:
        if (own := self._own_rows(source, targets)) is not None:
            return own, _OWN
        if isinstance(self.schema.inputs, Windows):
            split: data.Split = read_forecast(rows_like(self.plan, source), self.schema)
        else:
            split = data.read(source, self.schema, targets=targets)
        return split, " ".join(split.notes)

    def _own_rows(self, source: Any, targets: Any) -> data.Split | None:
        """The test rows of the training, where this is its source; None for other rows."""
        own = self.plan.data
        if isinstance(source, (str, Path)) and targets is None and _same(str(source), own.source):
            dataset = load_for(self.plan)
            if dataset.fingerprint() == own.hash:
                return dataset.test
        if own.source == "arrays" and not isinstance(source, (str, Path)):
            with suppress(LeadlineError):  # rows that could not have been learned from are other rows
                dataset = load_for(self.plan, source, targets)
                if dataset.fingerprint() == own.hash:
                    return dataset.test
        return None

    def report(self, path: Path | str | None = None) -> Path:
        """Write the report as one HTML file (by default `report.html` in the folder) and return its path."""
        target = Path(path) if path is not None else self.folder / "report.html"
        report.write(target, self.record())
        return target

    def record(self) -> dict[str, Any]:
        """All that the report shows, as plain values."""
        return {
            "plan": self.plan.to_json(),
            "plan_rows": self.plan.rows(),
            "history": list(self.history),
            "results": self.results,
            "examples": self._read("examples.json"),
            "diagnosis": with_commands(kept, self.plan, self.folder) if (kept := kept_diagnosis(self.folder)) else {},
            "environment": self._read("environment.json"),
            "leadline": self._read("run.json")["leadline"],
        }

    def _read(self, name: str) -> Any:
        path = self.folder / name
        return files.read_json(path) if path.exists() else {}

    def _repr_html_(self) -> str:
        return report.summary_card(self.record())

    def __repr__(self) -> str:
        if not self.results:
            return f"Run({str(self.folder)!r})"
        return f"Run({str(self.folder)!r}, test {self.results['headline'].replace('_', ' ')} {self.score:.4g})"


def _same(source: str, own: str) -> bool:
    return source == own or (Path(source).exists() and Path(own).exists() and Path(source).samefile(own))
