"""What stands in the place of an outcome before there is one, judged from readings alone."""

from __future__ import annotations

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.rules.before import judge_before, outcome_before, worth_trying_before


def readings(**drill: object) -> Readings:
    """Of 32 rows of ten classes, and a network that could hold them."""
    made = Readings()
    made.program.task, made.program.trainable = "classes", 5000
    made.answers.output_shape = [32, 10]
    made.first.finite = True
    made.drill.rows = 32
    for name, value in drill.items():
        setattr(made.drill, name, value)
    return made


def test_a_batch_that_is_not_learned_raises_the_alarm_only_where_it_could_have_been() -> None:
    assert [each.kind for each in judge_before(readings(error=0.6, steps=300))] == ["one_batch"]
    assert not judge_before(readings(error=0.6, steps=40))  # there was no time
    assert not judge_before(readings(error=0.1, steps=300))
    small = readings(error=0.6, steps=300)
    small.program.trainable = 300  # a linear model of few inputs cannot hold them
    assert not judge_before(small)


def test_what_is_only_suspected_is_a_remark_until_a_trial_gains() -> None:
    made = readings(error=0.0, steps=25)
    made.columns.features, made.columns.std = 4, 1000.0
    verdict = judge_before(made)
    assert not verdict
    assert [each.kind for each in verdict.remarks] == ["inputs_not_prepared"]
    assert worth_trying_before(made) == [("standardize", None)]
    made.branches = [Branch("standardize", None, 100, [0.2], [0.9], [0.1], [0.5], gain=0.4, gain_se=0.02)]
    assert [each.kind for each in judge_before(made)] == ["inputs_not_prepared"]
    made.branches[0].gain_se = 0.3
    assert not judge_before(made)


def test_layers_that_collapse_are_a_fault_only_where_more_than_one_layer_is_needed() -> None:
    made = readings(error=0.0, steps=25)
    made.graph.linear_chains, made.graph.depth = [["0", "2"]], 2
    made.beside.valid_error = {"constant": 0.5, "linear": 0.1, "neighbours": 0.1, "trees": 0.12}
    made.beside.valid_se = dict.fromkeys(made.beside.valid_error, 0.01)
    assert not judge_before(made)
    made.beside.valid_error["linear"] = 0.4
    (found,) = judge_before(made)
    assert (found.kind, found.confirmed) == ("no_nonlinearity", True)
    assert found.cause.endswith("The error of a linear model is 40 %, that of nearest neighbours 10 %.")


def test_where_no_simple_method_finds_anything_it_is_a_remark() -> None:
    made = readings(error=0.0, steps=25)
    made.beside.valid_error = {"constant": 0.5, "linear": 0.5, "neighbours": 0.49, "trees": 0.52}
    made.beside.valid_se = dict.fromkeys(made.beside.valid_error, 0.02)
    verdict = judge_before(made)
    assert (len(verdict), [each.kind for each in verdict.remarks]) == (0, ["input_ignored"])


def test_a_rate_far_outside_of_the_range_is_a_finding_and_one_near_its_edge_is_none() -> None:
    made = readings(error=0.0, steps=25)
    rates = made.rates
    rates.falls_from, rates.falls_to, rates.diverged, rates.recommended = 1e-3, 0.1, 0.3, 0.01
    made.program.rate, made.program.optimizer = 1.0, "SGD"
    for own, kind in ((1.0, ["rate_too_high"]), (0.15, []), (1e-3, []), (1e-4, []), (1e-6, ["rate_too_low"])):
        rates.own = made.program.rate = own
        verdict = judge_before(made)
        assert [each.kind for each in verdict] == kind, own
        if verdict:
            assert verdict[0].remedy.says == "Take a learning rate of 0.01."
            assert verdict[0].remedy.code == "optimizer = torch.optim.SGD(model.parameters(), lr=0.01)"


def test_nothing_known_is_nothing_said() -> None:
    assert not outcome_before(Readings()).bad
    verdict = judge_before(Readings())
    assert (len(verdict), verdict.outcome, verdict.checked) == (0, "", ())
