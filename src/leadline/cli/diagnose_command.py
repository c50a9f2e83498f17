"""`leadline diagnose SOURCE`: what is wrong with a training, or would be, how one knows, and what to type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from leadline.cli.drawn_curves import curve_lines
from leadline.cli.options import as_options, as_typed, given_changes, plan_from, source_and_changes
from leadline.cli.printing import LABEL, labelled, opening, printable
from leadline.errors import ArgumentError, SourceNotFoundError

_WHOLE = 3  # findings that are told whole: the first three nearly always hold the one that matters
_GROUPED = 4  # further findings, remarks and things that were not checked, told one by one; of more only how many
_RATE = "training.learning_rate"


@click.command("diagnose", short_help="What is wrong with a training, and what to do.", no_args_is_help=True)
@source_and_changes
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For data: check this plan, do not propose one.",
)
@click.option("--rates", is_flag=True, help="Also run a learning-rate range test, which recommends a rate; up to 5 s.")
@click.option(
    "--confirm",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="For a Run: so long may short trainings of copies take that prove what is suspected.",
)
@click.option("--anew", is_flag=True, help="For a Run: look at the trained network again, even where a diagnosis is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the verdict, and all that was measured.")
def command(
    source: str, given: dict[str, Any], plan_file: Path | None, rates: bool, confirm: float, anew: bool, as_json: bool
) -> None:
    """Say what is wrong with a training, how one knows, and what to do about it.

    SOURCE is a Run (a folder, or `last`), or data as `leadline train` takes them.

    Of a Run the diagnosis is shown that it keeps. One from before there were diagnoses is looked at now, as far as its data and
    its trained network tell. Nothing that is trained changes. With --confirm what is suspected is put to the proof: copies of
    the network train for a moment as they did, and beside them others with one thing changed.

    Of data a plan is proposed, or taken from --plan, and its network, its loss and the rows are checked before any training,
    within 5 s. The options that say how data are read and what the plan is changed to are those of `leadline train`.
    """
    typed = as_options(given)
    if source == "last" or (Path(source) / "run.json").exists():
        if typed or plan_file is not None:
            raise ArgumentError(
                f"{source} is a Run, whose data and plan are settled", got=" ".join(typed) or "--plan", do="Leave that out."
            )
        _of_run(source, rates=rates, confirm=confirm, anew=anew, as_json=as_json)
        return
    if confirm or anew:
        raise ArgumentError(
            f"{as_typed(source)} is not a Run, and {'--confirm' if confirm else '--anew'} is for one",
            expected='a folder that leadline train has written, or "last"',
        )
    typed = [*(["--plan", str(plan_file)] if plan_file is not None else []), *typed]
    _of_source(source, typed, given_changes(given), plan_file, rates=rates, as_json=as_json)


def _of_run(run: str, *, rates: bool, confirm: float, anew: bool, as_json: bool) -> None:
    if not as_json:
        opening(f"diagnosing {run}")
    from leadline.cli.terminal import watching
    from leadline.runs import folder as folders
    from leadline.runs.diagnosis_file import command_for, kept_diagnosis, with_commands, writable
    from leadline.runs.run_diagnosis import diagnose_run

    path = folders.locate(run)
    with watching(silent=as_json) as observer:
        diagnose_run(path, confirm=confirm, anew=anew, rates=rates, observer=observer)
    kept, plan = kept_diagnosis(path), folders.read_plan(path)
    assert kept is not None
    record = with_commands(kept, plan, path)
    if as_json:
        click.echo(json.dumps({"folder": str(path), **writable(record)}))
        return
    _print(record, lambda rate: command_for({_RATE: rate}, plan, path))
    if (report := path / "report.html").exists():
        click.echo(labelled("pictures", f"{report}#diagnosis"))


def _of_source(
    source: str, typed: Sequence[str], changes: dict[str, Any], plan_file: Path | None, *, rates: bool, as_json: bool
) -> None:
    if not as_json:
        opening(f"reading {as_typed(source)}")
    from leadline.cli.terminal import watching
    from leadline.runs.checking_sources import check_source
    from leadline.runs.diagnosis_file import writable

    plan = plan_from(plan_file) if plan_file is not None else None
    try:
        with watching(silent=as_json) as observer:
            checked = check_source(source, plan, changes=changes, rates=rates, observer=observer)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(f"There is neither a Run nor data. {error}") from error
    verdict = checked.verdict.to_json()
    for finding in verdict["findings"]:
        if changed := finding["remedy"]["changes"]:
            finding["command"] = _again(source, typed, changed)
    record = {"verdict": verdict, "readings": checked.readings.to_json()}
    if as_json:
        click.echo(json.dumps({"source": source, **writable(record), "plan": checked.plan.to_json()}))
        return
    _print(record, lambda rate: _again(source, typed, {_RATE: rate}))


def _again(source: str, typed: Sequence[str], changes: Mapping[str, Any]) -> str:
    """What to type to train with these changes, in place of what was typed for the same keys.

    Example:
        >>> _again("digits", ["--seed", "3", "--set", "training.batch=8"], {"training.batch": 32})
        'leadline train digits --seed 3 --set training.batch=32'
    """
    from leadline.runs.diagnosis_file import spelled_changes

    kept: list[str] = []
    for word in typed:
        if kept and kept[-1] == "--set" and word.partition("=")[0] in changes:
            kept.pop()
        else:
            kept.append(word)
    return f"leadline train {shlex.join([*source.splitlines(), *kept, *spelled_changes(changes)])}"


def _print(record: dict[str, Any], with_rate: Callable[[float], str]) -> None:
    for line in verdict_lines(record):
        click.echo(line)
    for line in rate_lines(record["readings"].get("rates") or {}, with_rate, sound=not record["verdict"]["findings"]):
        click.echo(line)


def rate_lines(rates: dict[str, Any], with_rate: Callable[[float], str], *, sound: bool = False) -> Iterator[str]:
    """A range test: what it came to, its curve, and what to type for the rate that it recommends.

    Args:
        rates: what the readings hold of it.
        with_rate: a rate → what to type.
        sound: nothing was found to be wrong, so that a rate at which the loss falls needs no other in its place.

    Example:
        >>> list(rate_lines({}, str))
        []
    """
    curve = rates.get("curve") or []
    if len(curve) < 2:
        return
    own, recommended, lost = rates["own"], rates["recommended"], rates["diverged"]
    told = "the loss does not fall at any learning rate"
    if recommended is not None:
        told = f"the loss falls from a learning rate of {rates['falls_from']:.2g} to one of {rates['falls_to']:.2g}"
        told += f"; at {lost:.2g} it is worse than at the start" if lost is not None else ""
    yield ""
    yield labelled("rates", told)
    marks = {"recommended": recommended} if recommended is not None else {}
    yield from curve_lines(curve, {**marks, "yours": own} if curve[0][0] <= own <= curve[-1][0] else marks)
    if recommended is None:
        return
    if sound and rates["falls_from"] <= own <= rates["falls_to"]:
        yield labelled("rate", f"yours, {own:g}, lies in this range; the test by itself would take {recommended:g}")
    else:
        yield labelled("rate", f"{recommended:g} is recommended; yours is {own:g}")
        yield f"{'type':<{LABEL}}{printable(with_rate(recommended))}"


def verdict_lines(record: dict[str, Any]) -> Iterator[str]:
    """A diagnosis as lines for a person: what came out, each finding, and what was looked at.

    Args:
        record: what `diagnosis.json` holds, with commands.

    Example:
        >>> verdict = {"findings": [], "remarks": [], "outcome": "97 % right.", "checked": ["rates"], "unchecked": []}
        >>> print("\\n".join(verdict_lines({"verdict": verdict})))
        verdict   healthy: nothing is wrong, as far as was checked
        outcome   97 % right.
        checked   rates
    """
    verdict = record["verdict"]
    findings = verdict["findings"]
    if not findings and not verdict.get("trained", True):
        yield labelled("verdict", "nothing wrong was found before the training")
    else:
        yield labelled("verdict", _headline(findings, verdict["checked"], judged=verdict.get("judged", True)))
    if verdict["outcome"]:
        yield labelled("outcome", verdict["outcome"])
    for number, finding in enumerate(findings[:_WHOLE], 1):
        yield ""
        yield from _finding(number, finding)
    if findings:
        yield ""
    yield from _short("also", [f"{_title(each)}: {each['cause']}" for each in findings[_WHOLE:]], "more; the report has all")
    for line in record.get("story") or ():
        helped = {True: " It helped.", False: " It did not help."}.get(line.get("helped"), "")
        yield labelled(str(line.get("kind", "story"))[: LABEL - 1], f"{line.get('text', '')}{helped}")
    yield from _short(
        "remark", [f"{_title(each)}: {each['cause']}" for each in verdict["remarks"]], "further remarks are in the report"
    )
    if verdict["checked"]:
        yield labelled("checked", ", ".join(verdict["checked"]))
    yield from _short("unchecked", verdict["unchecked"], "more could not be checked; --json lists all")


def _headline(findings: Sequence[dict[str, Any]], checked: Sequence[str], *, judged: bool) -> str:
    if not findings:
        if checked and not judged:
            return "none: only the course of the loss was looked at"
        return "healthy: nothing is wrong, as far as was checked" if checked else "nothing could be checked"
    return f"{len(findings)} thing{'s are' if len(findings) > 1 else ' is'} wrong" + (
        ", the weightiest first" if len(findings) > 1 else ""
    )


def _title(finding: dict[str, Any]) -> str:
    where = f" in {finding['where']}" if finding.get("where") else ""
    return f"{finding['title']}{where}"


def _finding(number: int, finding: dict[str, Any]) -> Iterator[str]:
    sure = "confirmed" if finding["confirmed"] else f"{100 * finding['confidence']:.0f} % sure"
    yield labelled(f"{number}", f"{_title(finding)} ({finding['severity']}, {sure})")
    yield labelled("why", finding["cause"])
    for at, measure in enumerate(finding["evidence"]):
        yield labelled("" if at else "seen", _measure(measure))
    if finding["tried"]:
        yield labelled("tried", finding["tried"])
    remedy = finding["remedy"]
    if remedy["says"]:
        yield labelled("do", remedy["says"])
    # Not wrapped, so that it can be copied whole.
    if command_line := finding.get("command") or remedy["code"]:
        yield f"{'type' if finding.get('command') else 'code':<{LABEL}}" + f"\n{'':<{LABEL}}".join(
            printable(line) for line in command_line.splitlines()
        )


def _measure(measure: dict[str, Any]) -> str:
    from leadline.diagnose.findings import Measure

    return str(Measure(**measure))


def _short(label: str, texts: Sequence[str], further: str) -> Iterator[str]:
    for at, text in enumerate(texts[:_GROUPED]):
        yield labelled("" if at else label, text)
    if len(texts) > _GROUPED:
        yield labelled("", f"{len(texts) - _GROUPED} {further}")
