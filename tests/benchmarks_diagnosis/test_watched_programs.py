"""The loop of the programs: what a setting does to a training, and that watching it changes nothing."""

from __future__ import annotations

import math

import pytest
import torch
from families import BY_NAME, FAMILIES
from faults import faulty
from judging import chance, score
from peer_signals import Signals
from programs import build, optimizer_of, same_weights, schedule_of, train
from recipe import Recipe
from sources import rows_of
from torch import nn

from leadline.diagnose import watch


def short(family: str, configuration: str | None = None, **changes: object) -> Recipe:
    chosen = configuration or next(iter(BY_NAME[family].configurations))
    return BY_NAME[family].recipe(chosen, 0).but(**{"epochs": 2, **changes})


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_configuration_runs_and_judges(family: object) -> None:
    for configuration in family.configurations:  # type: ignore[attr-defined]
        recipe = family.recipe(configuration, 0).but(epochs=1)  # type: ignore[attr-defined]
        run = train(recipe, 0)
        assert not run.crashed
        assert len(run.losses) == math.ceil(len(recipe.arrays.train[0]) / recipe.batch)
        assert math.isfinite(run.clean)
        assert math.isfinite(run.history[0]["valid_loss"])


@pytest.mark.parametrize(
    ("family", "configuration"), [("table", "dropout"), ("digits convnet", "normalized"), ("lstm", "adam")]
)
def test_watching_and_taking_signals_change_no_bit(family: str, configuration: str) -> None:
    recipe = short(family, configuration, mode="train" if configuration == "normalized" else "proper")
    plain = train(recipe, 3)
    signals = Signals(recipe)
    assert same_weights(plain.model, train(recipe, 3, observer=signals).model)
    watched = train(recipe, 3, watch=watch)
    assert same_weights(plain.model, watched.model)
    assert watched.probe.count == len(plain.losses)
    assert not same_weights(plain.model, train(recipe, 4).model)
    assert len(signals.record["checks"]) == 3


def test_a_program_learns_what_it_should() -> None:
    recipe = BY_NAME["moons"].recipe("momentum", 0).but(epochs=15)
    run = train(recipe, 0)
    assert run.clean > 0.9 > chance(recipe.arrays, recipe.metric)
    assert run.history[-1]["loss"] < run.history[0]["loss"]


@pytest.mark.parametrize("held", ["head", "not first", "last bias", "a copy"])
def test_what_the_optimizer_does_not_hold_stays(held: str) -> None:
    recipe = short("digits mlp", "adam", held=held, epochs=1)
    before, after = (dict(model.named_parameters()) for model in (build(recipe, 0), train(recipe, 0).model))
    stayed = {name for name in before if torch.equal(before[name], after[name])}
    names = list(before)
    expected = {"head": names[:-2], "not first": names[:2], "last bias": names[:-1], "a copy": names}[held]
    assert stayed == set(expected)


def test_gradients_that_are_never_zeroed_add_up() -> None:
    recipe = short("logistic", "sgd", rate=0.0, epochs=1, batch=450)
    sums = {}
    for when in ("first", "never"):
        sums[when] = next(iter(train(recipe.but(zero_grad=when), 0).model.parameters())).grad
    whole = short("logistic", "sgd", rate=0.0, epochs=1, batch=900)
    mean = next(iter(train(whole, 0).model.parameters())).grad
    torch.testing.assert_close(sums["never"], 2 * mean, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(sums["never"], sums["first"])


def test_a_loss_made_anew_of_its_value_trains_nothing() -> None:
    recipe = short("table", "adam", backward="value")
    assert same_weights(build(recipe, 0), train(recipe, 0).model)


def test_schedules_begin_and_end_where_they_should() -> None:
    for name, first, middle, last in (("cosine", 1.0, 0.5, 0.0), ("warm-up", 1e-4, 0.5, 1e-4), ("cycles", 1.0, 0.5, 0.02)):
        recipe = short("logistic", "sgd", schedule=name)
        optimizer = optimizer_of(recipe, build(recipe, 0))
        schedule = schedule_of(recipe, optimizer, 600)
        factors = [schedule.lr_lambdas[0](step) for step in (0, 300, 599)]
        assert factors == pytest.approx([first, middle, last], abs=0.02), name


def test_a_truncated_state_carries_no_gradient_past_its_reach() -> None:
    recipe = short("lstm").but(detach="hidden")
    model = build(recipe, 0)
    vectors: list[torch.Tensor] = []
    model.embedding.register_forward_hook(lambda module, given, out: vectors.append(out) or out.retain_grad())  # type: ignore[union-attr]
    model(recipe.arrays.train[0][:4]).sum().backward()
    reached = vectors[0].grad.abs().sum((0, 2)) > 0  # type: ignore[union-attr]
    assert reached.tolist() == [False] * 12 + [True] * 2


def test_scores_are_what_they_are_called() -> None:
    recipe = short("digits mlp")
    targets = torch.tensor([1, 2, 3, 3])
    outputs = nn.functional.one_hot(torch.tensor([1, 2, 3, 0]), 10).float()
    assert score(outputs, targets, recipe) == pytest.approx(0.75)
    assert score(outputs, targets, recipe.but(metric="balanced")) == pytest.approx((1 + 1 + 0.5) / 3)
    number = short("friedman")
    values = torch.randn(100, 1)
    assert score(values, values, number) == pytest.approx(1.0)
    assert score(values.mean().expand(100, 1), values, number) == pytest.approx(0.0, abs=1e-6)
    assert score(torch.full((100, 1), float("nan")), values, number) == -1.0


def test_generated_rows_differ_by_seed_and_bundled_test_rows_do_not() -> None:
    assert not torch.equal(rows_of("moons", 0).test[0], rows_of("moons", 1).test[0])
    assert torch.equal(rows_of("digits", 0).test[0], rows_of("digits", 1).test[0])
    assert not torch.equal(rows_of("digits", 0).train[0], rows_of("digits", 1).train[0])
    for family in FAMILIES:
        assert len(family.recipe(next(iter(family.configurations)), 0).arrays.test[0]) >= (
            147 if family.name in ("table", "diabetes") else 290
        )


def test_a_fault_that_breaks_the_program_is_written_down_not_raised() -> None:
    recipe = faulty(short("table", "adam"), "gaps in inputs", (2,), 0)
    run = train(recipe, 0)
    assert not run.crashed
    assert run.clean < 0.8
    broken = train(short("table", "adam", outputs=1), 0)
    assert "IndexError" in broken.crashed
