"""Networks, batches and steps for the tests of the recorded step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import losses
from leadline.models import convnet, mlp, tabular
from leadline.models.resnets import BasicBlock
from leadline.optim import make_optimizer
from leadline.training import Supervised


class Now:
    step = 0

    def __init__(self, fraction: float = 0.0) -> None:
        self.fraction = fraction


class Classifier(nn.Module):
    """The last hidden state of an LSTM through a linear head."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(4, 8, num_layers=2, batch_first=True, dropout=dropout)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])  # type: ignore[no-any-return]


def residual() -> nn.Module:
    """The parts of a ResNet: in-place additions and activations, a strided shortcut, batch norm."""
    blocks = [BasicBlock(4, 4), BasicBlock(4, 8, stride=2)]
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (lambda: mlp((6,), 3, width=8, batch_norm=False), (6,)),
    "normalized with dropout": (lambda: mlp((6,), 3, width=8, dropout=0.3), (6,)),
    "smooth activations": (
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 3)
        ),
        (6,),
    ),
    "layer norm and gelu": (lambda: nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)), (6,)),
    "convolutions": (lambda: convnet((3, 8, 8), 3, width=4, stages=2, dropout=0.2), (3, 8, 8)),
    "residual": (residual, (3, 8, 8)),
    "lstm": (Classifier, (5, 4)),
    "lstm with dropout": (lambda: Classifier(0.4), (5, 4)),
    "table of members": (lambda: tabular([(-1.0, 0.0, 1.0)] * 3 + [()] * 3, (), 3, "classes", width=8, members=4), (6,)),
}


def batches(shape: tuple[int, ...], count: int = 4, rows: int = 12) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(rows, *shape, generator=generator), torch.randint(0, 3, (rows,), generator=generator))
        for _ in range(count)
    ]


def supervised(build: Callable[[], nn.Module], optimizer: str = "adamw", **options: Any) -> Supervised:
    torch.manual_seed(0)
    model = build()
    made = make_optimizer(optimizer, model, learning_rate=0.01, weight_decay=0.01)
    measures = {"accuracy": losses.per_member(lambda outputs, targets: (outputs.argmax(1) == targets).float().mean())}
    return Supervised(model, losses.per_member(F.cross_entropy), made, measures=measures, **options)


def train(step: Any, data: list[Any], steps: int) -> list[dict[str, Tensor]]:
    torch.manual_seed(7)
    return [step(data[at % len(data)], Now(at / steps)) for at in range(steps)]


def assert_same(one: Supervised, other: Supervised) -> None:
    """Within the promise of 1e-5 of each tensor's size, moving averages and counters included."""
    for expected, ours in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert (expected - ours).double().norm() <= 1e-5 * expected.double().norm()


def clip_norm(parameters: Any) -> Tensor:
    return (nn.utils.clip_grad_norm_(parameters, 0.2) > 0.2).float()
