"""What is proposed for a text whose words are learned by their neighbours, and what such a Plan cannot ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import ArgumentError, PlanError
from leadline.language.words.word2vec_settings import LAST_RATE, Word2vecSettings
from leadline.language.words.word2vec_training import usable_threads
from leadline.models import OF_WORDS
from leadline.plan.record import CHOSEN, ModelPlan, Plan, TrainingPlan

_WIDTHS = ((1_000_000, 50), (30_000_000, 100), (300_000_000, 200))  # of vectors, for fewer words of text than these
_WORDS_TO_SEE = 80_000_000  # five times the 16 million of IMDB and WikiText-2
_MANY = 100_000_000  # words, of which the frequent ones are passed over more often
_USED = ("epochs", "learning_rate", "threads", "seed", "device")


def words_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how a text is read, each with its reason."""
    train, valid, test = _counts(dataset)
    words, options = _words(dataset), dataset.origin.options
    why["data.task"] = f"each of {train:,} words is learned by the words around it"
    why["data.unit"] = next((note for note in dataset.notes if note.startswith("The text is read by")), f"{words.by} as asked")
    why["data.vocabulary"] = f"0: all that come often enough; {len(words.known):,} words are known"
    why["data.min_count"] = next((note for note in dataset.notes if note.startswith("Words seen fewer")), CHOSEN)
    why["data.valid"] = f"{valid:,} words on which the loss is told after each epoch, always with the same draws"
    why["data.test"] = f"{test:,} words that nothing sees before the end"
    columns = dict(options.get("columns") or {})
    why |= {f"data.columns.{name}": CHOSEN for name in columns}
    counting = {"vocabulary": int(options.get("vocabulary") or 0), "min_count": int(options["min_count"])}
    header = {None: "", True: "yes", False: "no"}[options.get("header")]
    return {"unit": words.by, "columns": columns, "header": header, **counting}


def words_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network, and why it is that."""
    return "word2vec", f"{len(_words(dataset).known):,} words, each with a vector of its own"


def words_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of word2vec, with reasons."""
    if name not in OF_WORDS:
        return {}
    train = _counts(dataset)[0]
    width = next((size for most, size in _WIDTHS if train < most), 300)
    negatives = 10 if train < 1_000_000 else 5
    subsample = 1e-3 if train < _MANY else 1e-4
    why["model.method"] = f"of {train:,} words skip_gram learns more than cbow, which is a little faster"
    why["model.targets"] = "negative samples teach frequent words best and cost the same however many words there are"
    why["model.width"] = f"{train:,} words to learn from repay about so many numbers for each of {len(_words(dataset).known):,}"
    why["model.window"] = "up to so many words on each side; fewer say more of grammar, more say what the text is about"
    why["model.negatives"] = (
        f"{'few' if negatives > 5 else 'many'} words of text, {train:,}: each is told apart from so many others"
    )
    why["model.subsample"] = f"words that are more than {subsample:g} of {train:,} are passed over now and then"
    return {
        "method": "skip_gram",
        "targets": "negative_sampling",
        "width": width,
        "window": 5,
        "negatives": negatives,
        "subsample": subsample,
    }


def words_training(dataset: Dataset, network: ModelPlan, changes: Mapping[str, Any], why: dict[str, str]) -> TrainingPlan:
    """How word vectors are trained, with reasons."""
    train = _counts(dataset)[0]
    epochs = int(np.clip(round(_WORDS_TO_SEE / max(train, 1)), 3, 60))
    asked = changes.get("training.epochs")
    epochs = asked if isinstance(asked, int) and asked > 0 else epochs
    method = str(changes.get("model.method", network.arguments.get("method", "skip_gram")))
    rate = Word2vecSettings().usual_rate if method != "cbow" else Word2vecSettings(method="cbow").usual_rate
    why["training.epochs"] = f"{epochs} times {train:,} words are {epochs * train / 1e6:,.1f} million to learn from"
    why["training.learning_rate"] = f"usual for {method}; it falls on a straight line to 1/250 over the {epochs} epochs"
    why["training.schedule"] = "by the place in the text alone, so that it is the same however many threads read"
    why["training.device"] = "word2vec touches a few rows at a time, which processors with large caches do best"
    return TrainingPlan(
        loss="cross_entropy",
        optimizer="sgd",
        momentum=0.0,
        weight_decay=0.0,
        schedule=f"polynomial(end={LAST_RATE})",
        batch=1,
        accumulate=1,
        epochs=epochs,
        learning_rate=rate,
        patience=0,
        step="plain",
        device="cpu",
        precision="float32",
        layout="contiguous",
    )


def check_words_plan(plan: Plan) -> Plan:
    """The Plan with its threads settled, refused where it asks for what training words knows nothing of.

    Errors: `PlanError` that says what to leave out.

    Example:
        >>> check_words_plan(Plan().but({"model": "word2vec", "training.threads": 2})).training.threads
        2
    """
    chosen = [key for key, reason in plan.why.items() if key.startswith("training.") and reason == CHOSEN]
    if wrong := " and ".join(key for key in chosen if key.partition(".")[2] not in _USED):
        raise PlanError(
            f"Words are not learned with {wrong}",
            expected=", ".join(f"training.{name}" for name in _USED),
            do=f"Leave {wrong} out.",
        )
    if plan.training.device not in ("cpu", "auto"):
        raise PlanError("Words are learned on the processor", expected="training.device = cpu", got=plan.training.device)
    if plan.start.networks > 1 or plan.start.weights or plan.start.vectors or plan.start.initialize:
        raise PlanError(
            "Words are learned once, from vectors that are drawn",
            do="Leave start.restarts, start.search, start.weights, start.vectors and start.initialize out.",
        )
    if plan.model.name not in OF_WORDS:
        raise PlanError(f"The model {plan.model.name!r} does not learn words", expected=f"one of {', '.join(OF_WORDS)}")
    try:
        Word2vecSettings(**plan.model.arguments)
    except ArgumentError as error:
        raise PlanError(str(error)) from error
    training = dataclasses.replace(plan.training, device="cpu", threads=plan.training.threads or usable_threads())
    why = {} if plan.training.threads else {"training.threads": "all there are; one alone gives the same bits every time"}
    return dataclasses.replace(plan, training=training, why={**plan.why, **why})


def _words(dataset: Dataset) -> CorpusWords:
    inputs = dataset.schema.inputs
    assert isinstance(inputs, CorpusWords)
    return inputs


def _counts(dataset: Dataset) -> tuple[int, int, int]:
    return len(stream_of(dataset.train)), len(stream_of(dataset.valid)), len(stream_of(dataset.test))
