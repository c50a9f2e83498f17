"""The faults do what they say, to what they say, and to nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import BY_NAME, FAMILIES
from fault_changes import SPLITS
from faults import FAULT, FAULTS, PAIRS, configuration_for, faulty, injections, parts_of
from programs import build
from recipe import Recipe
from torch import nn

from leadline.diagnose import KINDS


def spoiled(name: str, family: str, place: int = 0, configuration: str | None = None) -> tuple[Recipe, Recipe]:
    chosen = configuration or configuration_for(BY_NAME[family], [FAULT[name]])
    assert chosen, (name, family)
    recipe = BY_NAME[family].recipe(chosen, 0)
    return recipe, faulty(recipe, name, (place,), 0)


def test_there_are_enough_families_in_both_halves_and_healthy_trainings() -> None:
    assert len(FAMILIES) >= 14
    assert min(sum(family.half == half for family in FAMILIES) for half in ("tune", "report")) >= 7
    assert all(len(family.configurations) >= 3 for family in FAMILIES)
    assert 5 * sum(len(family.configurations) for family in FAMILIES) >= 300


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_names_kinds_that_exist_and_fits_somewhere(fault: object) -> None:
    assert fault.kinds  # type: ignore[attr-defined]
    assert set(fault.kinds + fault.also) <= set(KINDS)  # type: ignore[attr-defined]
    assert any(configuration_for(family, [fault]) for family in FAMILIES)  # type: ignore[list-item]


def test_every_injection_changes_the_program_and_leaves_the_healthy_rows_alone() -> None:
    seen = 0
    for name, places, family, configuration in injections(limit=1):
        recipe = BY_NAME[family].recipe(configuration, 0)
        before = {split: [part.clone() for part in getattr(recipe.arrays, split)] for split in SPLITS}
        changed = faulty(recipe, name, places, 0)
        for split in SPLITS:
            for own, kept in zip(getattr(recipe.arrays, split), before[split], strict=True):
                assert torch.equal(own, kept), (name, family)
        differs = [field for field in vars(recipe) if field != "arrays" and getattr(recipe, field) != getattr(changed, field)]
        rows = [
            split
            for split in SPLITS
            for own, other in zip(getattr(recipe.arrays, split), getattr(changed.arrays, split), strict=True)
            if own.shape != other.shape or not torch.equal(own.nan_to_num(7.5), other.nan_to_num(7.5))
        ]
        assert differs or rows, (name, places, family, configuration)
        seen += 1
    assert seen > 150


def test_the_same_seed_injects_the_same_and_another_does_not() -> None:
    recipe = BY_NAME["moons"].recipe("adam", 0)
    one, two, other = (faulty(recipe, "labels shuffled", (1,), seed).arrays.train[1] for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("place", "share"), [(0, 0.2), (1, 0.5), (2, 1.0)])
def test_so_many_labels_are_shuffled_and_the_clean_test_set_is_not(place: int, share: float) -> None:
    healthy, changed = spoiled("labels shuffled", "digits mlp", place)
    wrong = (healthy.arrays.train[1] != changed.arrays.train[1]).float().mean()
    assert float(wrong) == pytest.approx(0.9 * share, abs=0.04)  # one in ten gets its own label again
    assert torch.equal(healthy.arrays.test[1], changed.arrays.test[1])


def test_columns_get_units_of_their_own_the_same_in_all_splits() -> None:
    healthy, changed = spoiled("columns unscaled", "friedman", 1)
    factors = [getattr(changed.arrays, split)[0] / getattr(healthy.arrays, split)[0] for split in SPLITS]
    for factor in factors:
        torch.testing.assert_close(factor, factors[0][:1].expand_as(factor), rtol=1e-4, atol=0)
    assert float(factors[0].max() / factors[0].min()) > 1e3


def test_held_out_rows_are_training_rows_in_such_a_share() -> None:
    _, changed = spoiled("training rows held out", "friedman", 1)
    known = {row.numpy().tobytes() for row in changed.arrays.train[0]}
    copies = np.mean([row.numpy().tobytes() in known for row in changed.arrays.valid[0]])
    assert copies == pytest.approx(0.6, abs=0.01)


def test_a_column_knows_the_label_but_not_at_test_time() -> None:
    _, changed = spoiled("label in a column", "friedman", 0)
    for split, least, most in (("train", 0.999, 1.0), ("valid", 0.999, 1.0), ("test", -0.1, 0.1)):
        x, y = getattr(changed.arrays, split)
        assert least <= np.corrcoef(x[:, 0], y.flatten())[0, 1] <= most + 1e-6


def test_sorting_leaves_the_pairs_together() -> None:
    healthy, changed = spoiled("sorted rows, not shuffled", "digits mlp")
    assert bool((changed.arrays.train[1].diff() >= 0).all())
    assert not changed.shuffle
    before = {(x.numpy().tobytes(), int(y)) for x, y in zip(*healthy.arrays.train, strict=True)}
    assert before == {(x.numpy().tobytes(), int(y)) for x, y in zip(*changed.arrays.train, strict=True)}


def test_splitting_by_class_leaves_no_row_out() -> None:
    healthy, changed = spoiled("split by class", "digits mlp", 1)
    together = [torch.cat([recipe.arrays.train[1], recipe.arrays.valid[1]]).bincount() for recipe in (healthy, changed)]
    assert torch.equal(*together)
    assert len(changed.arrays.valid[1].unique()) <= 3


def test_every_other_class_becomes_rare() -> None:
    _, changed = spoiled("classes undersampled", "digits mlp", 1)
    counts = changed.arrays.train[1].bincount(minlength=10)
    assert 1 <= int(counts[1::2].max()) <= 10
    assert int(counts[::2].min()) > 60


def test_sunken_biases_silence_the_hidden_units() -> None:
    _, changed = spoiled("biases sunk", "digits mlp", 2, "adam")
    model = build(changed, 0)
    hidden = model[:2](changed.arrays.train[0])  # type: ignore[index]
    assert float((hidden > 0).float().mean()) < 0.05


def test_weights_all_the_same_make_units_alike() -> None:
    _, changed = spoiled("weights all the same", "digits mlp", 1)
    model = build(changed, 0)
    first = next(module for module in model.modules() if isinstance(module, nn.Linear))
    assert torch.equal(first.weight, torch.full_like(first.weight, 0.03))
    assert not first.bias.any()


def test_a_sigmoid_stack_is_as_deep_as_its_strength() -> None:
    _, changed = spoiled("sigmoid stack", "digits mlp", 2)
    layers = list(build(changed, 0).modules())
    assert sum(isinstance(layer, nn.Sigmoid) for layer in layers) == 10
    assert not any(isinstance(layer, nn.ReLU) for layer in layers)


def test_a_kept_body_stays_frozen_whatever_is_injected() -> None:
    for name, places, family, configuration in injections(limit=len(FAMILIES)):
        if family == "transfer":
            recipe = faulty(BY_NAME["transfer"].recipe(configuration, 0), name, places, 0)
            assert not any(each.requires_grad for each in build(recipe, 0).body.parameters()), name  # type: ignore[union-attr]


def test_pairs_have_both_faults() -> None:
    assert len(PAIRS) >= 12
    name = "softmax before cross entropy + rate too low"
    recipe = BY_NAME["spirals"].recipe("adam", 0)
    changed = faulty(recipe, name, (0, 1), 0)
    assert (changed.head, changed.rate) == ("softmax", pytest.approx(recipe.rate / 100))
    assert [fault.name for fault in parts_of(name)] == name.split(" + ")
