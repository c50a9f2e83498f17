"""`leadline diagnose RUN`: what is wrong with a training, how one knows, and what to type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from leadline.cli.printing import LABEL, labelled, opening, printable

_WHOLE = 3  # findings that are told whole: the first three nearly always hold the one that matters
_GROUPED = 4  # further findings, remarks and things that were not checked, told one by one; of more only how many


@click.command("diagnose", short_help="What is wrong with a training, and what to do.", no_args_is_help=True)
@click.argument("run", metavar="RUN")
@click.option(
    "--confirm",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="So long may short trainings of copies take that prove what is suspected.",
)
@click.option("--anew", is_flag=True, help="Look at the trained network again, even where a diagnosis is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the verdict, and all that was measured.")
def command(run: str, confirm: float, anew: bool, as_json: bool) -> None:
    """Say what is wrong with the training in RUN (a folder, or `last`), how one knows, and what to do about it.

    Each training keeps its diagnosis; it is shown at once. A Run from before there were diagnoses is looked at now, as far as
    its data and its trained network tell. Nothing that is trained changes. With --confirm what is suspected is put to the
    proof: copies of the network train for a moment as they did, and beside them others with one thing changed.
    """
    if not as_json:
        opening(f"diagnosing {run}")
    from leadline.cli.terminal import watching
    from leadline.runs import folder as folders
    from leadline.runs.diagnosis_file import kept_diagnosis, with_commands, writable
    from leadline.runs.run_diagnosis import diagnose_run

    with watching(silent=as_json) as observer:
        diagnose_run(run, confirm=confirm, anew=anew, observer=observer)
    path = folders.locate(run)
    kept = kept_diagnosis(path)
    assert kept is not None
    record = with_commands(kept, folders.read_plan(path), path)
    if as_json:
        click.echo(json.dumps({"folder": str(path), **writable(record)}))
        return
    for line in verdict_lines(record):
        click.echo(line)
    if (report := path / "report.html").exists():
        click.echo(labelled("pictures", f"{report}#diagnosis"))


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
    yield from _short("unchecked", verdict["unchecked"], "more could not be checked; the report lists all")


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
