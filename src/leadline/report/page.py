"""The page: record in, one HTML file out. It holds everything it shows and is forbidden, by its own policy, to fetch more."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadline.files import write_text
from leadline.report import data_sections, result_sections, table_sections
from leadline.report.augmentation_section import augmentation_view
from leadline.report.drawings_section import drawings_outcome, drawings_view
from leadline.report.ngrams_section import ngrams_view
from leadline.report.pairs_section import pairs_view
from leadline.report.seeing_section import seeing_view
from leadline.report.sentences import Outcome, calibration_sentence, dependence_sentence, outcome
from leadline.report.sequence_section import sequence_view
from leadline.report.steps_section import steps_view
from leadline.report.tokens_section import tokens_view
from leadline.report.told_again_section import told_again_view
from leadline.report.transfer_section import solved, transfer_view
from leadline.report.trees_section import trees_view
from leadline.report.wording import as_setting
from leadline.report.words_section import words_view

if TYPE_CHECKING:
    from jinja2 import Environment

Record = dict[str, Any]


def render(record: Record) -> str:
    """One self-contained HTML page for the record of a training. Whatever the record lacks, the page leaves out.

    Args:
        record: "plan", "plan_rows" ({"key", "value", "why"} each), "history" (one record per log point), "results",
            "examples" (pictures as data URIs), "diagnosis", "environment", "leadline" (the version). All optional.

    Returns:
        UTF-8 text below 5 MB, whatever the number of classes, log points and pictures.

    Example:
        >>> page = render({"results": {"name": "digits", "notes": ["Two rows are <empty>."]}})
        >>> page.startswith("<!doctype html>"), "Two rows are &lt;empty&gt;." in page, "<script" in page
        (True, True, False)
    """
    results, examples = record.get("results") or {}, data_sections.example_view(record.get("examples") or {})
    history = list(record.get("history") or ())
    page = (
        page_templates()
        .get_template("template.html")
        .render(
            name=str(results.get("name") or ""),
            version=str(record.get("leadline") or ""),
            style=(files("leadline.report") / "style.css").read_text(encoding="utf-8"),
            outcome=_outcome(results, _noun(results, bool(examples["data"]))) if results else None,
            scores=result_sections.score_view(results),
            facts=result_sections.fact_list(results),
            diagnosis=_diagnosis(record),
            balance=data_sections.balance_view(results),
            columns=table_sections.column_view(results),
            importance=table_sections.importance_view(results),
            dependence=_dependence(results),
            notes=data_sections.note_view(results),
            examples=examples,
            augmentation=augmentation_view(record),
            curves=_curves(history, results),
            stopped=str(results.get("stopped") or ""),
            restarts=_restarts(results),
            confusion=result_sections.confusion_view(results),
            classes=result_sections.class_view(results),
            calibration=_calibration(results),
            residuals=_residuals(results),
            transfer=transfer_view(results),
            told_again=told_again_view(results, record.get("examples") or {}),
            pairs=pairs_view(results, record.get("examples") or {}),
            drawn=drawings_view(results, record.get("examples") or {}),
            forecasts=_forecasts(results, record.get("examples") or {}),
            trees=trees_view(record.get("examples") or {}),
            ngrams=ngrams_view(results),
            written=tokens_view(results, record.get("examples") or {}),
            stepwise=steps_view(results, record.get("examples") or {}),
            words=words_view(results, record.get("examples") or {}),
            seeing=seeing_view(record.get("examples") or {}),
            sequences=sequence_view(record.get("examples") or {}),
            plan=data_sections.plan_view(record),
            following=[str(step) for step in results.get("next") or ()],
            environment=[(key, as_setting(value)) for key, value in data_sections.flat(record.get("environment") or {})],
        )
    )
    # A file name that is not UTF-8 reaches Python with lone surrogates, which no page can hold.
    return page.encode("utf-8", "replace").decode("utf-8")


def write(path: str | Path, record: Record) -> Path:
    """Render `record` into the file `path`, whole or not at all, and return its path.

    Raises:
        StorageError: the disk is full or the place is not writable.

    Example:
        >>> import tempfile
        >>> write(Path(tempfile.mkdtemp()) / "report.html", {}).name
        'report.html'
    """
    path = Path(path)
    write_text(path, render(record))
    return path


def summary_card(record: Record) -> str:
    """The result in a small piece of HTML for a notebook: styles inline, no ids, colours of its surroundings.

    Example:
        >>> summary_card({"results": {"name": "digits"}}).startswith("<div")
        True
    """
    results = record.get("results") or {}
    examples = (record.get("examples") or {}).get("data") or [{}]
    noun = _noun(results, bool(examples[0].get("picture")))
    return (
        page_templates()
        .get_template("card.html")
        .render(
            name=str(results.get("name") or ""),
            outcome=_outcome(results, noun),
            scores=result_sections.score_view(results),
            facts=result_sections.fact_list(results),
        )
    )


def _outcome(results: Record, noun: str) -> Outcome:
    return drawings_outcome(results) if results.get("task") == "generate" else outcome(results, noun)


def _noun(results: Record, pictures: bool) -> str:
    """What a row is called: as the results say, or pictures where some are shown."""
    return str(results.get("noun") or ("pictures" if pictures or results.get("task") == "pairs" else "rows"))


def _curves(history: list[Record], results: Record) -> list[Any]:
    from leadline.report.figures import draw_curves, draw_game

    if solved(results) or results.get("task") == "ngram":
        return []
    metric = results.get("headline") or _recorded_metric(history)
    if results.get("task") == "forecast":  # while it trains, each series is on a scale of its own
        return draw_curves(history, "scaled_error", "Mean absolute error, in deviations", mark_kept=_marks(results))
    if results.get("task") == "reconstruct":  # what is judged in the end is not measured on the way
        likely = any("valid_pseudo_likelihood" in row for row in history)
        metric, title = ("pseudo_likelihood", "Pseudo-likelihood, nats a row") if likely else ("error", "Error of a value")
        return draw_curves(history, metric, title, mark_kept=_marks(results))
    if results.get("task") == "generate":
        return [*draw_curves(history, "frechet", "Fréchet distance", mark_kept=_marks(results)), *draw_game(history)]
    score = (results.get("scores") or {}).get(metric) or {}
    title = str(score.get("title") or metric.replace("_", " ").capitalize())
    return draw_curves(history, metric, title, mark_kept=_marks(results))


def _marks(results: Record) -> bool:
    """Of an ensemble the curves are one network's, and each network keeps the weights of an epoch of its own."""
    return not (results.get("restarts") or {}).get("ensemble")


def _diagnosis(record: Record) -> Record | None:
    if not record.get("diagnosis"):
        return None
    from leadline.report.diagnosis_section import diagnosis_view

    return diagnosis_view(record)


def _forecasts(results: Record, examples: Record) -> Record | None:
    from leadline.report.forecasts_section import forecasts_view

    return forecasts_view(results, examples)


def _restarts(results: Record) -> Record | None:
    from leadline.report.restart_section import restarts_view

    return restarts_view(results)


def _recorded_metric(history: list[Record]) -> str:
    keys = {key for record in history[-200:] for key in record if key.startswith("valid_")} - {"valid_loss"}
    return "accuracy" if not keys or "valid_accuracy" in keys else min(keys).removeprefix("valid_")


def _calibration(results: Record) -> dict[str, Any] | None:
    from leadline.report.figures import draw_calibration

    record = results.get("calibration") or {}
    sentence = calibration_sentence(record)
    if not sentence:
        return None
    return {
        "sentence": sentence,
        "reliance": result_sections.reliance_view(record),
        "svg": draw_calibration(record["confidence"], record["accuracy"], record["count"]),
    }


def _dependence(results: Record) -> dict[str, Any] | None:
    from leadline.report.dependence_figures import draw_dependence, drawn_outputs

    columns = [column for column in results.get("dependence") or () if column]
    panels = draw_dependence(columns, str(results.get("task") or "classes"))
    if not panels:
        return None
    names, left_out = drawn_outputs(columns)
    return {"panels": panels, "sentence": dependence_sentence(names, left_out, str(results.get("task") or "classes"))}


def _residuals(results: Record) -> list[dict[str, Any]]:
    from leadline.report.figures import draw_residuals

    return [
        {"name": name, "panels": draw_residuals(truth, value, name)}
        for name, truth, value in result_sections.residual_columns(results)
    ]


@cache
def page_templates() -> Environment:
    """The templates of this package, as jinja reads them: what is missing is an error, and text is never markup."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files("leadline.report") / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["prose"] = _prose
    return templates


def _prose(text: object) -> Any:
    """A sentence in which `…` marks what is to be typed."""
    from markupsafe import Markup, escape

    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # an odd number of marks: leave them as they are
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
