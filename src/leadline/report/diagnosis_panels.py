"""Which drawings of the readings speak for which kind of finding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from leadline.report.diagnosis_figures import Dots, draw_dots, draw_field, draw_marked_loss
from leadline.report.diagnosis_inside import (
    draw_activations,
    draw_dead,
    draw_gradients,
    draw_initial,
    draw_saturated,
    draw_scales,
    draw_updates,
)
from leadline.report.drawn_readings import DrawnReadings, Record, item
from leadline.report.figures import Panel
from leadline.report.rate_figures import rates_panel
from leadline.report.wording import as_number, as_percent, is_finite

_RISEN = 2.0  # times the least loss so far
_CLASSES = 24
_METHODS = {"constant": "one answer for all", "linear": "linear model", "neighbours": "nearest neighbours", "trees": "trees"}


class Drawings(DrawnReadings):
    """The drawings of one diagnosis, each given out once: what a finding has shown, the next does not show again.

    Args:
        readings: as `diagnosis.json` keeps them.
        classes: their names, where there are classes.

    Example:
        >>> Drawings({"drill": {"rows": 32}}).panels_of("one_batch")
        []
    """

    def __init__(self, readings: Record, classes: Sequence[str] = ()) -> None:
        super().__init__(readings, classes)
        self._given: set[str] = set()

    def panels_of(self, kind: str) -> list[Panel]:
        """What speaks for a finding of this kind and is not shown yet."""
        panels = [self._once(name, kind) for name in _OF_KIND.get(kind, ())]
        return [panel for panel in panels if panel is not None]

    def rest(self) -> list[Panel]:
        """What every diagnosis shows of the inside, as far as it is not shown yet."""
        panels = [self._once(name, "") for name in _INSIDE]
        return [panel for panel in panels if panel is not None]

    def _once(self, name: str, kind: str) -> Panel | None:
        # The loss comes again where another moment of it matters.
        moment = moment_of(self, kind) if name == "loss" else None
        key = f"{name}: {moment[1]}" if moment else name
        if key in self._given:
            return None
        panel = _DRAWN[name](self, kind)
        if panel is not None:
            self._given |= {key, name}
        return panel


def _loss(drawings: Drawings, kind: str) -> Panel | None:
    training, held_out = drawings.curve(), drawings.held_out()
    if not (training or held_out):
        return None
    moment = moment_of(drawings, kind)
    told = f"; {moment[1]} at step {as_number(moment[0])}" if moment else ""
    title, svg = draw_marked_loss(training, held_out, moment, f"Loss over the steps, as it was diagnosed{told}")
    return Panel(title, svg)


def moment_of(drawings: Drawings, kind: str) -> tuple[float, str] | None:
    """The step at which what was found shows, and what happened there."""
    training, held_out, steps = drawings.curve(), drawings.held_out(), drawings.part("steps")
    if kind == "non_finite" and is_finite(steps.get("non_finite_step")):
        return steps["non_finite_step"], "no number from here on"
    if kind == "overfitting" and len(held_out) > 1:
        return min(held_out, key=lambda point: point[1])[0], "held-out loss lowest"
    if kind == "stopped_too_early" and training:
        return training[0][0] + 0.8 * (training[-1][0] - training[0][0]), "still falling"
    if kind in ("rate_too_high", "exploding_gradient", "oscillation") and training:
        least = math.inf
        for step, loss in training:
            if loss > _RISEN * least:
                return step, "loss rises again"
            least = min(least, loss)
    return None


def _beside(drawings: Drawings, kind: str) -> Panel | None:
    """Errors of the network and of simple methods, on training and on held-out rows."""
    last, beside = drawings.part("last"), drawings.part("beside")
    rows = [Dots("this network", {"training rows": _error(last, "train"), "held out": _error(last, "valid")})]
    own, theirs = beside.get("valid_error") or {}, beside.get("train_error") or {}
    rows += [
        Dots(title, {"training rows": theirs.get(name), "held out": own.get(name)})
        for name, title in _METHODS.items()
        if is_finite(own.get(name)) or is_finite(theirs.get(name))
    ]
    if len(rows) < 2 or not any(is_finite(value) for value in rows[0].values.values()):
        return None
    wrong = drawings.part("program").get("task") in ("classes", "labels")
    note = "Share of rows that are wrong." if wrong else "Share of the targets' variance that is not explained."
    return Panel("Errors beside simple methods", draw_dots(rows, "Errors beside simple methods", percent=True), note)


def _error(last: Record, part: str) -> float | None:
    return (last.get(part) or {}).get("error")


def _recalls(drawings: Drawings, kind: str) -> Panel | None:
    last = drawings.part("last")
    recalls = (last.get("valid") or last.get("train") or {}).get("recalls") or []
    counts = drawings.part("answers").get("counts") or []
    if len(recalls) < 2:
        return None
    total = sum(count for count in counts if is_finite(count)) or 1
    order = sorted(range(len(recalls)), key=lambda at: -(item(counts, at) or 0))
    rows = []
    for at in [*order[: _CLASSES // 2], *order[_CLASSES // 2 :][-_CLASSES // 2 :]]:
        name = drawings.classes[at] if at < len(drawings.classes) else f"class {at}"
        count = item(counts, at)
        rows.append(Dots(name, {"of all rows": count / total if is_finite(count) else None, "found of its own": recalls[at]}))
    svg = draw_dots(rows, "Share of each class, and how much of it is found", percent=True)
    return Panel("What is found of each class", svg, "The commonest classes above.")


def _ignored(drawings: Drawings, kind: str) -> Panel | None:
    """The loss as it is, on inputs that were shuffled over the rows, and without looking at inputs at all."""
    last, first = drawings.part("last"), drawings.part("first")
    own = (last.get("train") or {}).get("loss")
    known = {"its own inputs": own, "others' inputs": last.get("permuted_loss"), "none at all": first.get("expected_loss")}
    rows = [Dots(name, {"loss": value}) for name, value in known.items() if is_finite(value)]
    if not is_finite(own) or len(rows) < 2:
        return None
    note = "The loss should be lower with a row's own inputs than with another row's."
    return Panel("What the inputs are worth", draw_dots(rows, "Loss with the right inputs and with others"), note)


def _drill(drawings: Drawings, kind: str) -> Panel | None:
    drill = drawings.part("drill")
    rows = [
        Dots(name, {"loss": drill.get(key)})
        for name, key in (("before", "first_loss"), ("after", "last_loss"))
        if is_finite(drill.get(key))
    ]
    if len(rows) < 2:
        return None
    error = f" {as_percent(drill['error'])} of it is still wrong." if is_finite(drill.get("error")) else ""
    note = f"{drill.get('rows') or 'A few'} rows, learned by heart in {drill.get('steps') or 'some'} steps.{error}"
    return Panel("One batch, again and again", draw_dots(rows, "Loss of one batch before and after"), note)


def _tries(drawings: Drawings, kind: str) -> Panel | None:
    """What short trainings with one change gained over an unchanged twin."""
    rows = []
    for branch in drawings.readings.get("branches") or ():
        gain, error = branch.get("gain"), branch.get("gain_se")
        if is_finite(gain):
            argument = branch.get("argument")
            told = f" {as_number(argument, 3) if is_finite(argument) else argument}" if argument not in (None, "") else ""
            reach = 2 * error if is_finite(error) else 0.0
            rows.append(Dots(f"{str(branch.get('change')).replace('_', ' ')}{told}", {"gain": gain}, reach))
    if not rows:
        return None
    note = "What each change gained in errors over an unchanged twin, with two standard errors; right of the line it helped."
    svg = draw_dots(
        sorted(rows, key=lambda row: -(row.values["gain"] or 0.0)), "Gain of each change that was tried", percent=True, mark=0.0
    )
    return Panel("What was tried on copies", svg, note)


def _field(drawings: Drawings, kind: str) -> Panel | None:
    share = drawings.part("graph").get("field_share")
    if not is_finite(share) or share <= 0:
        return None
    return Panel("What one unit sees", draw_field(share), f"{as_percent(share)} of the picture's shorter side.")


_DRAWN: dict[str, Callable[[Drawings, str], Panel | None]] = {
    "gradients": lambda drawings, _: draw_gradients(drawings),
    "updates": lambda drawings, _: draw_updates(drawings),
    "activations": lambda drawings, _: draw_activations(drawings),
    "dead": lambda drawings, _: draw_dead(drawings),
    "saturated": lambda drawings, _: draw_saturated(drawings),
    "scales": lambda drawings, _: draw_scales(drawings),
    "initial": lambda drawings, _: draw_initial(drawings),
    "loss": _loss,
    "beside": _beside,
    "recalls": _recalls,
    "ignored": _ignored,
    "drill": _drill,
    "tries": _tries,
    "field": _field,
    "rates": lambda drawings, _: rates_panel(drawings.part("rates")),
}
_INSIDE = ("gradients", "updates", "activations", "scales", "dead", "saturated", "beside")
_OF_KIND: dict[str, tuple[str, ...]] = {
    "non_finite": ("loss", "gradients"),
    "rate_too_high": ("rates", "loss", "updates"),
    "rate_too_low": ("rates", "updates", "loss"),
    "oscillation": ("loss", "updates"),
    "vanishing_gradient": ("gradients", "updates"),
    "exploding_gradient": ("gradients", "loss"),
    "dead_units": ("dead", "activations", "scales"),
    "saturation": ("saturated", "activations", "scales"),
    "bad_initialization": ("initial", "activations", "scales"),
    "inputs_not_prepared": ("scales",),
    "head_or_loss_wrong": ("loss",),
    "input_ignored": ("ignored",),
    "one_batch": ("drill",),
    "underfitting": ("beside", "loss"),
    "stopped_too_early": ("loss",),
    "overfitting": ("loss", "beside"),
    "over_regularized": ("beside",),
    "imbalance": ("recalls",),
    "mode_mismatch": ("loss",),
    "not_training": ("updates", "gradients"),
    "adversarial_collapse": ("loss",),
    "receptive_field": ("field",),
    "tries": ("tries",),  # no kinds: what was tried for all of them together, and the range test by itself
    "rates": ("rates",),
    "no_nonlinearity": ("beside",),
}
