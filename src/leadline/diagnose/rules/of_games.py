"""Rules on a generator and its rival: drawn rows that grow alike, and a rival from which nothing is learned any more."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rival_readings import Round
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

FEWEST = 8  # rounds: of fewer no course can be told
EARLY, LONG = 300, 1000  # steps: before, nothing is unusual; after, drawn rows are as various and as near as they will be
ALIKE, FALLEN = 0.3, 0.5  # spread of drawn rows over that of real ones; over the largest that it was
WON = 0.95  # told apart
VANISHED = 0.05  # of the longest gradient
FAR = 0.3  # energy distance of drawn from real rows, over the distance of two real ones: below, they are much alike
STILL_FAR, FARTHER = 0.6, 2.0  # of the first distance
BETTER = 0.8  # of the distance in the middle: what is below at the end still learns
AWAY = 0.8  # share of rounds


def rival_stands(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    if readings.game.rival_moved or not readings.game.rounds:
        return
    yield Candidate(
        "not_training",
        1.0,
        "The rival stays the same to the bit: the generator learns to mislead a network that has learned nothing.",
        (),
        (),
        "rival",
        proven=True,
        extra={"remedy": "Give its parameters to an optimizer, and step it.", "code_line": "rival_optimizer.step()"},
    )


def generator_turned(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A generator whose loss moves scores away from where the rival moves those of real rows: it helps the rival."""
    told = [each.towards for each in readings.game.rounds if each.towards is not None]
    away = told.count(False) / len(told) if told else 0.0
    if len(told) < FEWEST or away < AWAY:
        return
    yield Candidate(
        "head_or_loss_wrong",
        1.0,
        "The generator's loss has the wrong sign or the wrong labels: it moves the rival's scores of drawn rows away from "
        "those of real ones.",
        (Measure("share of steps at which it does", away, high=0.5),),
        proven=True,
        extra={
            "code": "generator_turned",
            "remedy": "Give the generator's rows the label of real ones, or turn the sign of its loss.",
            "code_line": "loss = criterion(rival(generator(noise)), torch.ones(len(noise), 1))",
        },
    )


def adversarial_collapse(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    rounds = readings.game.rounds
    steps = rounds[-1].step - rounds[0].step if rounds else 0
    if len(rounds) < FEWEST or steps < EARLY:
        return
    late, middle = rounds[-max(3, len(rounds) // 4) :], rounds[len(rounds) // 3 : 2 * len(rounds) // 3 + 1]
    # These games swing: what counts is the best of the last quarter.
    spread, far = max(each.spread for each in late), min(each.far for each in late)
    most, first = max(_usual(rounds[at : at + 3], "spread") for at in range(len(rounds) - 2)), _usual(rounds[:3], "far")
    settled = steps >= LONG and _usual(rounds[-3:], "far") > BETTER * _usual(middle, "far")
    fallen = spread < FALLEN * most
    if spread < ALIKE and (fallen or settled):
        yield _alike(spread, most, fallen=fallen)
    right = _usual(late, "right")
    stuck = (settled and far > STILL_FAR * first) or (steps >= LONG and far > FARTHER * first)
    if stuck and far > FAR:
        yield _won(rounds, late, right) if right > WON else _aside(far / first, right)


def _usual(rounds: list[Round], what: str) -> float:
    values = [getattr(each, what) for each in rounds if getattr(each, what) is not None]
    return statistics.median(values) if values else 0.0


def _alike(spread: float, most: float, *, fallen: bool) -> Candidate:
    return Candidate(
        "adversarial_collapse",
        max(0.6, ramp(spread, ALIKE, 0.05)),
        "The generator draws nearly the same for all noise: the drawn rows "
        + ("have become alike." if fallen else "have never become various."),
        (
            Measure("distance of two drawn rows over that of two real ones", spread, low=ALIKE),
            Measure("its largest value", most, low=0.5),
        ),
        proven=True,
        extra={
            "remedy": "Give the generator the smaller learning rate and other noise at each step, and take a loss that rewards "
            "no single drawing, such as hinge or Wasserstein.",
            "code_line": "noise = torch.randn(len(real), latent)  # anew at each step",
        },
    )


def _won(rounds: list[Round], late: list[Round], right: float) -> Candidate:
    longest = max(_usual(rounds[at : at + 3], "gradient") for at in range(len(rounds) - 2))
    left = _usual(late, "gradient") / longest if longest > 0 else 0.0
    vanished = left < VANISHED
    return Candidate(
        "adversarial_collapse",
        0.95 if vanished else 0.8,
        "The rival tells real and drawn rows apart without fail, and "
        + ("no gradient is left" if vanished else "what is left of its gradient does not help")
        + " for the generator, whose rows are still as far from real ones as at first.",
        (
            Measure("share of real and drawn rows that the rival tells apart", right, high=WON),
            Measure("gradient of the generator at the end over its longest", left, low=VANISHED),
        ),
        proven=True,
    )


def _aside(still: float, right: float) -> Candidate:
    return Candidate(
        "adversarial_collapse",
        0.7,
        "The drawn rows are as far from real ones as at first, though the rival does not always tell them apart: neither of "
        "both learns from the other.",
        (
            Measure("distance of drawn from real rows over the first", still, high=STILL_FAR),
            Measure("share of real and drawn rows that the rival tells apart", right, low=0.55, high=WON),
        ),
        proven=True,
        extra={
            "remedy": "Look at both losses and their signs; give both networks Adam at 0.0002 with betas (0.5, 0.999).",
            "code_line": "torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))",
        },
    )
