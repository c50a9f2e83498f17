from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.averaging import AVERAGES, ExponentialAverage, Lookahead, StochasticAverage, make_average
from leadline.training import Supervised, run_loop

EVERY: list[Callable[[Any], Any]] = [
    lambda step: ExponentialAverage(step, 0.9),
    lambda step: StochasticAverage(step, 0.0, every=2),
    lambda step: Lookahead(step, 2),
]
KINDS = pytest.mark.parametrize("wrap", EVERY, ids=["ema", "swa", "lookahead"])


class Now:
    step = 0
    fraction = 0.0


class Weight(nn.Module):
    """One number that a made-up step sets to 1, 2, 3 …"""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, dtype=torch.float64))


class Counting:
    rate = 0.25

    def __init__(self) -> None:
        self.model = Weight()

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            self.model.value += 1
        return {"loss": torch.zeros(())}

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None: ...

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.model}

    def evaluating(self) -> Any:
        return torch.no_grad()


def make() -> tuple[nn.Module, Supervised]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, Supervised(model, nn.functional.cross_entropy, sgd)


def some_batches(count: int) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(count)]


def averaged(step: Any) -> float:
    with step.evaluating():
        value: Tensor = step.modules()["model"].value
        return value.item()


def test_the_exponential_average_follows_its_formula() -> None:
    model, inner = make()
    step = ExponentialAverage(inner, decay=0.9)
    expected = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    for count, batch in enumerate(some_batches(29), start=1):
        step(batch, Now())
        decay = min(0.9, (1 + count) / (10 + count))
        for name, tensor in model.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * tensor.detach()
    live = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    with step.evaluating():
        assert not model.training
        for name, tensor in model.named_parameters():
            torch.testing.assert_close(tensor, expected[name])
            assert not torch.equal(tensor, live[name]) or name == "0.bias"  # batch norm gives that bias no gradient
        assert model[1].num_batches_tracked == 29, "a count is copied, not mixed"
    assert model.training
    assert all(torch.equal(tensor, live[name]) for name, tensor in model.named_parameters())


class Stream:
    """Batches whose number is unknown beforehand."""

    def __iter__(self) -> Iterator[Tensor]:
        return iter([torch.zeros(2)] * 5)


# Five steps an epoch, eight epochs: the weight after step k is k, and the ends of epochs are 5, 10 … 40.
@pytest.mark.parametrize(
    ("start", "every", "batches", "taken"),
    [
        (0.0, 0, [torch.zeros(2)] * 5, [5, 10, 15, 20, 25, 30, 35, 40]),
        (0.5, 0, [torch.zeros(2)] * 5, [25, 30, 35, 40]),
        (0.55, 0, [torch.zeros(2)] * 5, [25, 30, 35, 40]),  # the step that ended the fifth epoch began at 24/40
        (0.75, 1, [torch.zeros(2)] * 5, list(range(31, 41))),
        (0.5, 7, [torch.zeros(2)] * 5, [27, 34]),
        (0.5, 0, Stream(), [25, 30, 35]),
        (0.0, 0, Stream(), [5, 10, 15, 20, 25, 30, 35]),
    ],
)
def test_the_stochastic_average_is_the_mean_of_what_it_took(start: float, every: int, batches: Any, taken: list[int]) -> None:
    step = StochasticAverage(Counting(), start, every=every)
    values: list[float] = []
    run_loop(step, batches, epochs=8, evaluate=lambda: values.append(step.modules()["model"].value.item()) or {})  # type: ignore[attr-defined,func-returns-value]
    assert averaged(step) == pytest.approx(sum(taken) / len(taken), rel=1e-12)
    assert step.count == len(taken)
    before = [5 * epoch for epoch in range(1, 9) if 5 * epoch < taken[0]]
    assert values[: len(before)] == before, "until weights are taken, evaluation uses those that are there"
    assert step.modules()["model"].value.item() == averaged(step), "the kept weights are the averaged ones"


def test_without_the_place_in_the_epoch_steps_must_be_given() -> None:
    with pytest.raises(ArgumentError, match="every="):
        StochasticAverage(Counting(), 0.0)(torch.zeros(2), Now())


def test_lookahead_follows_its_formula() -> None:
    step = Lookahead(Counting(), 3, share=0.25)
    fast = slow = 0.0
    for count in range(1, 20):
        step(None, Now())
        fast += 1
        if count % 3 == 0:
            slow += 0.25 * (fast - slow)
            fast = slow
        assert averaged(step) == pytest.approx(slow)
        assert step.modules()["model"].value.item() == pytest.approx(fast)


def test_lookahead_leaves_buffers_alone() -> None:
    (plain, inner), (model, wrapped) = make(), make()
    step, batch = Lookahead(wrapped, 1, share=0.5), some_batches(1)[0]
    inner(batch, Now())
    step(batch, Now())
    assert torch.equal(model[1].running_mean, plain[1].running_mean)
    assert not torch.equal(model[0].weight, plain[0].weight)
    with step.evaluating():
        assert torch.equal(model[1].running_mean, plain[1].running_mean)


@KINDS
def test_state_round_trip_goes_on_identically(wrap: Callable[[Any], Any]) -> None:
    batches = some_batches(7)
    whole_model, inner = make()
    whole = wrap(inner)
    for batch in batches:
        whole(batch, Now())
    first = wrap(make()[1])
    for batch in batches[:3]:
        first(batch, Now())
    second_model, inner = make()
    second = wrap(inner)
    second.load(first.state())
    for batch in batches[3:]:
        second(batch, Now())
    for one, other in zip(whole_model.state_dict().values(), second_model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    with whole.evaluating(), second.evaluating():
        for one, other in zip(whole_model.state_dict().values(), second_model.state_dict().values(), strict=True):
            assert torch.equal(one, other)


@KINDS
def test_an_error_while_evaluating_brings_the_weights_back(wrap: Callable[[Any], Any]) -> None:
    model, inner = make()
    step = wrap(inner)
    for batch in some_batches(3):
        step(batch, Now())
    live = [tensor.clone() for tensor in model.state_dict().values()]

    def fail() -> None:
        with step.evaluating():
            assert not torch.equal(model[0].weight, live[0])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert all(torch.equal(one, other) for one, other in zip(live, model.state_dict().values(), strict=True))
    assert model.training


@KINDS
def test_the_rate_is_that_of_the_wrapped_step(wrap: Callable[[Any], Any]) -> None:
    assert wrap(Counting()).rate == 0.25


def test_averaged_statistics_of_batch_norm_are_as_good_as_recomputed_ones() -> None:
    torch.manual_seed(0)
    inputs, targets = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    inputs = inputs.float() / 16
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    step = StochasticAverage(
        Supervised(model, nn.functional.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)), 0.5
    )
    batches = [(inputs[first : first + 50], targets[first : first + 50]) for first in range(0, 1250, 50)]

    def accuracy() -> float:
        with torch.no_grad():
            return (model(inputs[1250:]).argmax(1) == targets[1250:]).float().mean().item()

    run_loop(step, batches, epochs=8)  # which ends with the averaged weights in place
    model.eval()
    ours = accuracy()
    torch.optim.swa_utils.update_bn([batch[0] for batch in batches], model)
    model.eval()
    assert ours > 0.9
    assert abs(ours - accuracy()) < 0.01


def test_spelling() -> None:
    step = Counting()
    assert make_average("", step) is step
    assert make_average("0.0", step) is step
    assert make_average("0.98", step).decay == 0.98
    assert make_average("ema(0.9)", step).decay == 0.9
    swa = make_average("swa(0.5, every=10)", step)
    assert (swa.start, swa.every, swa.step) == (0.5, 10, step)
    assert (make_average("lookahead(share=0.8)", step).share, make_average("lookahead(7)", step).every) == (0.8, 7)
    assert {type(make_average(name, step)) for name in AVERAGES} == set(AVERAGES.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0", "out of range"),
        ("ema(0)", "out of range"),
        ("nan", "out of range"),
        ("swa(1.0)", "out of range"),
        ("swa(every=-1)", "out of range"),
        ("lookahead(0)", "out of range"),
        ("lookahead(share=0)", "out of range"),
        ("lookahead('five')", "'every' .* Expected a whole number; got 'five'"),
        ("swa(step=3)", "no argument of swa 'step'"),
        ("emaa", "Did you mean 'ema'"),
    ],
)
def test_a_text_that_is_no_average(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_average(text, Counting())
