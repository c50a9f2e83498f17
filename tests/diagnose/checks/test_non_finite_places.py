"""Where numbers stop being finite: the layer, the loss or the gradient, and the row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.checks.non_finite_places import find_place
from leadline.diagnose.trials.samples import a_subject


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


def test_the_layer_is_named() -> None:
    model = nn.Sequential(nn.Linear(6, 8), Logarithm(), nn.Linear(8, 3))
    assert find_place(a_subject(model, steps=1)).split(",")[0] == "1"


def test_the_loss_is_named_with_the_row() -> None:
    subject = a_subject(steps=3)
    subject.loss = lambda outputs, targets: F.cross_entropy(outputs, targets) + (1 / (targets - 7.0)).mean()
    subject.train.targets[40] = 7
    subject.model = nn.Sequential(nn.Linear(6, 9))
    subject.optimizers = (torch.optim.SGD(subject.model.parameters(), 0.1),)
    subject.initial = {name: each.clone() for name, each in subject.model.state_dict().items()}
    assert find_place(subject) == "loss, row 40"


def test_the_gradient_is_named_where_all_before_it_is_finite() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return (0 * self.inner(x)).square().sqrt()

    assert find_place(a_subject(Root(), steps=1)).startswith("gradient of inner.")


def test_a_rate_that_is_too_high_is_gone_through_again_until_it_breaks() -> None:
    subject = a_subject(steps=60, rate=1e30)
    assert find_place(subject) in ("0", "2", "loss", "gradient of 0.weight", "gradient of 0.bias")


def test_nothing_is_named_in_a_sound_training() -> None:
    subject = a_subject(steps=30)
    before = {name: each.clone() for name, each in subject.model.state_dict().items()}
    assert find_place(subject) == ""
    assert all(torch.equal(before[name], each) for name, each in subject.model.state_dict().items())
