"""The section about many networks that were trained for one Run: how far apart they ended, and which was kept."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from leadline.report.drawing import ACCENT, INK, MUTED, draw
from leadline.report.figures import Panel, set_ticks
from leadline.report.wording import as_number, as_score, is_finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = dict[str, Any]
_LISTED = 12
_FEW = 6  # values whose own places on the axis can be marked


def restarts_view(results: Record) -> Record | None:
    """What the networks came to: a sentence, a drawing, and a table of the best; None where there was but one.

    Example:
        >>> rows = [{"changes": {"training.seed": seed}, "value": value} for seed, value in ((0, 0.3), (1, 0.2))]
        >>> record = {"networks": rows, "winner": 1, "monitor": "valid_loss", "ensemble": False}
        >>> restarts_view({"restarts": record})["sentence"]
        '2 networks started differently. Their validation loss ends between 0.200 and 0.300, half of them below 0.250; the best
        was kept.'
    """
    record = results.get("restarts") or {}
    rows = record.get("networks") or []
    known = [(place, row) for place, row in enumerate(rows) if is_finite(row.get("value"))]
    if len(rows) < 2 or not known:
        return None
    monitor = str(record["monitor"])
    metric, title = monitor.removeprefix("valid_"), monitor.replace("valid_", "validation ").replace("_", " ")
    keys = list(known[0][1]["changes"])
    ranked = sorted(known, key=lambda pair: (pair[0] != record["winner"], _distance(pair[1], rows[record["winner"]])))
    table = [
        {
            "place": place + 1,
            "value": as_score(metric, row["value"]),
            "settings": [as_number(row["changes"][key]) for key in keys],
            "epochs": row.get("best_epoch"),
            "kept": place == record["winner"],
        }
        for place, row in ranked[:_LISTED]
    ]
    failed = [row.get("stopped") or "" for row in rows if not is_finite(row.get("value"))]
    return {
        "sentence": _sentence([row["value"] for _, row in known], title, metric, record),
        "failed": f"{len(failed)} of {len(rows)} came to nothing: {failed[0]}" if failed else "",
        "why": _as_sentence(str(record.get("why") or "")),
        "curves": "Training curves are means over all networks, validation curves those of the network that was best by then."
        if record.get("together") == "stacked"
        else f"The curves are those of network {record['winner'] + 1}, which did best.",
        "keys": [key.split(".")[-1].replace("_", " ") for key in keys],
        "title": title,
        "rows": table,
        "left_out": len(known) - len(table),
        "panels": [_panel(known, key, title, metric, record["winner"]) for key in _drawn(keys)],
    }


def _sentence(values: list[float], title: str, metric: str, record: Record) -> str:
    low, middle, high = (as_score(metric, value) for value in (min(values), statistics.median(values), max(values)))
    kept = "the best was kept"
    if record.get("ensemble"):
        mean = f", whose {title} is {as_score(metric, record['mean'])}," if is_finite(record.get("mean")) else ""
        kept = f"the mean of their answers{mean} was kept"
    spread = f"ends between {low} and {high}, half of them below {middle}"
    keys = [key.split(".")[-1].replace("_", " ") for key in record["networks"][0]["changes"]]
    differ = f"differ in {' and '.join(keys)}" if keys and keys != ["seed"] else "started differently"
    return f"{len(values)} networks {differ}. Their {title} {spread}; {kept}."


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _distance(row: Record, best: Record) -> float:
    return abs(float(row["value"]) - float(best["value"]))


def _drawn(keys: list[str]) -> list[str]:
    """What is searched over; the seed alone where nothing else is."""
    return [key for key in keys if key != "training.seed"] or keys[:1]


def _panel(known: list[tuple[int, Record]], key: str, title: str, metric: str, winner: int) -> Panel:
    x = [float(row["changes"][key]) for _, row in known]
    y = [float(row["value"]) for _, row in known]
    name = key.split(".")[-1].replace("_", " ")
    log = min(x) > 0 and max(x) > 5 * min(x)
    few = sorted(set(x)) if len(set(x)) <= _FEW else []

    def paint(axes: Axes) -> None:
        if log:
            axes.set_xscale("log")
        axes.scatter(x, y, s=22, color=ACCENT, alpha=0.6, linewidths=0)
        axes.axhline(statistics.median(y), color=MUTED, linewidth=1, dashes=(3, 3))
        for place, (number, _) in enumerate(known):
            if number == winner:
                axes.scatter([x[place]], [y[place]], s=70, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=3)
        axes.margins(x=0.06, y=0.1)
        axes.set(xlabel=name)
        set_ticks(axes, "y", metric)
        if few:
            axes.set_xticks(few, [as_number(value) for value in few], minor=False)
            axes.xaxis.minorticks_off()
        else:
            set_ticks(axes, "x", name, log=log, whole=all(value.is_integer() for value in x))

    ends = f"from {as_score(metric, min(y))} to {as_score(metric, max(y))}"
    return Panel(
        f"{title.capitalize()} by {name}",
        draw(paint, f"{title} of {len(y)} networks by {name}: {ends}", right=14),
        "A dot is a network, the dashed line their median; the ring marks the one that did best.",
    )


def spread_text(record: Record) -> str:
    """The restarts in one line, for a terminal.

    Example:
        >>> rows = [{"changes": {}, "value": value} for value in (0.3, 0.2, None)]
        >>> spread_text({"networks": rows, "winner": 1, "monitor": "valid_loss", "ensemble": False})
        'valid loss 0.2 to 0.3, median 0.25, over 2 networks (1 failed); kept: number 2'
    """
    values = [row["value"] for row in record["networks"] if is_finite(row["value"])]
    failed = len(record["networks"]) - len(values)
    low, middle, high = (f"{value:.4g}" for value in (min(values), statistics.median(values), max(values)))
    best = record["networks"][record["winner"]]["changes"]
    settings = ", ".join(f"{key} = {value:g}" for key, value in best.items())
    number = f"number {record['winner'] + 1}{f' ({settings})' if settings else ''}"
    monitor = record["monitor"].replace("_", " ")
    kept = number
    if record["ensemble"]:
        kept = "the mean of their answers" + (f" ({monitor} {record['mean']:.4g})" if is_finite(record.get("mean")) else "")
    lost = f" ({failed} failed)" if failed else ""
    return f"{monitor} {low} to {high}, median {middle}, over {len(values)} networks{lost}; kept: {kept}"
