"""The ways of stacked convolutions in a Plan: spelled, refused, measured, written down, and kept to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import leadline
from leadline.data import Dataset, load
from leadline.errors import PlanError
from leadline.plan import Plan, measure, propose
from leadline.plan.populations import build_population
from leadline.plan.stacked_convolutions import times_as_text, ways_as_text, ways_by_layer
from leadline.training.population import stacking
from leadline.training.population.convolving import WAYS

pytestmark = pytest.mark.usefixtures("brief")

MANY: dict[str, Any] = {
    "model": "convnet",
    "model.width": 2,
    "model.stages": 2,
    "model.convolutions": 1,
    "training.device": "cpu",
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.batch": 16,
    "training.epochs": 2,
    "start.restarts": 3,
    "start.together": "stacked",
}


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 256, (80, 8, 8, 1), dtype=np.uint8)
    return load(inputs, (inputs.mean(axis=(1, 2, 3)) > 127).astype(np.int64))


@given(st.lists(st.sampled_from(sorted(WAYS)), max_size=6))
def test_what_is_written_is_read_again(words: list[str]) -> None:
    layers = {str(number): nn.Conv2d(1, 1, 1) for number in range(len(words))}
    ways = dict(zip(layers, words, strict=True))
    text = ways_as_text(ways, layers)
    assert ways_by_layer(text, layers) == ways
    assert ("," in text) == (len(set(words)) > 1)
    assert ways_as_text({}, layers) == "auto"


def test_a_plan_carries_them_in_toml_and_json() -> None:
    plan = Plan().but({"start.convolutions": "grouped, looped"})
    assert Plan.from_toml(plan.to_toml()).start == plan.start
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan().start.convolutions == "auto"


@pytest.mark.parametrize("text", ["grouped, loped", "", "auto, grouped", "grouped;looped"])
def test_what_is_no_way_is_refused_before_there_are_data(text: str) -> None:
    with pytest.raises(PlanError, match="There is no way of convolving.*Expected one of auto, grouped, looped, unfolded"):
        Plan().but({"start.convolutions": text})


@pytest.mark.parametrize("text", ["grouped, grouped, looped", "grouped,looped,unfolded,looped"])
def test_more_ways_than_convolutions_are_refused(text: str, pictures: Dataset) -> None:
    with pytest.raises(PlanError, match=r"start.convolutions has [34] ways. Expected one for each of the 2 convolutions"):
        build_population(propose(pictures, MANY | {"start.convolutions": text}), pictures)


def test_a_way_that_a_layer_cannot_go_is_refused() -> None:
    layers = {"0": nn.Conv2d(1, 4, 3), "1": nn.Conv2d(4, 4, 3, groups=2)}
    with pytest.raises(PlanError, match="convolution '1', Conv2d.*groups=2.*cannot be unfolded.*grouped or looped"):
        ways_by_layer("unfolded", layers)
    assert ways_by_layer("unfolded, looped", layers) == {"0": "unfolded", "1": "looped"}


def test_what_was_measured_is_written_with_its_times(pictures: Dataset) -> None:
    plan = measure(propose(pictures, MANY), pictures).plan
    words = plan.start.convolutions.split(", ")
    assert set(words) <= set(WAYS)
    assert len(words) in (1, 2)
    why = plan.why["start.convolutions"]
    assert why.startswith("measured for 3 networks, forward and backward: '0' grouped ")
    times = {word: float(why.split(f"{word} ")[1].split(" ms")[0]) for word in WAYS}
    assert times[words[0]] == min(times.values())
    again = measure(plan, pictures).plan
    assert again.start == plan.start
    assert again.why["start.convolutions"] == why


def test_where_nothing_is_convolved_there_is_nothing_to_settle(pictures: Dataset) -> None:
    changes = {key: value for key, value in MANY.items() if not key.startswith("model")} | {"model": "mlp"}
    plan = measure(propose(pictures, changes), pictures).plan
    assert plan.start.convolutions == "auto"
    assert "start.convolutions" not in plan.why


def test_the_ways_of_a_person_are_kept_to(pictures: Dataset) -> None:
    plan = measure(propose(pictures, MANY | {"start.convolutions": "looped, unfolded"}), pictures).plan
    assert plan.start.convolutions == "looped, unfolded"
    assert plan.why["start.convolutions"] == "chosen by you"
    assert list(build_population(plan, pictures).population.ways.values()) == ["looped", "unfolded"]


def test_the_plan_of_a_run_trains_to_the_same_bits_without_measuring(
    pictures: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if another way were the fastest whenever it is measured.
    turns = iter(range(1000))
    monkeypatch.setattr(
        stacking, "time_ways", lambda *given: {way: float((place - next(turns)) % 3) for place, way in enumerate(WAYS)}
    )
    run = leadline.train(pictures, changes=MANY, folder=tmp_path / "first")
    assert run.plan.start.convolutions != "auto"
    monkeypatch.setattr(stacking, "time_ways", lambda *given: pytest.fail("it was measured again"))
    again = leadline.train(pictures, run.plan, folder=tmp_path / "again")
    assert again.plan.start == run.plan.start
    for one, other in zip(run.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_only_a_few_convolutions_are_told_one_by_one() -> None:
    times = {str(number): {"grouped": 0.001} for number in range(9)}
    assert times_as_text(times, 2).endswith("'3' grouped 1.00 ms; and 5 more")
