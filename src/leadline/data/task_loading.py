"""Tasks that read their source in a way of their own: one row for each, with what may be chosen and what tells it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from leadline.data.dataset import Dataset
from leadline.data.forecasts.forecasting import load_forecast
from leadline.data.pictures.drawing_loading import load_drawings
from leadline.data.pictures.super_resolution import load_pairs
from leadline.data.steps.step_loading import load_steps
from leadline.data.steps.step_sources import is_step_source
from leadline.data.tokens.token_loading import is_token_source, load_tokens
from leadline.data.trees.tree_loading import is_tree_source, load_trees
from leadline.data.unlabelled.reconstruction_loading import load_reconstruct
from leadline.data.words.word_loading import load_words
from leadline.errors import ArgumentError

# Given for every source and of no use to some: where things are kept and called, how rows are divided, vectors to begin with.
_FOR_ALL = frozenset({"valid", "test", "seed", "name", "cache", "progress", "vectors"})
# What the other tasks, an answer for each row, may be given.
_OF_ROWS = frozenset(
    {"targets", "target", "columns", "transform", "group", "time", "header", "encoding", "size", "channels"}
    | {"unit", "vocabulary", "longest"}
)


@dataclass(frozen=True)
class TaskLoader:
    """How a task reads its source.

    Args:
        load: takes the source and, by the names that `data.load` has for them, the choices that go with it.
        noun: what is learned from, and its verb, as an error says them.
        tells: whether a source is of this task where nobody says the task.

    Example:
        >>> TASK_LOADERS["trees"].chosen({"vocabulary": 100, "cache": "kept"})
        {'vocabulary': 100}
    """

    load: Callable[..., Dataset]
    noun: str
    tells: Callable[[Any, Mapping[str, Any]], bool] = lambda source, given: False

    @property
    def takes(self) -> frozenset[str]:
        """The choices that go with it."""
        return frozenset(inspect.signature(self.load).parameters) - {"source"}

    def chosen(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options for `load`.

        Args:
            given: all that a person or a Plan has said.

        Errors: `ArgumentError` for a choice that does not go with it.
        """
        takes = self.takes
        for name in given:
            if name not in takes and name not in _FOR_ALL:
                noun = self.noun[0].upper() + self.noun[1:]
                raise ArgumentError(f"{noun} no choice of {name!r}", got=_short(given[name]), do="Leave it out.")
        return {name: value for name, value in given.items() if name in takes}


def _forecast(
    source: Any,
    *,
    forecast: int | None = None,
    lookback: int | None = None,
    target: str | None = None,
    time: str | None = None,
    series: str | None = None,
    known: str | None = None,
    transform: str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    header: bool | None = None,
    encoding: str | None = None,
    name: str | None = None,
) -> Dataset:
    if forecast is None:
        raise ArgumentError("It is not said how many steps to forecast", do="Say it: --forecast 24, or data.forecast=24.")
    return load_forecast(
        source,
        horizon=forecast,
        lookback=lookback,
        target=target,
        time=time,
        series=series,
        known=[part.strip() for part in known.split(",")] if known else (),
        transform=transform,
        valid=valid,
        test=test,
        header=header,
        encoding=encoding,
        name=name,
    )


def _alone(given: Mapping[str, Any]) -> bool:
    return "targets" not in given and "target" not in given


TASK_LOADERS: dict[str, TaskLoader] = {
    "forecast": TaskLoader(_forecast, "a forecast has", lambda _, given: "forecast" in given),
    "pairs": TaskLoader(load_pairs, "pairs have"),
    "reconstruct": TaskLoader(load_reconstruct, "inputs that are told again have"),
    "generate": TaskLoader(load_drawings, "pictures to draw from have"),
    "words": TaskLoader(load_words, "words have"),
    "trees": TaskLoader(load_trees, "trees have", lambda source, given: _alone(given) and is_tree_source(source)),
    "sequence": TaskLoader(
        load_steps, "answers for each step have", lambda source, given: is_step_source(source, given.get("targets"))
    ),
    "tokens": TaskLoader(load_tokens, "a language model has", lambda source, given: _alone(given) and is_token_source(source)),
    "ngram": TaskLoader(partial(load_tokens, by_counts=True), "a model of n-grams has"),
}


def loader_of(task: str | None, source: Any, given: Mapping[str, Any]) -> TaskLoader | None:
    """The loader of a task, or of the one that a source tells; None where each row has an answer.

    Args:
        task: as it was said.
        source: as `data.load` takes it.
        given: the other choices, without those that nobody made.

    Errors: `ArgumentError` for choices that belong to another task.

    Example:
        >>> loader_of(None, "digits", {}) is None, loader_of(None, "sales.csv", {"forecast": 7}).noun
        (True, 'a forecast has')
    """
    if "forecast" in given and task not in (None, "forecast"):
        raise ArgumentError(
            "What is forecast has a task of its own", expected="no other task", got=f"task = {task}", do="Leave it out."
        )
    if task is not None:
        loader = TASK_LOADERS.get(task)
    else:
        loader = next((each for each in TASK_LOADERS.values() if each.tells(source, given)), None)
    if loader is None:
        _check_of_rows(given)
    return loader


def _check_of_rows(given: Mapping[str, Any]) -> None:
    for name in given:
        if name in _OF_ROWS or name in _FOR_ALL:
            continue
        whose, loader = next((task, each) for task, each in TASK_LOADERS.items() if name in each.takes)
        how = "Say as well how many steps to forecast." if whose == "forecast" else f"Set the task to {whose} as well."
        raise ArgumentError(f"Only {loader.noun} a choice of {name!r}", got=_short(given[name]), do=how)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}…"
