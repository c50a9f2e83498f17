"""What is tried beside a first change, and when what gained there is believed."""

from __future__ import annotations

from leadline.diagnose.readings import Branch, Judged, LayerFacts, Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.rules.second_faults import changes_beside, worth_trying_beside
from leadline.diagnose.rules.suspicions import Candidate


def too_wide(error: float = 0.6) -> Readings:
    """First weights that are twenty times too large, in a classifier that answers badly."""
    readings = Readings()
    readings.program.task, readings.program.classes, readings.program.steps = "classes", 4, 400
    readings.program.layers = [LayerFacts(name, "Linear", 400, 20, 6.0, 0.3) for name in ("0", "2")]
    readings.answers.counts = [100] * 4
    readings.last.valid = readings.last.train = Judged(400, 1.3, error, 0.02, 0.02)
    readings.beside.valid_error, readings.beside.valid_se = {"constant": 0.75, "linear": 0.1}, {"linear": 0.02}
    readings.last.slope, readings.last.slope_se = -0.4, 0.01
    return readings


def trial(change: str, argument: float | str | None, gain: float, error: float, *, steps: int = 400) -> Branch:
    return Branch(change, argument, steps, [error], [error + gain], [error], [error + gain], gain=gain, gain_se=0.02)


def test_where_nothing_gains_alone_the_clearest_is_made_first() -> None:
    readings = too_wide()
    readings.branches = [trial("initialize", "auto", 0.01, 0.6), trial("go_on", 1.0, 0.0, 0.6)]
    found = worth_trying_beside(readings)
    assert found is not None
    change, others = found
    assert change == ("initialize", "auto")
    assert ("longer", 3.0) in others
    assert others[-2:] == [("rate", 0.1), ("rate", 10.0)]
    readings.program.layers = []
    assert worth_trying_beside(readings) is None


def test_where_the_first_mends_it_only_more_steps_are_tried() -> None:
    readings = too_wide()
    readings.branches = [trial("initialize", "auto", 0.5, 0.1)]
    assert worth_trying_beside(readings) == (("initialize", "auto"), [("longer", 3.0)])
    readings.branches = [trial("initialize", "auto", 0.5, 0.1, steps=100)]  # of which shorter copies say nothing
    assert worth_trying_beside(readings) is None


def test_nothing_is_tried_beside_in_what_came_out_well() -> None:
    readings = too_wide(0.1)
    readings.branches = [trial("initialize", "auto", 0.5, 0.1)]
    assert worth_trying_beside(readings) is None


def test_each_suspicion_has_its_first_change_before_any_has_its_second() -> None:
    likely = Candidate("dead_units", 0.9, "", changes=(("initialize", "auto"), ("activation", "leaky_relu"), ("rate", 0.1)))
    other = Candidate("over_regularized", 0.4, "", changes=(("no_dropout", None), ("no_decay", None)))
    wanted = changes_beside(["head"], [other, likely], whole=False)
    assert wanted == [
        ("initialize", "auto"),
        ("no_dropout", None),
        ("activation", "leaky_relu"),
        ("no_decay", None),
        ("rate", 0.1),
        ("rate", 10.0),
    ]
    assert changes_beside(["initialize", "rate"], [likely], whole=False) == [("activation", "leaky_relu")]


def test_what_gains_beside_another_and_ends_worse_than_the_training_did_confirms_nothing() -> None:
    for ended, confirmed in ((0.3, True), (0.7, False)):
        readings = too_wide()
        readings.branches = [trial("initialize", "auto", 0.01, 0.6), trial("go_on", 1.0, 0.0, 0.6)]
        readings.beside_change, readings.further = "initialize(auto)", [trial("longer", 3.0, 0.3, ended)]
        found = {each.kind: each.confirmed for each in judge_readings(readings)}
        assert found.get("stopped_too_early", False) is confirmed
