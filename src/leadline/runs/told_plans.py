"""A Plan in a line, for a person."""

from __future__ import annotations

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.data.words.word_answers import CorpusWords
from leadline.plan import Plan
from leadline.plan.ngrams import check_ngram_plan
from leadline.runs.ngrams import smoothing_named


def told_plan(plan: Plan, dataset: Dataset) -> str:
    """The network, its optimizer and its rows.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> told_plan(plan.propose(digits, {"model": "linear", "training.epochs": 5}), digits)
        'linear, adamw at 0.01, 5 epochs of 1,257 rows'
    """
    training, start, rows = plan.training, plan.start, f"{len(dataset.train):,} rows"
    if isinstance(inputs := dataset.schema.inputs, Tokens):
        rows = f"{len(stream_of(dataset.train)):,} {inputs.unit}"
    if isinstance(inputs, CorpusWords):
        how = ", ".join(str(plan.model.arguments.get(name, "")).replace("_", " ") for name in ("method", "targets"))
        read, threads = len(stream_of(dataset.train)), training.threads
        told = f"word2vec ({how}), {training.epochs} epoch{'s' if training.epochs > 1 else ''} of {read:,} words"
        return f"{told} with {threads} thread{'s' if threads > 1 else ''}"
    if start.solves:
        on = f"{plan.model.name} up to {start.layer}, frozen" if start.layer else "features as they are"
        return f"a new head on {on}, solved on {rows}"
    if dataset.task == "ngram":
        settings = check_ngram_plan(plan)
        return f"{settings.order}-grams with {smoothing_named(settings.smoothing)}, counted in {rows}"
    epochs = f"{training.epochs} epoch{'s' if training.epochs > 1 else ''}"
    return f"{plan.model.name}, {training.optimizer} at {_rates(plan)}, {epochs} of {rows}"


def _rates(plan: Plan) -> str:
    """The learning rate, or all that are searched over."""
    *most, last = (f"{rate:g}" for rate in plan.start.search.get("training.learning_rate", [plan.training.learning_rate]))
    return f"{', '.join(most)} and {last}" if most else last
