"""What is told first, what is left out beside a better explanation, and what is said of trials, on made readings."""

from __future__ import annotations

import math

import pytest

from leadline.diagnose.readings import Branch, Judged, Readings
from leadline.diagnose.remedies import remedy_for
from leadline.diagnose.rules.of_fit import stopped_too_early
from leadline.diagnose.rules.of_losses import head_or_loss_wrong
from leadline.diagnose.rules.of_trials import confirms, told_trial
from leadline.diagnose.rules.outcomes import Outcome, outcome_of
from leadline.diagnose.rules.ranking import Weighed, ranked, worth_telling
from leadline.diagnose.rules.suspicions import Candidate

BAD = Outcome(0.6, 0.02, 0.6, 0.8, 0.05, "linear", 0.5, 0.0, 0.02, True, True)


def tried(gain: float, se: float = 0.02, *, ended: float | None = None, change: str = "clip", argument: float = 1.0) -> Branch:
    """A trial beside twins that ended as badly as the person's own training, unless it is said where the copies ended."""
    error = 0.6 - gain if ended is None else ended
    return Branch(change, argument, 200, [1.0] * 3, [1.0] * 3, [error] * 3, [error + gain] * 3, gain, se)


def weighed(kind: str, score: float, gain: float | None = None, *, proven: bool = False, strength: float = 0.8) -> Weighed:
    branch = None if gain is None else tried(gain)
    return Weighed(Candidate(kind, strength, "", proven=proven), branch, gain is not None and gain > 0.1, score)


def kinds(found: list[Weighed]) -> list[str]:
    return [each.candidate.kind for each in found]


def test_of_two_that_are_confirmed_the_one_that_gained_clearly_more_comes_first() -> None:
    found = [weighed("dead_units", 0.69, 0.2), weighed("oscillation", 0.64, 0.5)]
    assert kinds(ranked(found, BAD)) == ["oscillation", "dead_units"]
    found = [weighed("dead_units", 0.69, 0.48), weighed("oscillation", 0.64, 0.5)]
    assert kinds(ranked(found, BAD)) == ["dead_units", "oscillation"]


def test_a_last_resort_overtakes_nothing() -> None:
    found = [weighed("inputs_not_prepared", 0.7, 0.2), weighed("underfitting", 0.3, 0.5)]
    assert kinds(ranked(found, BAD)) == ["inputs_not_prepared", "underfitting"]


def test_what_is_sure_comes_before_what_is_hardly_likelier() -> None:
    found = [weighed("rate_too_high", 0.47), weighed("oscillation", 0.455, 0.5)]
    assert kinds(ranked(found, BAD)) == ["oscillation", "rate_too_high"]
    found = [weighed("rate_too_high", 0.7), weighed("oscillation", 0.455, 0.5)]
    assert kinds(ranked(found, BAD)) == ["rate_too_high", "oscillation"]


def test_last_resorts_are_left_out_where_a_finding_says_why() -> None:
    resorts = [weighed("underfitting", 0.2), weighed("one_batch", 0.2)]
    assert kinds(worth_telling([weighed("head_or_loss_wrong", 0.7, proven=True), *resorts], BAD)) == ["head_or_loss_wrong"]
    assert kinds(worth_telling([weighed("dead_units", 0.7, 0.3), *resorts], BAD)) == ["dead_units"]
    assert len(worth_telling([weighed("dead_units", 0.7), *resorts], BAD)) == 3
    assert kinds(worth_telling(resorts, BAD)) == ["underfitting", "one_batch"]


def test_a_wider_network_that_helps_far_more_is_told() -> None:
    found = [weighed("stopped_too_early", 0.6, 0.12), weighed("underfitting", 0.3, 0.5)]
    assert len(worth_telling(found, BAD)) == 2


@pytest.mark.parametrize(
    ("cause", "follows"), [("not_training", "rate_too_low"), ("split_mismatch", "input_ignored"), ("non_finite", "dead_units")]
)
def test_what_a_fault_brings_about_is_told_only_where_a_trial_says_so(cause: str, follows: str) -> None:
    proven = weighed(cause, 0.7, proven=True)
    assert kinds(worth_telling([proven, weighed(follows, 0.5)], BAD)) == [cause]
    assert len(worth_telling([proven, weighed(follows, 0.5, 0.3)], BAD)) == 2


def test_a_sentence_says_why_a_gain_beyond_chance_does_not_count() -> None:
    worse = told_trial(tried(0.4, ended=0.7), BAD, confirmed=False)
    assert "0.4 ± 0.02 less error" in worse
    assert "they ended at an error of 0.7, and your own training at 0.6" in worse
    assert "less than the 0.09 that would matter" in told_trial(tried(0.06), BAD, confirmed=False)
    assert "within chance" in told_trial(tried(0.03), BAD, confirmed=False)


def test_a_loss_is_told_as_more_error() -> None:
    told = told_trial(tried(-0.3), BAD, confirmed=False)
    assert "0.3 ± 0.02 more error" in told
    assert "chance" not in told


def test_what_is_certain_is_not_contradicted_by_its_trial() -> None:
    assert told_trial(tried(-0.3), BAD, confirmed=False, proven=True).startswith("Certain without a trial. A short one gained")
    agrees = told_trial(tried(0.4, ended=0.7), BAD, confirmed=False, proven=True)
    assert agrees.startswith("Certain without a trial, and a short one agrees")


def test_of_a_network_that_ran_away_a_bounded_gain_is_enough() -> None:
    away = Outcome(127.0, 5.0, 135.0, 1.0, 0.13, "trees", 126.0, 0.0, 5.0, True, True)
    assert confirms(Branch("clip", 1.0, 75, [0.3] * 3, [0.9] * 3, [1.5] * 3, [7.7] * 3, 6.2, 0.7), away)


def test_a_remedy_goes_where_its_finding_does() -> None:
    readings = Readings()
    readings.program.rate, readings.program.optimizer = 0.01, "SGD"
    readings.branches = [tried(0.4, change="rate", argument=10.0), tried(0.2, change="rate", argument=0.1)]
    assert remedy_for("rate_too_high", readings).says == "Take 0.1 times the learning rate: 0.001."
    assert remedy_for("rate_too_low", readings).says == "Take 10 times the learning rate: 0.1."


def test_a_loss_that_rises_was_not_stopped_too_early() -> None:
    readings = Readings()
    readings.program.steps, readings.last.slope, readings.last.slope_se = 40, 0.5, 0.1
    assert not [*stopped_too_early(readings, BAD)]
    readings.last.slope = -0.5
    assert next(stopped_too_early(readings, BAD)).strength > 0.5


@pytest.mark.parametrize(("sign", "error", "kinds"), [(-1, 900.0, ["head_or_loss_wrong"]), (-1, 0.1, []), (1, 900.0, [])])
def test_a_loss_without_bound_beside_answers_that_get_worse_has_the_wrong_sign(
    sign: int, error: float, kinds: list[str]
) -> None:
    readings = Readings()
    readings.program.task = "number"
    readings.steps.losses = [(step, sign * math.exp(step / 10)) for step in range(100)]
    readings.last.train = readings.last.valid = Judged(100, readings.steps.losses[-1][1], error, 0.1, 0.1)
    readings.beside.valid_error = {"constant": 1.0, "linear": 0.2}
    found = [*head_or_loss_wrong(readings, outcome_of(readings))]
    assert [each.kind for each in found if each.proven] == kinds
