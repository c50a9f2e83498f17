"""What the section about inputs told again shows: sheets of pictures, what is called odd, classes, odd rows of a table."""

from __future__ import annotations

from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.wording import as_answer, as_number, as_percent, as_score, counted, is_finite

Record = dict[str, Any]
View = dict[str, Any]

PICTURE_BYTES = 2_800_000  # of a page that is to stay below 5 MB
_LISTED = 30
_TITLES = {
    "told-again": "Told again",
    "oddest": "The oddest",
    "codes": "The codes",
    "walk": "A walk through the codes",
    "numbers": "What single numbers say",
    "grid": "All that two numbers can say",
    "filters": "What it looks for",
}


def told_again_view(results: Record, examples: Record) -> View | None:
    """Figures, the sentence on the threshold, classes from the oddest on, odd rows; None for another task.

    Example:
        >>> told_again_view({}, {}) is None
        True
    """
    if results.get("task") != "reconstruct":
        return None
    budget = [PICTURE_BYTES]
    figures = [
        {"title": _TITLES.get(str(each.get("name")), ""), "says": str(each.get("says", "")), "source": view["source"]}
        for each in examples.get("told_again") or ()
        if (view := picture_view(each.get("picture"), budget))
    ]
    return {
        "figures": figures,
        "sentences": [text for text in (_code_sentence(results), _likely_sentence(results), odd_sentence(results)) if text],
        "classes": _classes(results),
        "rows": [_row(each) for each in (examples.get("odd_rows") or ())[:_LISTED]],
    }


def odd_sentence(results: Record) -> str:
    """What the threshold is, how it was chosen, and what lies above it.

    Example:
        >>> told = {"threshold": 9.5, "rows": 100, "above": 4, "chosen": {"by": "quantile", "false_alarms": 0.05, "rows": 99}}
        >>> print(odd_sentence({"oddness": told}).replace("\u202f", " "))
        A score above 9.5 is called odd, as 5.0 % of 99 usual validation rows are. Of 100 test rows 4 lie above it.
    """
    told = results.get("oddness") or {}
    if not is_finite(told.get("threshold")):
        return ""
    chosen = told.get("chosen") or {}
    how = ""
    if chosen.get("by") == "f1":
        how = f", which told {counted(chosen['odd'], 'odd validation row')} from the others best"
    elif chosen.get("by") == "quantile":
        how = f", as {as_percent(chosen['false_alarms'])} of {chosen['rows']:,} usual validation rows are"
    text = f"A score above {as_number(told['threshold'], 4)} is called odd{how}. "
    if not told.get("odd"):
        return text + f"Of {counted(told['rows'], 'test row')} {told['above']:,} lie above it."
    found = f"Of {counted(told['odd'], 'odd test row')} {told['found']:,} lie above it"
    alarms, shown = "", ""
    if is_finite(told.get("false_alarms")):
        alarms = f", and {as_percent(told['false_alarms'])} of {told['usual']:,} usual ones"
    area = (results.get("scores") or {}).get("anomaly_auroc") or {}
    if is_finite(area.get("value")):
        shown = f" AUROC {as_score('auroc', area['value'])}: so often an odd row scores higher than a usual one."
    return f"{text}{found}{alarms}.{shown}"


def _code_sentence(results: Record) -> str:
    code = results.get("code") or {}
    if not code.get("numbers"):
        return ""
    stand = "stands" if code["numbers"] == 1 else "stand"
    text = f"{counted(code['numbers'], 'number')} a row {stand} for {counted(code.get('values', 0), 'value')}."
    if "active" in code and code["active"] < code["numbers"]:
        text += f" {code['active']:,} of them say anything; the others the decoder does without."
    return text


def _likely_sentence(results: Record) -> str:
    found = results.get("likelihood") or {}
    if not is_finite(found.get("nats")):
        return ""
    text = (
        f"It makes {counted(found.get('rows', 0), 'test row')} as likely as {as_number(found['nats'], 4)} nats a row on average"
    )
    if is_finite(found.get("log_partition_error")):
        text += f", with log Z known to ± {as_number(found['log_partition_error'], 2)}"
    doubt = f"; {found['doubt']}" if found.get("doubt") else ""
    return f"{text} ({found.get('by')}){doubt}."


def _classes(results: Record) -> list[View]:
    rows = [each for each in results.get("by_class") or () if each.get("rows")]
    return [
        {
            "name": as_answer(each.get("name")),
            "rows": each["rows"],
            "explained": as_percent(each["explained"]) if is_finite(each.get("explained")) else "—",
            "above": as_percent(each.get("above")),
            "score": as_number(each["score"], 4),
            "odd": bool(each.get("odd")),
        }
        for each in rows[:_LISTED]
    ]


def _row(each: Record) -> View:
    return {
        "id": str(each.get("id", "")),
        "class": str(each.get("class") or ""),
        "odd": bool(each.get("odd")),
        "score": as_number(each["score"], 4) if is_finite(each.get("score")) else "—",
        "columns": [
            {"name": str(column.get("name")), "value": str(column.get("value")), "told": str(column.get("told"))}
            for column in each.get("columns") or ()
        ],
    }
