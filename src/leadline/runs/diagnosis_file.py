"""`diagnosis.json` of a Run: the verdict, all that was measured for it, and what came of mending."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leadline import files
from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Readings
from leadline.errors import RunError
from leadline.plan.record import Plan

DIAGNOSIS = "diagnosis.json"
_NO_NUMBERS = {"float:nan": math.nan, "float:inf": math.inf, "float:-inf": -math.inf}


def keep_diagnosis(
    path: Path, verdict: Verdict, readings: Readings, *, afterwards: bool = False, story: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write a diagnosis into the folder of a Run; the story of mending that stands there already stays, unless one is given.

    Args:
        path: of the Run.
        verdict: what is said.
        readings: what was measured, from which other rules could judge again.
        afterwards: whether nothing was measured while it trained.
        story: of mending, {"kind", "text", "helped"} each.
    """
    told = [dict(each) for each in story] or (kept_diagnosis(path) or {}).get("story") or []
    record = {"verdict": verdict.to_json(), "readings": readings.to_json(), "afterwards": afterwards, "story": told}
    files.write_json(path / DIAGNOSIS, writable(record))


def kept_diagnosis(path: Path) -> dict[str, Any] | None:
    """What `diagnosis.json` holds, None where there is none; numbers that are not finite are floats again.

    Errors: `RunError` when the file is damaged.
    """
    try:
        record = _read_back(files.read_json(path / DIAGNOSIS))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(record, dict) or not {"verdict", "readings"} <= set(record):
        raise _damaged(path)
    return record


def verdict_in(record: Mapping[str, Any]) -> Verdict:
    """The verdict of what `kept_diagnosis` gave."""
    return Verdict.from_json(record["verdict"])


def readings_in(record: Mapping[str, Any]) -> Readings:
    """The readings of what `kept_diagnosis` gave."""
    return Readings.from_json(record["readings"])


def with_commands(record: dict[str, Any], plan: Plan, path: Path) -> dict[str, Any]:
    """The record with a "command" at each finding whose remedy changes the Plan: what to type to train again so.

    Args:
        record: of `kept_diagnosis`.
        plan: that was trained.
        path: of the Run.

    Example:
        >>> finding = {"remedy": {"says": "Slower.", "changes": {"training.learning_rate": 1e-4}, "code": ""}}
        >>> plan = Plan().but({"data.source": "digits"})
        >>> told = with_commands({"verdict": {"findings": [finding]}}, plan, Path("runs/digits-1"))
        >>> told["verdict"]["findings"][0]["command"]
        'leadline train digits --plan runs/digits-1/plan.json --set training.learning_rate=0.0001'
    """
    verdict = record["verdict"]
    findings = [
        {**each, "command": command_for(each["remedy"].get("changes") or {}, plan, path)}
        for each in verdict.get("findings", ())
    ]
    return {**record, "verdict": {**verdict, "findings": findings}}


def command_for(changes: Mapping[str, Any], plan: Plan, path: Path) -> str:
    """What to type to train again with these changes; "" where there are none.

    Example:
        >>> command_for({"training.epochs": 40}, Plan().but({"data.source": "arrays"}), Path("runs/rows-1"))
        "leadline.train(inputs, run.plan, targets=targets, changes={'training.epochs': 40})"
    """
    if not changes:
        return ""
    if plan.data.source == "arrays":
        return f"leadline.train(inputs, run.plan, targets=targets, changes={dict(changes)!r})"
    words = [*plan.data.source.splitlines(), "--plan", str(path / "plan.json"), *spelled_changes(changes)]
    return f"leadline train {shlex.join(words)}"


def spelled_changes(changes: Mapping[str, Any]) -> list[str]:
    """Changes to a Plan as options.

    Example:
        >>> spelled_changes({"training.learning_rate": 1e-4, "training.clip": "norm(1)"})
        ['--set', 'training.learning_rate=0.0001', '--set', 'training.clip=norm(1)']
    """
    return [word for key, value in changes.items() for word in ("--set", f"{key}={_spelled(value)}")]


def _spelled(value: Any) -> str:
    """A value as `--set` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value) if isinstance(value, (list, tuple)) else str(value)


def writable(value: Any) -> Any:
    """The value without numbers that JSON does not have: these become texts, which `kept_diagnosis` reads as numbers again.

    Example:
        >>> writable({"loss": math.inf, "steps": (1, 2)})
        {'loss': 'float:inf', 'steps': [1, 2]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "float:nan" if math.isnan(value) else "float:inf" if value > 0 else "float:-inf"
    if isinstance(value, dict):
        return {str(name): writable(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [writable(part) for part in value]
    # What a check measured with numpy is a number like any other.
    return value.item() if hasattr(value, "item") else value


def _read_back(value: Any) -> Any:
    if isinstance(value, str):
        return _NO_NUMBERS.get(value, value)
    if isinstance(value, dict):
        return {name: _read_back(part) for name, part in value.items()}
    return [_read_back(part) for part in value] if isinstance(value, list) else value


def _damaged(path: Path) -> RunError:
    return RunError(f"{path / DIAGNOSIS} is damaged", do=f"Remove it, then: leadline diagnose {shlex.quote(str(path))}")
