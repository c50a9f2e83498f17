import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.optim import ExponentialAverage, make_optimizer
from leadline.training import Supervised


class Now:
    step = 0
    fraction = 0.0


def make() -> tuple[nn.Module, ExponentialAverage]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    step = Supervised(model, nn.functional.cross_entropy, make_optimizer("sgd", model, learning_rate=0.1))
    return model, ExponentialAverage(step, decay=0.9)


def test_the_average_follows_its_formula() -> None:
    model, step = make()
    expected = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    for count in range(1, 30):
        step((torch.randn(8, 3), torch.randint(0, 2, (8,))), Now())
        decay = min(0.9, (1 + count) / (10 + count))
        for name, tensor in model.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * tensor.detach()
    live = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    with step.evaluating():
        assert not model.training
        for name, tensor in model.named_parameters():
            torch.testing.assert_close(tensor, expected[name])
            assert not torch.equal(tensor, live[name]) or name == "0.bias"  # batch norm gives that bias no gradient
    assert model.training
    assert all(torch.equal(tensor, live[name]) for name, tensor in model.named_parameters())


def test_state_round_trip_goes_on_identically() -> None:
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(6)]
    whole_model, whole = make()
    for batch in batches:
        whole(batch, Now())
    _, first = make()
    for batch in batches[:3]:
        first(batch, Now())
    second_model, second = make()
    second.load(first.state())
    for batch in batches[3:]:
        second(batch, Now())
    with whole.evaluating(), second.evaluating():
        for one, other in zip(whole_model.state_dict().values(), second_model.state_dict().values(), strict=True):
            assert torch.equal(one, other)


def test_decay_out_of_range() -> None:
    with pytest.raises(ArgumentError, match="decay"):
        ExponentialAverage(make()[1].step, decay=1.0)
