"""Whole trainings: batches, early stopping and resuming, against one network after another."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline.data import Classes, Pictures, Schema, Split, Vectors
from leadline.data.batches import Batches
from leadline.data.pictures.augment import Augment
from leadline.errors import ArgumentError, TrainingError
from leadline.losses import cross_entropy
from leadline.models import mlp
from leadline.optim import make_optimizer
from leadline.training import Best, Callback, Checkpoint, Evaluation, History, Supervised, run_loop
from leadline.training import checkpoints as saved
from leadline.training.population import Candidate, Population, PopulationBatches, PopulationBest, PopulationEvaluation
from leadline.training.state import Training

RATES = (0.3, 0.01, 0.001, 0.1)  # the first overfits at once and stops early
ROWS, VALID, BATCH, EPOCHS, PATIENCE = 50, 30, 16, 8, 2


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float().mean()


def split(rows: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 6)).astype(np.float32)
    targets = (inputs[:, 0] + random.normal(size=rows) > 0).astype(np.int64)
    return Split(inputs, targets, [str(row) for row in range(rows)])


TRAIN, HELD_OUT = split(ROWS, 0), split(VALID, 1)
SCHEMA = Schema(Vectors.learn(TRAIN.inputs), Classes(("no", "yes")))


def build(seed: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(seed)
    return mlp((6,), 2, width=16, depth=1, batch_norm=False, dropout=0.2), torch.get_rng_state()


def batches(seed: int) -> Batches:
    return Batches(TRAIN, SCHEMA, BATCH, seed=seed, shuffle=True)


def valid() -> Batches:
    return Batches(HELD_OUT, SCHEMA, 20)


class Alone(NamedTuple):
    model: nn.Module
    history: History
    best: Best


def train_alone(seed: int, patience: int | None = PATIENCE) -> Alone:
    model, _ = build(seed)
    optimizer = make_optimizer("adamw", model, learning_rate=RATES[seed], weight_decay=0.01)
    best = Best("valid_loss", patience=patience)
    evaluate = Evaluation(model, valid(), cross_entropy, {"accuracy": accuracy})
    step = Supervised(model, cross_entropy, optimizer, measures={"accuracy": accuracy})
    return Alone(model, run_loop(step, batches(seed), epochs=EPOCHS, evaluate=evaluate, best=best), best)


class Together(NamedTuple):
    population: Population
    batches: PopulationBatches
    evaluation: PopulationEvaluation
    best: PopulationBest

    def run(self, **options: Any) -> History:
        return run_loop(self.population, self.batches, epochs=EPOCHS, evaluate=self.evaluation, best=self.best, **options)


def together(patience: int | None = PATIENCE, average: float | None = None, **options: Any) -> Together:
    built = [build(seed) for seed in range(len(RATES))]
    candidates = [Candidate(model, rate, 0.9, 0.01, random) for (model, random), rate in zip(built, RATES, strict=True)]
    population = Population(candidates, cross_entropy, measures={"accuracy": accuracy}, average=average)
    served = PopulationBatches([batches(seed) for seed in range(len(RATES))], population)
    evaluation = PopulationEvaluation(population, valid(), cross_entropy, {"accuracy": accuracy}, **options)
    return Together(population, served, evaluation, PopulationBest(evaluation, patience=patience))


def stores(population: Population) -> dict[str, Tensor]:
    return {name: store.clone() for name, store in population.live.stores().items()}


def test_each_network_stops_early_by_itself_and_keeps_its_best_weights() -> None:
    ours = together()
    history = ours.run()
    singles = [train_alone(seed) for seed in range(len(RATES))]
    lengths = [len(curve) for curve in ours.best.curves]
    assert lengths == [len(single.history) for single in singles]
    assert len(set(lengths)) > 1  # some stopped earlier than others
    for seed, single in enumerate(singles):
        curve = [value for _, value in ours.best.curves[seed]]
        torch.testing.assert_close(torch.tensor(curve), torch.tensor(single.history["valid_loss"]), rtol=1e-4, atol=1e-5)
        assert ours.best.values[seed] == pytest.approx(single.best.value, rel=1e-4)
        assert ours.best.epochs[seed] == 1 + int(np.argmin(single.history["valid_loss"]))
        kept = ours.population.write(seed, build(seed)[0]).state_dict()
        for name, tensor in single.model.state_dict().items():
            torch.testing.assert_close(kept[name], tensor, rtol=1e-4, atol=1e-5)
    ranked = ours.best.ranking()
    assert [row.value for row in ranked] == sorted(ours.best.values)
    assert ours.best.value == ranked[0].value == min(ours.best.values)
    assert history["active"] == [sum(length > epoch for length in lengths) for epoch in range(len(history))]
    for epoch, record in enumerate(history):
        values = [single.history["valid_loss"][epoch] for single in singles if epoch < len(single.history)]
        right = [single.history["valid_accuracy"][epoch] for single in singles if epoch < len(single.history)]
        assert record["valid_loss"] == pytest.approx(min(values), rel=1e-4)
        assert record["valid_accuracy"] == pytest.approx(right[int(np.argmin(values))])
        assert record["valid_loss_worst"] == pytest.approx(max(values), rel=1e-4)
        assert record["valid_loss_median"] == pytest.approx(sorted(values)[(len(values) - 1) // 2], rel=1e-4)


def test_logged_means_are_over_rows_and_networks() -> None:
    """50 rows in batches of 16: the last batch of two rows weighs an eighth of the others."""
    history = together(patience=None).run()
    singles = [train_alone(seed, patience=None) for seed in range(len(RATES))]
    for column in ("loss", "accuracy"):
        mean = np.mean([single.history[column] for single in singles], axis=0)
        np.testing.assert_allclose(history[column], mean, rtol=1e-4)


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def batch_end(self, now: Training) -> str | None:
        return "enough" if now.step == self.step else None


@pytest.mark.parametrize("step", [2, 18])  # before any network has left, and after the first has
def test_a_training_killed_and_resumed_ends_in_the_same_bits(step: int, tmp_path: Path) -> None:
    whole = together(average=0.9)
    expected = whole.run()
    assert expected["active"][-1] < len(RATES)
    path = tmp_path / "training.safetensors"
    first = together(average=0.9).run(callbacks=[StopAt(step), Checkpoint(path)])
    assert first.stopped == "enough"
    assert saved.load(path)["batch"] > 0  # within an epoch
    resumed = together(average=0.9)
    history = resumed.run(state=saved.load(path))
    assert all(
        torch.equal(one, other) for one, other in zip(*(stores(x.population).values() for x in (whole, resumed)), strict=True)
    )
    assert resumed.best.curves == whole.best.curves
    for column in ("loss", "valid_loss", "rate", "best", "active"):
        assert history[column] == expected[column]


def test_a_checkpoint_of_another_population_is_refused() -> None:
    state = together().population.state()
    smaller = Population([Candidate(build(0)[0])], cross_entropy)
    with pytest.raises(ValueError, match="other networks than these 1"):
        smaller.load(state)
    wider = Population([Candidate(mlp((6,), 2, width=17, depth=1, batch_norm=False)) for _ in RATES], cross_entropy)
    with pytest.raises(ValueError, match="trained holds 146 numbers a network, not 155"):
        wider.load(state)
    other = together()
    other.population.optimizer.text = "sgd"
    with pytest.raises(ValueError, match="the optimizer was adamw, not sgd"):
        other.population.load(state)


def test_a_network_that_runs_away_leaves_the_population() -> None:
    ours = together(patience=None)
    with torch.no_grad():
        ours.population.live.trained[2] = torch.inf
    history = ours.run()
    assert history["active"][:2] == [4, 3]
    assert all(math.isfinite(loss) for loss in history["loss"])
    assert ours.best.ranking()[-1].network == 2
    assert math.isnan(ours.best.ranking()[-1].value)
    assert ours.best.ranking()[-1].epoch == 0


def test_when_all_run_away_it_is_said() -> None:
    ours = together()
    with torch.no_grad():
        ours.population.live.trained.fill_(torch.nan)
    with pytest.raises(TrainingError, match="no longer a number"):
        ours.run()


def test_another_column_can_decide() -> None:
    ours = together(patience=None, monitor="valid_accuracy", higher_is_better=True)
    history = ours.run()
    assert history["valid_accuracy"] == [max(column) for column in _columns(ours.best)]
    assert history["valid_accuracy_worst"] == [min(column) for column in _columns(ours.best)]
    values = [row.value for row in ours.best.ranking()]
    assert values == sorted(values, reverse=True)
    assert ours.best.value == max(ours.best.values)
    with pytest.raises(ArgumentError, match="no 'loss' to compare networks by"):
        together(monitor="loss")


def _columns(best: PopulationBest) -> list[tuple[float, ...]]:
    return list(zip(*[[value for _, value in curve] for curve in best.curves], strict=True))


def test_min_change_counts_for_each_network() -> None:
    ours = together()
    ours.best.min_change = 10.0  # no change is that large, so every network stops when its patience ends
    history = ours.run()
    assert ours.best.epochs == [1, 1, 1, 1]
    assert len(history) == 1 + PATIENCE
    assert history.stopped == "no better valid loss for 2 evaluations in any of 4 networks"


@pytest.mark.parametrize("options", [{"patience": 0}, {"min_change": -1.0}])
def test_patience_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="Early stopping is out of range"):
        PopulationBest(together().evaluation, **options)


@pytest.mark.parametrize("augment", [None, Augment(flip=True, shift=0.2), Augment(flip="alternating", mixup=0.4, cutmix=1.0)])
def test_each_network_sees_the_batches_of_its_own(augment: Augment | None) -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(11, 4, 4, 1)).astype(np.float32)
    part = Split(pictures, np.arange(11) % 2, [str(row) for row in range(11)])
    schema = Schema(Pictures.learn(pictures), Classes(("no", "yes")))
    population = Population([Candidate(nn.Sequential(nn.Flatten(), nn.Linear(16, 2))) for _ in range(3)], cross_entropy)
    own = [Batches(part, schema, 4, seed=seed, shuffle=True, augment=augment) for seed in range(3)]
    ours = PopulationBatches(own, population)
    population.keep([0, 2])
    for first in (0, 1):
        served = list(ours.epoch(3, first))
        assert len(served) == len(ours) - first
        for place, network in enumerate((0, 2)):
            for batch, (inputs, targets) in zip(served, own[network].epoch(3, first), strict=True):
                assert torch.equal(batch.inputs[place], inputs)
                assert torch.equal(batch.targets[place], targets)
    for batches_of_one in own:
        batches_of_one.resident = False  # as where the rows do not fit on the device
    assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(ours.epoch(3, 1), served, strict=True))
    with pytest.raises(ArgumentError, match="Expected 3 of them; got 2"):
        PopulationBatches(own[:2], population)
    with pytest.raises(ArgumentError, match="same rows, batch size"):
        PopulationBatches([*own[:2], Batches(part, schema, 5)], population)
