"""Which changes a verdict asks for, and whether a network is surely better."""

from dataclasses import replace

import pytest
import torch

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.mending import attempts_for, compare, row_weights, told_attempt, told_seen, told_trials
from leadline.diagnose.readings import Branch, Judged, Readings
from leadline.plan import Plan


def finding(kind: str, *, confirmed: bool = False) -> Finding:
    return Finding(kind, "severe", 0.8, (), "Because.", confirmed=confirmed)


def gained(change: str, argument: float | str | None, gain: float) -> Branch:
    return Branch(change, argument, 50, [1.0], [2.0], gain=gain, gain_se=0.05)


def test_what_gained_most_is_tried_first() -> None:
    readings = Readings()
    readings.branches = [
        gained("rate", 0.1, 0.3),
        gained("standardize", None, 0.9),
        gained("clip", 1.0, 0.5),
        gained("batch", 8, 0.09),
    ]
    verdict = Verdict((finding("rate_too_high", confirmed=True),))
    plan = Plan().but({"training.learning_rate": 1.0})
    tried = attempts_for(verdict, readings, plan)
    # A Plan standardizes already.
    assert [attempt.changes for attempt in tried] == [{"training.clip": "norm(1)"}, {"training.learning_rate": 0.1}]
    assert tried[0].reason == "mending: against learning rate too high"


def test_no_remedy_is_tried_with_another_number() -> None:
    readings = Readings()
    readings.branches = [gained("rate", 0.1, 0.3), gained("rate", 0.01, 0.5), gained("clip", 1.0, 0.2)]
    verdict, plan = Verdict((finding("rate_too_high", confirmed=True),)), Plan().but({"training.learning_rate": 1.0})
    tried = attempts_for(verdict, readings, plan)
    assert [attempt.changes for attempt in tried] == [{"training.learning_rate": 0.01}, {"training.clip": "norm(1)"}]
    left = attempts_for(verdict, readings, plan, tried={tried[0].remedy})
    assert [attempt.changes for attempt in left] == [{"training.clip": "norm(1)"}]


def test_several_changes_at_once_become_one_attempt() -> None:
    readings = Readings()
    readings.branches = [gained("rate(0.1) & clip(2)", None, 0.5)]
    tried = attempts_for(Verdict((finding("non_finite"),)), readings, Plan())
    assert tried[0].changes == {"training.learning_rate": 1e-4, "training.clip": "norm(2)"}


def test_two_changes_that_gain_beside_each_other_are_made_together_first() -> None:
    readings = Readings()
    readings.branches = [gained("rate", 0.1, 0.3)]
    readings.beside_change, readings.further = "rate(0.1)", [gained("clip", 1.0, 0.1), gained("momentum", 0.5, 0.2)]
    tried = attempts_for(
        Verdict((finding("rate_too_high", confirmed=True),)), readings, Plan().but({"training.learning_rate": 1.0})
    )
    assert [each.changes for each in tried] == [
        {"training.learning_rate": 0.1, "training.momentum": 0.5}, {"training.learning_rate": 0.1},
    ]  # fmt: skip


def test_where_there_was_no_time_for_a_trial_the_training_anew_is_one() -> None:
    readings = Readings()
    readings.program.task, readings.answers.counts = "classes", [50] * 10
    readings.last.valid = Judged(rows=100, loss=2.3, error=0.9, error_se=0.03)
    plan = Plan().but({"model": "mlp", "model.dropout": 0.0})
    untried, settled = finding("dead_units"), replace(finding("dead_units"), tried="Tried: it gained nothing.")
    assert [list(each.changes) for each in attempts_for(Verdict((untried,)), readings, plan)] == [["model.activation"]]
    assert attempts_for(Verdict((settled,)), readings, plan) == []
    readings.last.valid.error = 0.3  # it learned
    assert attempts_for(Verdict((untried,)), readings, plan) == []


def test_nothing_is_tried_on_a_healthy_training_or_on_suspicion_alone() -> None:
    readings = Readings()
    readings.branches = [gained("rate", 0.1, 0.3)]
    assert attempts_for(Verdict(), readings, Plan()) == []
    assert attempts_for(Verdict((finding("rate_too_high"),)), Readings(), Plan()) == []


def test_of_what_learned_nothing_the_usual_rate_is_tried_where_no_copy_found_one() -> None:
    plan, readings = Plan().but({"training.optimizer": "sgd", "training.learning_rate": 30.0}), Readings()
    verdict = Verdict((finding("rate_too_high"), finding("stopped_too_early")))
    readings.program.task, readings.answers.counts = "classes", [50] * 10
    readings.last.valid = Judged(rows=100, loss=2.3, error=0.9, error_se=0.03)
    first, second = attempts_for(verdict, readings, plan)
    assert (first.changes["training.learning_rate"], first.changes["training.optimizer"]) == (1e-3, "adam")
    assert (first.against, "training.epochs" in second.changes) == ("learning rate too high", True)
    readings.last.valid.error = 0.3  # it learned, so that the suspicion alone is no reason
    assert [each.against for each in attempts_for(verdict, readings, plan)] == ["stopped too early"]


def test_where_a_whole_training_is_the_proof_it_is_made() -> None:
    tried = attempts_for(Verdict((finding("overfitting"),)), Readings(), Plan().but({"model": "mlp"}))
    assert tried[0].changes["model.dropout"] == 0.3


@pytest.mark.parametrize(
    ("gain", "rows", "better"), [(0.5, 40, True), (0.02, 100, False), (0.02, 4000, True), (-0.5, 40, False)]
)
def test_only_a_sure_gain_counts(gain: float, rows: int, better: bool) -> None:
    torch.manual_seed(0)
    before = (torch.rand(rows) < 0.5).float()
    flipped = torch.arange(rows) < round(abs(gain) * rows)
    before = torch.where(flipped, 1.0 if gain > 0 else 0.0, before)
    after = torch.where(flipped, 0.0 if gain > 0 else 1.0, before)
    # As many changes of mind again that even out.
    evened = torch.arange(rows) >= rows - 2 * (rows // 20)
    after = torch.where(evened, (torch.arange(rows) % 2).float(), after)
    before = torch.where(evened, ((torch.arange(rows) + 1) % 2).float(), before)
    compared = compare(before, after)
    assert compared.gain == pytest.approx(gain, abs=1e-6)
    assert compared.better is better


def test_one_row_more_is_no_proof() -> None:
    before, after = torch.zeros(50), torch.zeros(50)
    before[0] = 1.0
    assert not compare(before, after).better


def test_rare_classes_count_where_they_were_ignored() -> None:
    targets = torch.tensor([0] * 90 + [1] * 10)
    before, after = targets.float(), (1 - targets.float()) * 0.3  # the rare class is learned, at a price for the common one
    weights = row_weights(Verdict((finding("imbalance"),)), targets)
    assert row_weights(Verdict((finding("overfitting"),)), targets) is None
    assert not compare(before, after).better
    assert compare(before, after, weights=weights).gain == pytest.approx(0.5 - 0.15, abs=1e-6)


def test_the_story_tells_what_helped_and_what_did_not() -> None:
    readings = Readings()
    readings.branches = [gained("rate", 0.1, 0.3), gained("clip", 1.0, 0.01)]
    assert [each["helped"] for each in told_trials(readings)] == [True, False]
    attempt = attempts_for(Verdict((finding("rate_too_high"),)), readings, Plan())[0]
    worse = told_attempt(attempt, compare(torch.zeros(20), torch.ones(20)), measure="share wrong")
    assert worse["helped"] is False
    assert "worse" in worse["text"]
    assert told_attempt(attempt, None, measure="", failed="It ran away.")["text"].endswith("It ran away.")
    assert told_seen(Verdict(outcome="Right for 97 %."))[0]["text"] == "Nothing was found that needs mending. Right for 97 %."
