"""What is proposed for a text that counts of n-grams are to foretell, and what such a Plan cannot hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError, PlanError
from leadline.language import NGramSettings
from leadline.plan.counted_models import COUNTED
from leadline.plan.record import Plan, TrainingPlan

_ORDERS = {"words": ((100_000, 3), (500_000, 4)), "characters": ((100_000, 5), (1_000_000, 7))}  # below so many tokens
_LARGEST = {"words": 5, "characters": 9}
_LOOKED_AT = 1_000_000  # tokens, for the longest line among them
_MAY_BE_SET = ("device", "threads", "seed")  # of the training: they mean something without steps, or nothing anywhere


def counted_model(dataset: Dataset) -> tuple[str, str]:
    """The name of the model, and why it is that.

    Args:
        dataset: of a text.
    """
    tokens, train = _text_of(dataset)
    return "ngram", f"counts of {len(train):,} {tokens.unit} foretell what comes next, in seconds"


def counted_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The settings of an n-gram model, with reasons.

    Args:
        name: of the model; any other has none of these.
        dataset: of a text.
        why: takes the reasons.
    """
    if name not in COUNTED:
        return {}
    tokens, train = _text_of(dataset)
    many = f"{len(train):,} {tokens.unit} to count"
    usual = next((order for most, order in _ORDERS[tokens.unit] if len(train) < most), _LARGEST[tokens.unit])
    sentences = not tokens.by_characters and tokens.start is not None
    room = _longest_line(train, tokens.start) + 1 if sentences else len(train)
    order = max(1, min(usual, room))
    why["model.order"] = f"{many}; longer n-grams seldom come again" if order == usual else f"no line is longer than {room - 1}"
    why["model.smoothing"] = f"discounts from the data, three for each length: with {many} the best there is"
    why["model.k"] = "0: it is for add_k alone"
    why["model.min_count"] = f"1: {many} fit easily"
    why["model.sentences"] = (
        "each line is a sentence of its own, as usual for words"
        if sentences
        else f"the ends of lines are {tokens.unit} like others"
        if tokens.start is not None
        else "there are no lines"
    )
    return dataclasses.asdict(NGramSettings(order=order, sentences=sentences))


def counted_training(dataset: Dataset, why: dict[str, str]) -> TrainingPlan:
    """Counting takes no steps: everything stays as it is.

    Args:
        dataset: of a text.
        why: takes the reason.
    """
    tokens, train = _text_of(dataset)
    why["training.epochs"] = f"not used: {len(train):,} {tokens.unit} are counted, once"
    why["training.device"] = "counting is work for the processor"
    return TrainingPlan(device="cpu")


def check_ngram_plan(plan: Plan) -> NGramSettings:
    """The settings of the model, where the Plan asks for nothing that counting cannot do.

    Args:
        plan: of the task "ngram".

    Errors: `PlanError` that says what to leave out, or which setting is out of range.

    Example:
        >>> check_ngram_plan(Plan().but({"data.task": "ngram", "model": "ngram", "model.order": 3})).order
        3
    """
    if plan.model.name not in COUNTED:
        raise PlanError(
            f"The model {plan.model.name!r} is not counted",
            expected=f"model = {' or '.join(COUNTED)} for the task ngram",
            do="Leave the task out, or set it to tokens, for a network.",
        )
    usual = {row["key"]: row["value"] for row in Plan().rows()}
    wrong = [
        row["key"]
        for row in plan.rows()
        if row["key"].startswith(("training.", "start."))
        and row["value"] != usual.get(row["key"])
        and row["key"].removeprefix("training.") not in _MAY_BE_SET
    ]
    if wrong:
        raise PlanError(
            f"An n-gram model is counted, so that {' and '.join(wrong)} cannot be chosen",
            expected="choices of data and model alone",
            do=f"Leave {' and '.join(wrong)} out.",
        )
    try:
        return NGramSettings(**plan.model.arguments)
    except ArgumentError as error:
        raise PlanError(str(error)) from error


def boundary_of(tokens: Tokens, settings: NGramSettings) -> int | None:
    """The token that ends a sentence, where there are sentences.

    Args:
        tokens: how the text is read.
        settings: of the model.

    Example:
        >>> tokens = Tokens.learn(["to be\\n"], by="words")
        >>> boundary_of(tokens, NGramSettings()) == tokens.start, boundary_of(tokens, NGramSettings(sentences=False))
        (True, None)
    """
    return tokens.start if settings.sentences else None


def _longest_line(train: Any, end: int | None) -> int:
    """The words of the longest line and its end, among the first million."""
    read = np.asarray(train[:_LOOKED_AT])
    ends = np.flatnonzero(read == end)
    return int(np.diff(np.concatenate([[-1], ends, [len(read) - 1]])).max(initial=1))


def _text_of(dataset: Dataset) -> tuple[Tokens, Any]:
    inputs = dataset.schema.inputs
    assert isinstance(inputs, Tokens)
    return inputs, stream_of(dataset.train)
