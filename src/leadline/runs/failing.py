"""A training that failed: why, kept in its Run, and why it is not gone on with as if it had been interrupted."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from leadline.errors import LeadlineError, RunError
from leadline.plan.record import Plan
from leadline.runs import folder as folders

_UNKNOWN = "Its loss was no longer a number, or no network learned anything."


def write_failure(path: Path, error: LeadlineError) -> None:
    """Mark a Run by what ended it: failed where the same steps would end so again, interrupted where something outside did.

    Args:
        path: of the Run.
        error: that ended its training. A full disk or a lost file is no fault of the training.
    """
    failed = error.exit_status == 1
    folders.write_record(path, "failed" if failed else "interrupted", failure=str(error) if failed else None)


def check_worth_resuming(path: Path, *, anyway: bool) -> None:
    """Refuse to go on with a training that failed: from its last checkpoint the same steps lead to the same end.

    Args:
        path: of the Run.
        anyway: whether it is to be tried all the same.

    Errors: `RunError` that says why it failed, and what to type for another try with other choices.
    """
    record = folders.read_record(path)
    if anyway or record["status"] != "failed" or not (path / "plan.json").exists():
        return
    reason = str(record.get("failure") or _UNKNOWN)
    raise RunError(
        f"The training in {path} failed, and resumed it would fail again in the same way. {reason}",
        do=f"{_another_try(path, folders.read_plan(path))} To go on all the same: leadline resume {_quoted(path)} --anyway.",
    )


def _another_try(path: Path, plan: Plan) -> str:
    rate = f"training.learning_rate={_tenth(plan)}"
    if plan.data.source == "arrays":
        return f"Train anew from the arrays with another choice, for instance changes of {rate}."
    source, settings = shlex.join(plan.data.source.splitlines()), shlex.quote(rate)
    return f"Train anew with another choice: leadline train {source} --plan {_quoted(path / 'plan.json')} --set {settings}."


def _tenth(plan: Plan) -> str:
    """A tenth of the learning rate, or of each that was searched over, as `--set` reads it."""
    searched: list[Any] = plan.start.search.get("training.learning_rate", [])
    if searched:
        return "[" + ", ".join(f"{rate / 10:g}" for rate in searched) + "]"
    return f"{plan.training.learning_rate / 10:g}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
