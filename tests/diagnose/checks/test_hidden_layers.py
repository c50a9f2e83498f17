"""Weights that work in a network and that nobody holds are found; what is left out on purpose is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import Hidden
from leadline.diagnose.checks.hidden_layers import read_hidden
from leadline.diagnose.subject import Rows, Subject

ROWS = Rows(torch.randn(8, 12, generator=torch.Generator().manual_seed(0)), torch.zeros(8, dtype=torch.long))
OUTSIDE = nn.Linear(12, 12)


class Kept(nn.Module):
    """A layer that is known, and what is given."""

    def __init__(self, kept: Any = None, *, inner: bool = False) -> None:
        super().__init__()
        self.last = nn.Linear(12, 2)
        self.kept = kept
        self.inner = Kept([nn.Linear(12, 12)]) if inner else None

    def work(self, x: Tensor) -> Tensor:
        if self.inner is not None:
            return self.inner.work(x)
        parts = self.kept.values() if isinstance(self.kept, dict) else self.kept if self.kept is not None else []
        for part in [parts] if isinstance(parts, Tensor) else parts:
            x = torch.relu(x @ part if isinstance(part, Tensor) else part(x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.work(x))
        return out


class Anew(Kept):
    def work(self, x: Tensor) -> Tensor:
        return torch.relu(nn.Linear(12, 12)(x))


class Outside(Kept):
    def work(self, x: Tensor) -> Tensor:
        return torch.relu(OUTSIDE(x))


class Drawn(Kept):
    """Noise in training only, a first state of zeros made anew, inputs that want gradients, weights made by a layer."""

    def work(self, x: Tensor) -> Tensor:
        state = nn.Parameter(torch.zeros(1, 12))
        x = x.detach().requires_grad_() + state
        if self.training:
            x = nn.Linear(12, 12)(x)
        made = self.last.weight.mean() * torch.ones(12, 12)
        return x @ made


def looked(model: nn.Module, *more: Tensor) -> Hidden:
    optimizer = torch.optim.SGD([*model.parameters(), *more], lr=0.1)
    return read_hidden(Subject(model, nn.CrossEntropyLoss(), (optimizer,), ROWS), ROWS)


def layers() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Linear(12, 12), nn.Linear(12, 12)]


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (layers(), ("list", "kept", "nn.ModuleList")),
        ((*layers(), torch.relu), ("tuple", "kept", "nn.ModuleList")),
        ({"one": nn.Sequential(*layers())}, ("dict", "kept", "nn.ModuleDict")),
        ([torch.randn(12, 12, requires_grad=True)], ("list", "kept", "nn.ParameterList")),
        (torch.randn(12, 12, requires_grad=True), ("", "kept", "nn.Parameter")),
    ],
)
def test_weights_in_plain_attributes(kept: Any, told: tuple[str, str, str]) -> None:
    found = looked(Kept(kept))
    assert found.names
    assert all(name.startswith("kept") for name in found.names)
    assert found.share > 0.8
    assert (found.container, found.attribute, found.holder) == told
    assert found.as_drawn == (told[2].startswith("nn.Module"))
    assert not found.made_anew


def test_in_a_part_of_the_network() -> None:
    found = looked(Kept(inner=True))
    assert found.names == ["inner.kept.0.bias", "inner.kept.0.weight"]
    assert found.attribute == "kept"


def test_made_anew_and_outside() -> None:
    assert looked(Anew()).made_anew == 1
    found = looked(Outside())
    assert (found.names, found.elsewhere, found.made_anew, found.as_drawn) == ([], 1, 0, True)


def test_what_somebody_holds_or_leaves_out_on_purpose() -> None:
    plain, frozen = layers(), layers()
    for layer in frozen:
        layer.requires_grad_(False)
    held = [each for layer in plain for each in layer.parameters()]
    assert looked(Kept(plain), *held) == Hidden()
    assert looked(Outside(), *OUTSIDE.parameters()) == Hidden()
    for model in (Kept(frozen), Kept(nn.ModuleList(layers())), Drawn(), Kept()):
        assert looked(model) == Hidden()
    unused = Kept()
    unused.teacher = [nn.Linear(12, 2)]  # type: ignore[assignment]
    assert looked(unused) == Hidden()
