"""How well a training came out, beside what simple methods reach on the same rows: only that raises an alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leadline.diagnose.findings import UNJUDGED
from leadline.diagnose.readings import Judged, Readings

RARE, RARE_SHARE = 4, 0.2  # rows of the commonest class to one of the rarest; of the labels, those that hold
TELLS = 0.9  # of the loss with targets of other rows: below it, the network tells rows apart
BEHIND = 0.1  # of the way from the best constant answer to the best simple method
WORSE = 1.2  # times the loss of the best constant answer
SHORT = 0.04  # of error: what the network must lack beside a simple method to be called bad, besides three standard errors


@dataclass(frozen=True)
class Outcome:
    """What came out, as errors: the share wrong, or 1 − R² of numbers, or loss over the best constant's loss.

    `shortfall` is how much worse than the best simple method it is beyond chance, `learned` the share of the way from the best
    constant answer to none wrong, `gap` held-out less training error. `weighted` says that the training's own loss, which may
    count rare answers for more than the error does, tells the held-out rows apart.

    Where nothing could be judged the errors are NaN, and nothing is bad.

    Example:
        >>> from leadline.diagnose.readings import Judged, Readings
        >>> readings = Readings()
        >>> readings.last.valid = Judged(rows=100, loss=2.3, error=0.9, error_se=0.03)
        >>> readings.answers.counts = [50] * 10
        >>> outcome_of(readings).bad
        True
    """

    error: float
    error_se: float
    train_error: float
    constant: float
    best: float | None
    best_name: str
    shortfall: float
    gap: float
    gap_se: float
    held_out: bool
    finite: bool
    by_loss: bool = False
    weighted: bool = False
    train_loss: float | None = None
    constant_loss: float | None = None

    @property
    def learned(self) -> float:
        return 1 - self.error / self.constant if self.constant > 0 else 1.0

    @property
    def train_learned(self) -> float:
        return 1 - self.train_error / self.constant if self.constant > 0 else 1.0

    @property
    def nothing(self) -> bool:
        """It answers no better than one answer for every row, by less than a standard error."""
        return self.error > 0.95 * self.constant - self.error_se and not self.weighted

    @property
    def surely_wrong(self) -> bool:
        """Its loss on its own training rows is higher than that of one answer for all: it is sure where it is wrong."""
        if self.train_loss is None or self.constant_loss is None or self.constant_loss <= 0:
            return False
        return self.train_loss > WORSE * self.constant_loss

    @property
    def bad(self) -> bool:
        return not self.finite or self.shortfall > 0 or self.nothing or self.surely_wrong


def outcome_of(readings: Readings) -> Outcome:
    """The outcome of these readings."""
    train, valid = readings.last.train, readings.last.valid
    judged = valid or train
    finite = readings.steps.non_finite_step is None
    asked = readings.asked
    unasked = asked.moving or asked.unlike or (asked.places and judged is not None and judged.loss is None)
    if judged is None or unasked or (judged.loss is None and math.isnan(judged.error)):
        unknown = math.nan
        return Outcome(unknown, 0.0, unknown, 1.0, None, "", 0.0, 0.0, 0.0, False, finite)
    finite &= judged.loss is None or math.isfinite(judged.loss)
    by_loss = readings.program.task == "other"
    constant = _constant(readings)

    def error_of(of: Judged) -> float:
        return of.loss if by_loss and of.loss is not None else of.error

    error = error_of(judged)
    error_se = judged.loss_se if by_loss else judged.error_se
    train_error = error_of(train) if train is not None else error
    permuted = readings.last.permuted_loss
    tells = judged.loss is not None and permuted is not None and 0 <= judged.loss < TELLS * permuted
    weighted = tells and _rare(readings)
    # Where no rows were given for it, simple methods are judged on training rows that they did not see, and the network on all.
    best_name, best = min(readings.beside.valid_error.items(), key=lambda item: item[1], default=("", None))
    shortfall = 0.0
    if best is not None and not by_loss:
        se = math.hypot(error_se, readings.beside.valid_se.get(best_name, 0.0))
        # Where rare answers count for more, those that are counted wrong for it are no shortfall: the best simple method
        # by the share wrong may be the one that never gives them, or hardly ever.
        told = constant - best - 2 * readings.beside.valid_se.get(best_name, 0.0)
        if not (weighted and _fair(readings, judged, unknown=told <= 0.05 * constant)):
            shortfall = behind(error, best, se, constant)
    gap_se = math.hypot(error_se, (train.loss_se if by_loss else train.error_se) if train is not None else 0.0)
    if not math.isfinite(error):
        error, finite = constant, False
    return Outcome(
        error,
        error_se,
        train_error,
        constant,
        best,
        best_name,
        shortfall,
        error - train_error,
        gap_se,
        valid is not None,
        finite,
        by_loss,
        weighted,
        train.loss if train is not None else None,
        readings.first.best_constant_loss,
    )


def _fair(readings: Readings, judged: Judged, *, unknown: bool) -> bool:
    """Whether the mean over the classes of the share wrong is no larger than that of any simple method, where it is known."""
    others = readings.beside.valid_balanced.values()
    return judged.balanced_error <= min(others) if judged.balanced_error is not None and others else unknown


def behind(error: float, best: float, se: float, constant: float) -> float:
    """How much worse an error is than the best of simple methods; 0 within chance, or where it is too little to matter.

    Example:
        >>> behind(0.5, 0.1, 0.02, 0.9), behind(0.12, 0.1, 0.02, 0.9)
        (0.4, 0.0)
    """
    worse = error - best
    return worse if worse > max(3 * se, SHORT, BEHIND * (constant - best)) else 0.0


def _rare(readings: Readings) -> bool:
    """Whether some answers are so rare that the share wrong says little of them."""
    counts = [count for count in readings.answers.counts if count]
    if readings.program.task == "labels":
        return _constant(readings) < RARE_SHARE
    return readings.program.task == "classes" and len(counts) > 1 and max(counts) > RARE * min(counts)


def _constant(readings: Readings) -> float:
    """The error of the best answer that does not look at the inputs."""
    if readings.program.task == "other":
        return readings.first.best_constant_loss or readings.first.loss or 1.0
    if "constant" in readings.beside.valid_error:
        return readings.beside.valid_error["constant"]
    counts = readings.answers.counts
    return 1 - max(counts) / sum(counts) if counts and sum(counts) else 1.0


def told_outcome(readings: Readings, outcome: Outcome) -> str:
    """The outcome in a sentence."""
    rows = readings.last.valid or readings.last.train
    if not outcome.finite:
        return "The training ended in numbers that are not finite."
    if readings.game.rounds:
        last = readings.game.rounds[-1]
        apart = "" if last.right is None else f"; the rival tells {last.right:.0%} of both apart"
        return f"Two drawn rows differ {last.spread:.2f} times as much as two real ones{apart}."
    if rows is None or math.isnan(outcome.error):
        return UNJUDGED
    where = "held-out rows" if outcome.held_out else "training rows"
    own, constant = _percent(1 - outcome.error), _percent(1 - outcome.constant)
    if readings.program.task == "classes":
        told = f"Right for {own} of the {where}, one answer for all would be for {constant}"
    elif readings.program.task == "labels":
        told = f"{own} of the labels of the {where} are right, of one answer for all {constant}"
    elif readings.program.task == "number":
        told = f"It explains {own} of the variance of the {where}"
    else:
        told = f"The loss on {where} is {outcome.error:.3g}; the best answer that ignores the inputs has {outcome.constant:.3g}"
    if outcome.best is not None and outcome.best_name != "constant":
        told += f", {method_named(outcome.best_name)} {_percent(1 - outcome.best)}"
    if outcome.surely_wrong and not outcome.nothing:
        told += "; its loss on the training rows is above that of one answer for all, so sure is it where it is wrong"
    return told + "."


def method_named(name: str) -> str:
    """A simple method in words.

    Example:
        >>> method_named("linear")
        'a linear model'
    """
    names = {"constant": "one answer for all", "linear": "a linear model", "neighbours": "nearest neighbours"}
    return names.get(name, name)


def enough_behind(readings: Readings, method: str, best: str) -> bool:
    """Whether one simple method is worse than another beyond chance, and enough to matter."""
    errors, spread = readings.beside.valid_error, readings.beside.valid_se
    se = math.hypot(spread.get(method, 0.0), spread.get(best, 0.0))
    return errors[method] - errors[best] > max(3 * se, SHORT, 0.15 * (_constant(readings) - errors[best]))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
