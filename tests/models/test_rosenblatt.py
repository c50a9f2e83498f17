"""Rosenblatt's rule: row by row as by hand, whatever the batches; the pocket; stopping; what a resumed training needs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline import losses
from leadline.errors import ArgumentError
from leadline.models.rosenblatt import PerceptronRule, perceptron
from leadline.training import Callback, run_loop
from leadline.training.checkpoints import load, save

seeds = st.integers(0, 2**31)


def rows(seed: int, count: int, features: int, classes: int) -> tuple[Tensor, Tensor]:
    """Whole numbers, so that every sum is exact and ties are ties."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(-3, 4, (count, features), generator=draw).double()
    return x, torch.randint(classes, (count,), generator=draw)


def by_hand(x: Tensor, y: Tensor, outputs: int, rate: float) -> tuple[list[list[float]], list[int], float]:
    """The rule in plain Python, one row after another: weights with the bias last, the mistakes, the sum of the losses."""
    weights = [[0.0] * (x.shape[1] + 1) for _ in range(outputs)]
    mistakes, loss = [], 0.0
    for number, (row, target) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        row = [*row, 1.0]
        scores = [sum(w * value for w, value in zip(weight, row, strict=True)) for weight in weights]
        if outputs == 1:
            sign = 1 if target == 1 else -1
            lead, changes = sign * scores[0], {0: sign * rate}
        else:
            rival = max((j for j in range(outputs) if j != target), key=lambda j: scores[j])
            lead, changes = scores[target] - scores[rival], {target: rate, rival: -rate}
        loss += max(0.0, -lead)
        if lead <= 0:
            mistakes.append(number)
            for output, change in changes.items():
                weights[output] = [w + change * value for w, value in zip(weights[output], row, strict=True)]
    return weights, mistakes, loss


def learnt(model: nn.Module) -> list[list[float]]:
    weight, bias = model.parameters()
    return torch.cat([weight.detach(), bias.detach()[:, None]], dim=1).tolist()


@settings(max_examples=60)
@given(seeds, st.integers(1, 300), st.integers(1, 4), st.integers(1, 4), st.integers(1, 40), st.sampled_from([1.0, 0.5, 2.0]))
def test_the_rule_is_the_one_by_hand(seed: int, count: int, features: int, outputs: int, batch: int, rate: float) -> None:
    x, y = rows(seed, count, features, max(2, outputs))
    weights, mistakes, loss = by_hand(x, y, outputs, rate)
    for size in (batch, count):
        model = perceptron((features,), outputs).double()
        step, logs = PerceptronRule(model, rate=rate), []
        for part, answers in zip(x.split(size), y.split(size), strict=True):
            logs.append((len(part), step((part, answers), None)))
        assert learnt(model) == weights
        assert sum(n * log["mistakes"].item() for n, log in logs) == pytest.approx(len(mistakes))
        assert sum(n * log["accuracy"].item() for n, log in logs) == pytest.approx(count - len(mistakes))
        assert sum(n * log["loss"].item() for n, log in logs) == pytest.approx(loss, rel=1e-5)


@settings(max_examples=10)
@given(seeds, st.integers(2, 4))
def test_it_is_descent_on_the_perceptron_loss_row_by_row(seed: int, classes: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 3, generator=draw, dtype=torch.float64)
    y = torch.randint(classes, (40,), generator=draw)
    model, other = nn.Linear(3, classes).double(), nn.Linear(3, classes).double()
    other.load_state_dict(model.state_dict())  # from weights that do not tie
    PerceptronRule(model, rate=0.3)((x, y), None)
    descent = torch.optim.SGD(other.parameters(), lr=0.3)
    for row, target in zip(x.split(1), y.split(1), strict=True):
        descent.zero_grad()
        losses.perceptron(other(row), target).backward()
        descent.step()
    torch.testing.assert_close(model.weight, other.weight)
    torch.testing.assert_close(model.bias, other.bias)


@settings(max_examples=25)
@given(seeds)
def test_two_outputs_decide_as_one_does(seed: int) -> None:
    x, y = rows(seed, 60, 3, 2)
    one, two = perceptron((3,), 1).double(), perceptron((3,), 2).double()
    for model in (one, two):
        PerceptronRule(model)((x, y), None)
    # Each mistake moves both outputs, so the difference of the two is twice the one.
    assert (two(x)[:, 1] - two(x)[:, 0]).tolist() == (2 * one(x)[:, 0]).tolist()


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.25, 4.0]))
def test_from_zero_the_rate_changes_no_decision(seed: int, rate: float) -> None:
    x, y = rows(seed, 60, 3, 3)
    plain, other = perceptron((3,), 3).double(), perceptron((3,), 3).double()
    PerceptronRule(plain)((x, y), None)
    PerceptronRule(other, rate=rate)((x, y), None)
    assert learnt(other) == [[rate * value for value in row] for row in learnt(plain)]


def best_run(x: Tensor, y: Tensor) -> list[list[float]]:
    """The weights with the first longest run of right rows, the rule being run anew up to each mistake."""
    _, mistakes, _ = by_hand(x, y, 1, 1.0)
    ends, starts = [*mistakes, len(x)], [0, *(row + 1 for row in mistakes)]
    runs = [end - start for start, end in zip(starts, ends, strict=True)]
    start = starts[runs.index(max(runs))] if max(runs) else len(x)  # where no row was right, the last weights
    return by_hand(x[:start], y[:start], 1, 1.0)[0]


@settings(max_examples=40)
@given(seeds, st.integers(5, 300), st.integers(1, 60))
def test_without_the_rows_the_longest_run_is_in_the_pocket(seed: int, count: int, batch: int) -> None:
    x, y = rows(seed, count, 2, 2)
    model = perceptron((2,), 1).double()
    step = PerceptronRule(model)
    for part in zip(x.split(batch), y.split(batch), strict=True):
        step(part, None)
    last = learnt(model)
    with step.evaluating():
        assert learnt(model) == best_run(x, y)
        assert not model.training
    assert learnt(model) == last
    assert model.training
    assert step.right == -1


@settings(max_examples=40)
@given(seeds, st.integers(1, 4), st.integers(1, 3))
def test_with_the_rows_the_pocket_only_gets_better(seed: int, outputs: int, features: int) -> None:
    x, y = rows(seed, 150, features, max(2, outputs))
    model = perceptron((features,), outputs).double()
    step, best = PerceptronRule(model, rows=(x, y)), -1
    for _ in range(4):
        step((x, y), None)
        last = model(x)
        with step.evaluating():
            pocket = model(x)
        right = right_rows(pocket, y)
        assert step.right == right >= max(best, right_rows(last, y))
        best = right


def right_rows(scores: Tensor, y: Tensor) -> int:
    if scores.shape[1] == 1:
        return sum(
            (score > 0) if target else (score < 0) for score, target in zip(scores[:, 0].tolist(), y.tolist(), strict=True)
        )
    found = 0
    for row, target in zip(scores.tolist(), y.tolist(), strict=True):
        found += all(row[target] > score for j, score in enumerate(row) if j != target)
    return found


def test_the_pocket_keeps_what_the_last_weights_forget() -> None:
    # 60 rows that any plane through them parts, then one row on the wrong side that pulls the weights away.
    x = torch.tensor([[1.0], [-1.0]] * 30 + [[5.0]])
    y = torch.tensor([1, 0] * 30 + [0])
    step = PerceptronRule(perceptron((1,), 1), rows=(x, y))
    step((x, y), None)
    assert right_rows(step.model(x), y) < 40
    with step.evaluating():
        assert right_rows(step.model(x), y) == step.right == 60


class Parted(Callback):
    def __init__(self, step: PerceptronRule) -> None:
        self.step = step

    def evaluated(self, now: Any) -> str | None:
        return self.step.finished()


def separable(count: int = 120) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    scores = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3
    kept = scores.abs() > 0.3
    return x[kept], (scores[kept] > 0).long()


def test_the_loop_ends_when_an_epoch_has_no_mistake() -> None:
    x, y = separable()
    model = perceptron((3,), 2)
    batches = list(zip(x.split(16), y.split(16), strict=True))
    step = PerceptronRule(model)
    history = run_loop(step, batches, epochs=200, callbacks=[Parted(step)])
    assert history.stopped == "no row of the epoch was a mistake"
    assert 1 < len(history["epoch"]) < 200
    assert history["mistakes"][-1] == 0 < history["mistakes"][-2]
    assert history["accuracy"][-1] == 1
    assert model(x).argmax(1).equal(y)


def test_the_loop_keeps_the_pocket_where_nothing_parts() -> None:
    x, y = rows(3, 200, 2, 2)
    x, model = x.float(), perceptron((2,), 1)
    step = PerceptronRule(model, rows=(x, y))
    history = run_loop(step, list(zip(x.split(50), y.split(50), strict=True)), epochs=5, callbacks=[Parted(step)])
    assert not history.stopped
    assert right_rows(model(x), y) == step.right


def test_a_resumed_training_ends_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    x, y = rows(1, 300, 3, 3)
    parts = list(zip(x.split(30), y.split(30), strict=True))
    whole = PerceptronRule(perceptron((3,), 3).double(), rows=(x, y))
    for part in parts + parts:
        whole(part, None)
    first = PerceptronRule(perceptron((3,), 3).double(), rows=(x, y))
    for part in parts + parts[:4]:
        first(part, None)
    save(tmp_path / "checkpoint", first.state())
    second = PerceptronRule(perceptron((3,), 3).double(), rows=(x, y))
    second.load(load(tmp_path / "checkpoint"))
    for part in parts[4:]:
        second(part, None)
    assert learnt(second.model) == learnt(whole.model)
    for step in (second, whole):
        with step.evaluating():
            pass
    assert second.right == whole.right
    assert [weight.tolist() for weight in second.pocket] == [weight.tolist() for weight in whole.pocket]
    assert second.finished() == whole.finished()


def test_pictures_are_flattened_and_layers_before_are_used() -> None:
    x = torch.randn(20, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    y = (x.sum((1, 2, 3)) > 0).long()
    model = nn.Sequential(nn.ReLU(), perceptron((1, 2, 2), 2))
    step = PerceptronRule(model)
    step((x, y), None)
    expected = perceptron((4,), 2)
    PerceptronRule(expected)((x.relu().flatten(1), y), None)
    assert learnt(model) == learnt(expected)
    assert step.modules() == {"model": model}


def test_a_layer_without_bias() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    step = PerceptronRule(layer)
    step((torch.tensor([[2.0], [1.0], [-3.0]]), torch.tensor([1, 0, 0])), None)
    assert layer.weight.item() == 1.0  # + 2, then − 1, then right
    with step.evaluating():
        assert layer.weight.item() == 1.0


def test_an_input_that_is_no_number_shows_in_the_loss() -> None:
    step = PerceptronRule(perceptron((1,), 2))
    logs = step((torch.tensor([[1.0], [math.nan]]), torch.tensor([0, 1])), None)
    assert math.isnan(logs["loss"].item())


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_of_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ArgumentError, match="rate of the perceptron rule"):
        PerceptronRule(perceptron((2,), 2), rate=rate)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
        nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)),
        nn.Conv2d(1, 2, 2),
        nn.Bilinear(2, 2, 2),
        nn.ModuleList([nn.Linear(2, 2)]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_networks_are_refused(model: nn.Module) -> None:
    with pytest.raises(ArgumentError, match="cannot train this network.*loss perceptron"):
        PerceptronRule(model)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), r"become \[N, 2\], and class numbers \[N\]; got \[2, 3\]"),
        (torch.zeros(2, 2), torch.zeros(3, dtype=torch.long), r"got \[2, 2\] and \[3\]"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), r"got \[0, 2\] and \[0\]"),
        (torch.zeros(2, 2), torch.tensor([0, 3]), r"from 0 to 2; got torch.int64 from 0 to 3"),
        (torch.zeros(2, 2), torch.tensor([-1, 1]), r"from 0 to 2; got torch.int64 from -1 to 1"),
        (torch.zeros(2, 2), torch.tensor([0.0, 1.0]), r"got torch.float32"),
    ],
)
def test_rows_that_do_not_fit_are_refused(x: Tensor, y: Tensor, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        PerceptronRule(perceptron((2,), 3))((x, y), None)
    with pytest.raises(ArgumentError, match=words):
        PerceptronRule(perceptron((2,), 3), rows=(x, y))
