"""The promises of the loop: the weights of a hand-written one, events in order, best weights back, nothing lost by a pause."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, TrainingError
from leadline.optim import ClipPercentile, ExponentialAverage, make_optimizer, make_schedule
from leadline.training import (
    Best,
    Callback,
    Checkpoint,
    Evaluation,
    History,
    Interruption,
    Supervised,
    Training,
    checkpoints,
    run_loop,
)
from leadline.training.state import rows_of

Batch = tuple[Tensor, Tensor]


class Rows:
    """Batches that can be entered anywhere, as `data.Batches` can."""

    def __init__(self, inputs: Tensor, targets: Tensor, size: int) -> None:
        self.inputs, self.targets, self.size = inputs, targets, size

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Iterator[Batch]:
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(number))
        for at in range(first, len(self)):
            rows = order[at * self.size : (at + 1) * self.size]
            yield self.inputs[rows], self.targets[rows]


def rows(count: int = 50) -> Rows:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 6, generator=generator)
    return Rows(inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long(), 8)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


def supervised(model: nn.Module, **options: Any) -> Supervised:
    return Supervised(model, nn.functional.cross_entropy, make_optimizer("adamw", model, learning_rate=0.01), **options)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in model.state_dict().values()])


def test_same_weights_as_a_hand_written_loop() -> None:
    data = rows()
    by_hand = network()
    optimizer = make_optimizer("adamw", by_hand, learning_rate=0.01)
    torch.manual_seed(5)
    losses = []
    for epoch in range(3):
        total = torch.zeros(())
        for inputs, targets in data.epoch(epoch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(by_hand(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(inputs)
        losses.append(total.item() / 50)
    ours = network()
    step = supervised(ours)
    torch.manual_seed(5)
    history = run_loop(step, data, epochs=3)
    assert torch.equal(weights(ours), weights(by_hand))
    assert history["loss"] == pytest.approx(losses, rel=1e-6)
    assert history["step"] == [7, 14, 21]


def test_events_come_in_the_order_of_the_docstring() -> None:
    seen: list[str] = []

    class Listener(Callback):
        def fit_start(self, now: Training) -> None:
            seen.append("fit_start")

        def epoch_start(self, now: Training) -> None:
            seen.append("epoch_start")

        def batch_end(self, now: Training) -> None:
            seen.append("batch_end")

        def epoch_end(self, now: Training) -> None:
            seen.append("epoch_end")

        def evaluated(self, now: Training) -> None:
            seen.append("evaluated")

        def fit_end(self, now: Training) -> None:
            seen.append("fit_end")

    run_loop(supervised(network()), rows(16), epochs=2, callbacks=[Listener()])
    epoch = ["epoch_start", "batch_end", "batch_end", "epoch_end", "evaluated"]
    assert seen == ["fit_start", *epoch, *epoch, "fit_end"]


def test_gradients_are_alive_at_batch_end() -> None:
    norms = []

    class Reader(Callback):
        def batch_end(self, now: Training) -> None:
            norms.append(sum(float(p.grad.norm()) for p in now.runner.modules()["model"].parameters() if p.grad is not None))

    run_loop(supervised(network()), rows(16), epochs=1, callbacks=[Reader()])
    assert len(norms) == 2
    assert min(norms) > 0


def test_best_weights_come_back_whether_or_not_stopping_fired() -> None:
    values = iter([3.0, 1.0, 2.0, 4.0])
    model = network()
    kept: list[Tensor] = []

    def evaluate() -> dict[str, float]:
        kept.append(weights(model))
        return {"valid_loss": next(values)}

    history = run_loop(supervised(model), rows(), epochs=4, evaluate=evaluate)
    assert history["best"] == [True, True, False, False]
    assert history.stopped == ""
    assert torch.equal(weights(model), kept[1])
    assert not torch.equal(kept[1], kept[3])


def test_early_stopping_waits_for_its_patience() -> None:
    values = iter([1.0, 0.5, 0.499, 0.6, 0.7, 0.1])
    best = Best("valid_loss", patience=2, min_change=0.01)
    history = run_loop(supervised(network()), rows(), epochs=9, evaluate=lambda: {"valid_loss": next(values)}, best=best)
    assert len(history) == 4
    assert history.stopped == "no better valid loss for 2 evaluations"
    assert best.value == 0.5


def test_a_higher_metric_can_be_watched() -> None:
    values = iter([0.1, 0.9, 0.5])
    best = Best("valid_accuracy", higher_is_better=True)
    history = run_loop(supervised(network()), rows(), epochs=3, evaluate=lambda: {"valid_accuracy": next(values)}, best=best)
    assert history["best"] == [True, True, False]


def test_within_an_epoch_records_hold_the_mean_since_the_last_one() -> None:
    losses = iter([1.0, 3.0, 5.0, 9.0])

    class Fixed(Supervised):
        def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
            return {"loss": torch.tensor(next(losses))}

    model = network()
    step = Fixed(model, nn.functional.cross_entropy, make_optimizer("sgd", model, learning_rate=0.1))
    history = run_loop(step, rows(32), epochs=1, log_every=2)
    assert [(record["epoch"], record["loss"]) for record in history] == [(0.5, 2.0), (1, 4.5)]


def test_a_loss_that_is_not_a_number_fails_with_the_sample_and_advice() -> None:
    data = rows()
    data.inputs[3, 2] = float("nan")
    with pytest.raises(TrainingError, match="no longer a number.*row . of batch .*leave it out") as caught:
        run_loop(supervised(network()), data, epochs=1)
    assert caught.value.exit_status == 1


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.at = step

    def batch_end(self, now: Training) -> str | None:
        return "asked" if now.step == self.at else None


@pytest.mark.parametrize("stop_at", [1, 6, 7, 8, 20])
@pytest.mark.parametrize("averaged", [False, True])
def test_paused_anywhere_and_resumed_gives_the_same_bits(tmp_path: Path, stop_at: int, averaged: bool) -> None:
    def start() -> tuple[nn.Module, Any, Evaluation]:
        model = network()
        step: Any = supervised(model, schedule=make_schedule("one_cycle"), clip=ClipPercentile(50, window=5, warm_up=1))
        if averaged:
            step = ExponentialAverage(step, decay=0.9)
        return model, step, Evaluation(model, list(rows(20)), nn.functional.cross_entropy)

    model, step, evaluate = start()
    torch.manual_seed(5)
    whole = run_loop(step, rows(), epochs=4, evaluate=evaluate, log_every=3)
    expected = weights(model)

    _, step, evaluate = start()
    torch.manual_seed(5)
    history = History(tmp_path / "history.jsonl")
    callbacks = [StopAt(stop_at), Checkpoint(tmp_path / "checkpoint")]
    run_loop(step, rows(), epochs=4, evaluate=evaluate, log_every=3, callbacks=callbacks, history=history)
    assert history.stopped == "asked"

    model, step, evaluate = start()
    torch.manual_seed(99)  # whatever happened in between must not matter
    torch.rand(7)
    state = checkpoints.load(tmp_path / "checkpoint")
    resumed = run_loop(
        step, rows(), epochs=4, evaluate=evaluate, log_every=3, history=History.read(tmp_path / "history.jsonl"), state=state
    )
    assert torch.equal(weights(model), expected)

    def columns(history: History) -> list[dict[str, Any]]:
        return [{name: value for name, value in record.items() if name != "seconds"} for record in history]

    assert columns(resumed) == columns(whole)
    assert columns(History.read(tmp_path / "history.jsonl")) == columns(whole)


def test_a_foreign_iterable_is_saved_between_epochs_only(tmp_path: Path) -> None:
    saved: list[int] = []

    class Watch(Checkpoint):
        def _save(self, now: Training) -> None:
            saved.append(now.batch)

    watch = Watch(tmp_path / "checkpoint", every=0)
    run_loop(supervised(network()), list(rows()), epochs=2, callbacks=[watch])
    assert saved == [0, 0, 0]
    saved.clear()
    run_loop(supervised(network()), rows(), epochs=1, callbacks=[watch])
    assert saved[:7] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "batch", [(torch.zeros(3, 2), torch.zeros(3)), [torch.zeros(3, 2)], {"a": torch.zeros(3)}, ({"a": torch.zeros(3)}, 1)]
)
def test_rows_are_counted_in_any_batch(batch: Any) -> None:
    assert rows_of(batch) == 3


def test_a_validation_loss_that_is_never_a_number_fails() -> None:
    with pytest.raises(TrainingError, match="valid_loss was never a number"):
        run_loop(supervised(network()), rows(), epochs=2, evaluate=lambda: {"valid_loss": float("nan")})


def test_without_anything_to_watch_the_averaged_weights_are_kept() -> None:
    model = network()
    step = ExponentialAverage(supervised(model), decay=0.9)
    run_loop(step, rows(), epochs=2)
    with step.evaluating():
        averaged = weights(model)
    assert torch.equal(weights(model), averaged)


def test_columns_without_the_usual_one_are_logged_and_not_watched() -> None:
    history = run_loop(supervised(network()), rows(), epochs=2, evaluate=lambda: {"something": 1.0})
    assert history["something"] == [1.0, 1.0]
    assert not history["best"]


def test_an_epoch_without_batches_is_an_error() -> None:
    with pytest.raises(ArgumentError, match="held no batch"):
        run_loop(supervised(network()), [], epochs=2)


class StopAtOnce(Callback):
    def epoch_start(self, now: Training) -> str | None:
        return "enough" if now.epoch == 1 else None


def test_a_stop_at_the_start_of_an_epoch_trains_no_more_of_it() -> None:
    history = run_loop(supervised(network()), rows(), epochs=3, callbacks=[StopAtOnce()])
    assert history["step"] == [7]


def test_checkpoints_come_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a second a batch and at most 6 s apart, every third batch is saved, and the end."""
    clock = iter(range(1000))
    monkeypatch.setattr("leadline.training.callbacks.time.monotonic", lambda: now[0])
    now = [0.0]

    class Clock(Callback):
        def batch_end(self, training: Training) -> None:
            now[0] = float(next(clock) + 1)

    saved: list[int] = []
    checkpoint = Checkpoint(tmp_path / "c", every=6.0)
    save = checkpoint._save
    checkpoint._save = lambda training: (saved.append(training.step), save(training))  # type: ignore[method-assign,assignment,func-returns-value]
    run_loop(supervised(network()), rows(), epochs=1, callbacks=[Clock(), checkpoint])
    assert saved == [3, 6, 7]


def test_signals_go_back_to_whoever_had_them_after_a_training_that_failed() -> None:
    before = signal.getsignal(signal.SIGINT)
    interruption = Interruption()
    batches = [(torch.full((4, 2), torch.nan), torch.zeros(4, dtype=torch.long))]
    step = Supervised(model := nn.Linear(2, 3), nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1))
    for _ in range(2):
        with pytest.raises(TrainingError):
            run_loop(step, batches, epochs=1, callbacks=[interruption])
    interruption.release()
    assert signal.getsignal(signal.SIGINT) is before
