"""Monte-Carlo dropout: only dropout draws, the figures are those of all masks, and modes and random state come back."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.drop_path import DropPath
from leadline.layers.fast_dropout import FastDropout
from leadline.layers.locked_dropout import LockedDropout
from leadline.layers.peephole import PeepholeLSTM
from leadline.training.monte_carlo import Thinned, dropout_active, sample_classes, sample_numbers

DROPOUTS = {
    "Dropout": (nn.Dropout(0.5), (4, 6)),
    "Dropout1d": (nn.Dropout1d(0.5), (4, 6, 2)),
    "Dropout2d": (nn.Dropout2d(0.5), (4, 6, 2, 2)),
    "Dropout3d": (nn.Dropout3d(0.5), (4, 6, 2, 2, 2)),
    "AlphaDropout": (nn.AlphaDropout(0.5), (4, 6)),
    "FeatureAlphaDropout": (nn.FeatureAlphaDropout(0.5), (4, 6, 2)),
    "DropPath": (DropPath(0.5), (40, 6)),
    "LockedDropout": (LockedDropout(0.5), (4, 6, 2)),
    "FastDropout": (FastDropout(0.5), (4, 6)),
    "LSTM": (nn.LSTM(2, 8, 2, dropout=0.5, batch_first=True), (4, 6, 2)),
    "GRU": (nn.GRU(2, 8, 2, dropout=0.5, batch_first=True), (4, 6, 2)),
    "PeepholeLSTM": (PeepholeLSTM(2, 8, layers=2, dropout=0.5), (4, 6, 2)),
    "TransformerEncoder": (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.5, batch_first=True), 2), (4, 6, 8)),
}


def first(outputs: object) -> Tensor:
    return outputs[0] if isinstance(outputs, tuple) else outputs  # type: ignore[return-value]


@pytest.mark.parametrize("name", DROPOUTS)
def test_every_kind_of_dropout_draws_in_a_model_that_evaluates(name: str) -> None:
    layer, shape = DROPOUTS[name]
    model, x = layer.eval(), torch.ones(shape)
    with torch.no_grad():
        assert torch.equal(first(model(x)), first(model(x)))
        with dropout_active(model):
            assert not torch.allclose(first(model(x)), first(model(x)))
        assert torch.equal(first(model(x)), first(model(x)))


def test_batch_norm_only_evaluates_and_every_mode_comes_back() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.0), DropPath(0.2)))
    model.train()
    model[2].eval()
    before = [module.training for module in model.modules()]
    running = model[1].running_mean.clone()  # type: ignore[union-attr,operator]
    with pytest.raises(KeyError), dropout_active(model) as drawing:  # noqa: PT012 - the error has to come from within
        assert drawing == ["2", "3.1"]
        assert not model[1].training
        model(torch.randn(5, 3))
        raise KeyError
    assert [module.training for module in model.modules()] == before
    assert torch.equal(model[1].running_mean, running)  # type: ignore[arg-type]


def masked(p: float) -> tuple[nn.Module, Tensor, list[tuple[float, Tensor]]]:
    """A network whose four hidden values may each be silent: all sixteen masks, each with its probability and its outputs."""
    torch.manual_seed(0)
    head = nn.Linear(4, 3).double()
    x = 4 * torch.randn(2, 4, dtype=torch.float64)
    masks = []
    for mask in itertools.product([0.0, 1.0], repeat=4):
        kept = sum(mask)
        outputs = head(x * torch.tensor(mask, dtype=torch.float64) / (1 - p)).detach()
        masks.append((p ** (4 - kept) * (1 - p) ** kept, outputs))
    return nn.Sequential(nn.Dropout(p), head), x, masks


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_numbers_come_to_the_mean_over_all_masks(p: float) -> None:
    model, x, masks = masked(p)
    found = sample_numbers(model, x, samples=6000, seed=1)
    mean = sum(weight * y for weight, y in masks)
    spread = sum(weight * (y - mean).square() for weight, y in masks).sqrt()  # type: ignore[union-attr]
    assert bool(((found.mean - mean).abs() < 5 * spread / math.sqrt(6000)).all())  # type: ignore[operator]
    assert torch.allclose(found.spread, spread, rtol=0.1)
    assert found.mean.dtype == torch.float64


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_classes_come_to_the_doubt_over_all_masks(p: float) -> None:
    model, x, masks = masked(p)
    found = sample_classes(model, x, samples=6000, seed=1)
    mean = sum(weight * y.softmax(1) for weight, y in masks).numpy()  # type: ignore[union-attr]
    within = sum(weight * -(y.softmax(1) * y.log_softmax(1)).sum(1) for weight, y in masks).numpy()  # type: ignore[union-attr]
    entropy = -(mean * np.log(mean)).sum(1)
    assert found.mean.numpy() == pytest.approx(mean, abs=0.03)
    assert found.entropy.numpy() == pytest.approx(entropy, abs=0.03)
    assert found.information.numpy() == pytest.approx(entropy - within, abs=0.03)
    assert (entropy - within).min() > 0.05, "the test would see nothing"


def test_the_figures_are_those_of_the_samples() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 4)), torch.randn(5, 3)
    found = sample_classes(model, x, samples=7, seed=3)
    numbers = sample_numbers(model, x, samples=7, seed=3)
    torch.manual_seed(3)
    with torch.no_grad():
        outputs = torch.stack([model(x).double() for _ in range(7)])
    p = outputs.softmax(2)
    assert torch.allclose(numbers.mean, outputs.mean(0))
    assert torch.allclose(numbers.spread, outputs.std(0))
    assert torch.allclose(found.mean, p.mean(0))
    assert torch.allclose(found.spread, p.std(0))


def test_a_seed_repeats_it_and_leaves_torchs_own_state() -> None:
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), torch.randn(2, 3)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one = sample_numbers(model, x, samples=5, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(sample_numbers(model, x, samples=5, seed=1).spread, one.spread)
    assert not torch.equal(sample_numbers(model, x, samples=5).spread, sample_numbers(model, x, samples=5).spread)
    assert not one.mean.requires_grad


def test_where_the_masks_agree_there_is_nothing_to_learn() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3))
    with torch.no_grad():
        model[1].weight.zero_()  # type: ignore[operator]
    found = sample_classes(model, torch.randn(2, 2), samples=5)
    assert found.information.tolist() == pytest.approx([0, 0], abs=1e-12)
    assert bool((found.information >= 0).all())
    assert bool((found.entropy > 0).all())


def test_bad_arguments() -> None:
    x = torch.zeros(1, 3)
    with pytest.raises(ArgumentError, match="Sequential has no dropout that could draw"):
        sample_numbers(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.0)), x)
    with pytest.raises(ArgumentError, match="too few samples.*at least 2; got 1"):
        sample_numbers(nn.Dropout(0.5), x, samples=1)
    model = nn.Sequential(nn.Dropout(0.5)).train()
    with pytest.raises(ArgumentError, match=r"no logits of classes.*\[B, K\]; got \[3\]") as caught:
        sample_classes(model.eval(), torch.zeros(3))
    assert not model[0].training, caught  # while the error is still alive


def test_a_thinned_network_answers_with_the_mean_probabilities_of_its_samples() -> None:
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
    x = torch.randn(6, 4)
    expected = sample_classes(network, x, samples=40, seed=7).mean
    found = Thinned(network, "classes", samples=40, seed=7)(x).softmax(1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_a_network_without_dropout_cannot_be_thinned() -> None:
    with pytest.raises(ArgumentError, match="no dropout"):
        Thinned(nn.Linear(2, 2), "classes")


def test_one_sample_is_refused_when_the_network_is_thinned() -> None:
    with pytest.raises(ArgumentError, match="too few samples"):
        Thinned(nn.Dropout(0.5), "classes", samples=1)
