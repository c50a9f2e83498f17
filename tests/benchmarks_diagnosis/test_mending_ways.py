"""In which order the changes that a verdict asks for are tried."""

from __future__ import annotations

from mending_ways import ways_to_mend

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Branch, Readings


def found(*kinds: str, confirmed: tuple[str, ...] = ()) -> Verdict:
    return Verdict(tuple(Finding(kind, "severe", 0.8, (), "Because.", confirmed=kind in confirmed) for kind in kinds))


def tried(change: str, argument: float | str | None, gain: float, *, steps: int = 50) -> Branch:
    return Branch(change, argument, steps, [1.0], [2.0], gain=gain, gain_se=0.05)


def of_steps(steps: int = 60) -> Readings:
    """Of a training in which no rule suspects anything."""
    readings = Readings()
    readings.program.steps, readings.last.slope, readings.last.slope_se = steps, 0.1, 0.01
    return readings


def test_a_healthy_training_is_left_alone() -> None:
    readings = of_steps()
    readings.branches = [tried("rate", 0.1, 0.5)]
    assert ways_to_mend(Verdict(), readings) == []


def test_each_kind_has_its_first_change_before_any_has_its_second() -> None:
    verdict = found("dead_units", "mode_mismatch", confirmed=("mode_mismatch",))
    ways = ways_to_mend(verdict, of_steps())
    assert [(way.kind, way.change) for way in ways[:4]] == [
        ("mode_mismatch", "training_mode"),
        ("dead_units", "initialize"),
        ("mode_mismatch", "batch"),
        ("dead_units", "activation"),
    ]
    assert [way.confirmed for way in ways[:2]] == [True, False]


def test_what_gained_in_a_trial_comes_first_and_what_gained_nothing_not_at_all() -> None:
    readings = of_steps()
    readings.branches = [tried("activation", "leaky_relu", 0.0), tried("initialize", "auto", 0.2), tried("rate", 0.1, 0.4)]
    ways = ways_to_mend(found("dead_units"), readings)
    assert [way.text for way in ways] == ["rate(0.1)", "initialize(auto)"]


def test_a_trial_that_was_far_shorter_than_the_training_rules_nothing_out() -> None:
    readings = of_steps(6000)
    readings.branches = [tried("activation", "leaky_relu", 0.0)]
    assert "activation(leaky_relu)" in [way.text for way in ways_to_mend(found("dead_units"), readings)]


def test_what_is_certain_is_changed_though_it_gained_nothing_alone() -> None:
    readings = of_steps()
    readings.branches = [tried("head", "auto", 0.0)]
    verdict = found("head_or_loss_wrong", confirmed=("head_or_loss_wrong",))
    assert next(way for way in ways_to_mend(verdict, readings) if way.change == "head").certain
    readings.branches = [tried("head", "auto", 0.4)]
    way = ways_to_mend(verdict, readings)[0]
    assert (way.text, way.certain) == ("head(auto)", False)


def test_what_gained_beside_another_change_comes_after_it_or_with_it() -> None:
    readings = of_steps()
    readings.beside_change, readings.further = "head(auto)", [tried("clip", 1.0, 0.01), tried("rate", 10.0, 0.3)]
    ways = ways_to_mend(found("head_or_loss_wrong", confirmed=("head_or_loss_wrong",)), readings)
    assert [(way.kind, way.text) for way in ways[:2]] == [("head_or_loss_wrong", "head(auto)"), ("rate_too_low", "rate(10)")]
    readings.beside_change = "initialize(auto)"
    ways = ways_to_mend(found("bad_initialization"), readings)
    assert [way.text for way in ways] == ["initialize(auto) & rate(10)", "initialize(auto)"]
    assert [way.confirmed for way in ways] == [True, False]


def test_last_resorts_come_last() -> None:
    readings = Readings()
    readings.drill.error, readings.drill.rows, readings.drill.steps = 0.5, 32, 300
    readings.program.steps, readings.last.slope, readings.last.slope_se = 100, -0.5, 0.01
    kinds = [way.kind for way in ways_to_mend(found("imbalance", confirmed=("imbalance",)), readings)]
    assert kinds.index("stopped_too_early") < kinds.index("one_batch")


def test_what_goes_on_from_the_end_is_a_longer_training_from_the_start() -> None:
    readings = of_steps()
    readings.branches = [tried("go_on", 1.0, 0.3)]
    readings.program.steps, readings.last.slope, readings.last.slope_se = 100, -0.5, 0.01
    ways = ways_to_mend(found("stopped_too_early", confirmed=("stopped_too_early",)), readings)
    assert next(way.text for way in ways if way.kind == "stopped_too_early") == "longer(2)"
    assert not any(way.change == "go_on" for way in ways)


def test_what_is_only_suspected_comes_last() -> None:
    readings = Readings()
    readings.program.steps, readings.last.slope, readings.last.slope_se = 20, -0.5, 0.01
    ways = ways_to_mend(found("imbalance", confirmed=("imbalance",)), readings)
    assert [way.kind for way in ways[:2]] == ["imbalance", "stopped_too_early"]
    assert not ways[1].confirmed
