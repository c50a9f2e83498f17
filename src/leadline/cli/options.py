"""Options that several verbs share: how a source is read, and what the plan is changed to."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.errors import PlanError, SourceNotFoundError

if TYPE_CHECKING:
    from leadline.plan import Plan

Decorated = Callable[..., Any]
_PLAN_FILE = "TOML as `leadline plan SOURCE` writes it, or the plan.json of a Run"
TASKS = (
    "classes",
    "labels",
    "number",
    "sequence",
    "pairs",
    "forecast",
    "tokens",
    "ngram",
    "words",
    "trees",
    "reconstruct",
    "generate",
)
_NAMED = ("pairs", "ngram", "words", "reconstruct", "generate")  # which no source tells by itself
_OF_FORECASTS = ("forecast", "lookback", "series", "known")
_OF_DATA = ("task", "target", "group", "time", *_OF_FORECASTS, "usual", "size", "upscale", "seed")
_OF_TRAINING = {
    "device": "training.device",
    "start": "start.weights",
    "restarts": "start.restarts",
    "ensemble": "start.ensemble",
}
_CHANGES = (*_OF_DATA, *_OF_TRAINING)


def source_and_changes(function: Decorated) -> Decorated:
    """SOURCE, and every option that changes what would be proposed for it, gathered in one argument `given`."""

    @functools.wraps(function)
    def gathered(**arguments: Any) -> Any:
        given = {name: arguments.pop(name) for name in (*_CHANGES, "settings")}
        return function(given=given, **arguments)

    decorated: Decorated = gathered
    for decorate in reversed(
        (
            click.argument("source", nargs=-1, required=True, callback=_one_source),
            click.option(
                "--task",
                type=click.Choice(TASKS),
                metavar="TASK",
                help=f"{', '.join(TASKS)}; told from the source otherwise, but for {', '.join(_NAMED[:-1])} and {_NAMED[-1]}.",
            ),
            click.option("--target", metavar="COLUMN", help="What to learn: a column, its number, or several: a,b,c."),
            click.option(
                "--group",
                metavar="COLUMN",
                help="Rows with the same value here are never in two splits; of steps, the rows they belong to.",
            ),
            click.option(
                "--time", metavar="COLUMN", help="Judge by the latest rows, by this column of dates or numbers; it sorts steps."
            ),
            click.option(
                "--forecast",
                type=click.IntRange(min=1),
                metavar="H",
                help="Forecast the target H steps ahead, from rows in time.",
            ),
            click.option(
                "--lookback", type=click.IntRange(min=1), metavar="L", help="For forecasts: the steps of the past it looks at."
            ),
            click.option("--series", metavar="COLUMN", help="For forecasts: what tells several series apart: a,b."),
            click.option(
                "--known", metavar="COLUMN", help="For forecasts: columns whose future is known, such as holidays: a,b."
            ),
            click.option("--usual", metavar="CLASS", help="For reconstruct: learn from these alone, a,b; others are odd."),
            click.option(
                "--size", type=click.IntRange(min=4), metavar="PIXELS", help="Height and width that photos are scaled to."
            ),
            click.option(
                "--upscale",
                type=click.IntRange(2, 8),
                metavar="N",
                help="For pairs: photos become N times as high and wide (2).",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), metavar="N", help="Another split, other first weights, another order."
            ),
            click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps; the fastest there is otherwise."),
            click.option(
                "--from",
                "start",
                metavar="WEIGHTS",
                help="Start from these weights: a Run, a file, or the name of published ones.",
            ),
            click.option(
                "--restarts",
                type=click.IntRange(min=1),
                metavar="N",
                help="Train N networks that start differently, keep the best by validation.",
            ),
            click.option("--ensemble", is_flag=True, default=None, help="Keep the mean answer of all restarts instead."),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the plan: training.batch=64; repeatable."
            ),
        )
    ):
        decorated = decorate(decorated)
    return decorated


def _one_source(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> str:
    """Several files are one source, their paths a line each."""
    return "\n".join(words)


def as_typed(source: str) -> str:
    """A source as it was typed.

    Example:
        >>> as_typed("train.csv" + chr(10) + "test.csv")
        'train.csv test.csv'
    """
    return source.replace("\n", " ")


def as_options(given: Mapping[str, Any]) -> list[str]:
    """What was given, as words to type again.

    Example:
        >>> as_options({**dict.fromkeys(_CHANGES), "task": "number", "ensemble": True, "settings": ("model=mlp",)})
        ['--task', 'number', '--ensemble', '--set', 'model=mlp']
    """
    words: list[str] = []
    for name in _CHANGES:
        option = f"--{'from' if name == 'start' else name}"
        if given[name] is not None:
            words += [option] if given[name] is True else [option, str(given[name])]
    for setting in given["settings"]:
        words += ["--set", setting]
    return words


def given_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given as changes to the plan; `--set` has the last word.

    Errors: `PlanError` for keys that no plan has and values of the wrong kind.
    """
    from leadline.plan import Plan, parse_changes
    from leadline.plan.changes import early

    keys = [(f"data.{name}", name) for name in _OF_DATA] + [(key, name) for name, key in _OF_TRAINING.items()]
    options = {key: given[name] for key, name in [*keys, ("training.seed", "seed")]}
    changes = {**{key: value for key, value in options.items() if value is not None}, **parse_changes(given["settings"])}
    Plan().but(early(changes))  # a slip is told now, not after all the data have been read
    return changes


def plan_from(path: Path) -> Plan:
    """The plan in a file: TOML as `leadline plan` writes it, or the `plan.json` of a Run."""
    from leadline.plan import Plan

    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            plan = Plan.from_toml(text)
            if not plan.why:
                raise PlanError(f"{path} is empty", expected=_PLAN_FILE, do="Leave --plan out to train as is proposed.")
            return plan
        record = json.loads(text)
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            f"There is no plan at {path}", do="`leadline plan SOURCE --output plan.toml` writes one."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, IsADirectoryError) as error:
        raise PlanError(f"{path} is not a plan", expected=_PLAN_FILE) from error
    if not isinstance(record, dict):
        raise PlanError(f"{path} is not a plan", expected=_PLAN_FILE, got=f"a {type(record).__name__}")
    return Plan.from_json(record)
