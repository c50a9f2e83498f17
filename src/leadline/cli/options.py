"""Options that several verbs share: how a source is read, and what the plan is changed to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadline.errors import PlanError, SourceNotFoundError

if TYPE_CHECKING:
    from leadline.plan import Plan

Decorated = Callable[..., Any]
_PLAN_FILE = "TOML as `leadline plan SOURCE` writes it, or the plan.json of a Run"
TASKS = ("classes", "labels", "number")


def source_and_changes(function: Decorated) -> Decorated:
    """SOURCE, and every option that changes what would be proposed for it."""
    for decorate in reversed(
        (
            click.argument("source"),
            click.option(
                "--task", type=click.Choice(TASKS), metavar="TASK", help=f"{', '.join(TASKS)}; told from the targets otherwise."
            ),
            click.option("--target", metavar="COLUMN", help="The column of the csv file that holds what to learn."),
            click.option(
                "--size", type=click.IntRange(min=4), metavar="PIXELS", help="Height and width that photos are scaled to."
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), metavar="N", help="Another split, other first weights, another order."
            ),
            click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps; the fastest there is otherwise."),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change the plan: training.batch=64; repeatable."
            ),
        )
    ):
        function = decorate(function)
    return function


def given_changes(
    settings: tuple[str, ...], *, task: str | None, target: str | None, size: int | None, seed: int | None, device: str | None
) -> dict[str, Any]:
    """The options that were given as changes to the plan; `--set` has the last word.

    Errors: `PlanError` for keys that no plan has and values of the wrong kind.
    """
    from leadline.plan import Plan, parse_changes
    from leadline.plan.changes import early

    options = {
        "data.task": task,
        "data.target": target,
        "data.size": size,
        "data.seed": seed,
        "training.seed": seed,
        "training.device": device,
    }
    changes = {**{key: value for key, value in options.items() if value is not None}, **parse_changes(settings)}
    Plan().but(early(changes))  # a slip is told now, not after all the data have been read
    return changes


def plan_from(path: Path) -> Plan:
    """The plan in a file: TOML as `leadline plan` writes it, or the `plan.json` of a Run."""
    from leadline.plan import Plan

    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return Plan.from_toml(text)
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
