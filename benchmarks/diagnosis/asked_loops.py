"""Questions about what a loop or a module does with its parameters and its modes, restated as programs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from asked import Probe, Watch, question
from question_rows import Shares, accuracy, digits, scaled, shared, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def epochs_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, rows: Shares, watch: Watch, *, epochs: int = 25, batch_size: int = 32
) -> Probe:
    """The loop that everybody writes."""
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(rows.x, rows.y), batch_size=batch_size, shuffle=True, drop_last=True)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(epochs):
            model.train()
            for inputs, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe


@question("https://github.com/pytorch/pytorch/issues/47175", "not_training")
def zeroed_once_an_epoch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The gradients are zeroed at the beginning of an epoch, and pile up in it."""
    rows = digits()
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(30):
            optimizer.zero_grad()
            for batch in torch.randperm(len(rows.x)).split(32):
                if mended:
                    optimizer.zero_grad()
                loss = criterion(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


class Stack(nn.Module):
    """Hidden layers in a list, which only a `ModuleList` makes known."""

    def __init__(self, depth: int, *, known: bool) -> None:
        super().__init__()
        self.first = nn.Linear(64, 16)
        layers = [nn.Linear(16, 16) for _ in range(depth)]
        self.hids = nn.ModuleList(layers) if known else layers
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        for layer in self.hids:
            x = torch.tanh(layer(x))
        return self.classifier(x)


@question("https://github.com/pytorch/pytorch/issues/715", "not_training")
def layers_in_a_list(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Four layers are in a Python list, where neither the module nor the optimizer finds them."""
    rows = digits()
    model = Stack(4, known=mended)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return epochs_of(model, optimizer, rows, watch, epochs=40), accuracy(model, rows.xt, rows.yt)


class ThreeLayers(nn.Module):
    """The first layer is kept, or made anew whenever rows pass."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__()
        self.linear1 = nn.Linear(13, 24) if kept else None
        self.linear2 = nn.Linear(24, 12)
        self.linear3 = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        first = nn.Linear(13, 24) if self.linear1 is None else self.linear1
        hidden = first(x).clamp(min=0)
        return self.linear3(self.linear2(hidden).clamp(min=0))


@question("https://github.com/pytorch/pytorch/issues/1291", "not_training", "input_ignored")
def made_anew_in_forward(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`forward` makes its first layer itself, with other random weights each time."""
    rows = scaled(shared(*table("wine")))
    model = ThreeLayers(kept=mended)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=5e-3)
    return epochs_of(model, optimizer, rows, watch, epochs=60, batch_size=10), accuracy(model, rows.xt, rows.yt)


class CutOff(nn.Module):
    """An encoder and a head, with or without a gradient between them."""

    def __init__(self, *, joined: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 6), nn.Tanh())
        self.head = nn.Linear(6, 10)
        self.joined = joined

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x)
        return self.head(code if self.joined else code.detach())


@question("https://github.com/lucidrains/CoCa-pytorch/issues/6", "not_training")
def code_detached(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The encoder's output is detached on its way to the head, so that the encoder stays as it was drawn."""
    rows = digits()
    model = CutOff(joined=mended)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    with watch(model, optimizer) as probe:
        for _ in range(40):
            for batch in torch.randperm(len(rows.x)).split(32):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(rows.x[batch]), rows.y[batch])
                loss.backward()
                optimizer.step()
                probe.step(loss, rows.x[batch], rows.y[batch])
    return probe, accuracy(model, rows.xt, rows.yt)


def fresh() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10))


@question("https://github.com/microsoft/nni/issues/4521", "not_training")
def optimizer_of_another(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The layers were replaced after the optimizer was made, which still moves the old ones."""
    rows = digits()
    model = fresh()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    model = fresh()
    if mended:
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    return epochs_of(model, optimizer, rows, watch), accuracy(model, rows.xt, rows.yt)


@question("https://github.com/Cadene/pretrained-models.pytorch/issues/5", "mode_mismatch")
def momentum_of_zero(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Batch norms with a momentum of 0 never learn their running statistics, which evaluation uses."""
    rows = shared(*table("digits"))
    momentum = 0.1 if mended else 0.0
    model = nn.Sequential(
        *(nn.Linear(64, 48), nn.BatchNorm1d(48, momentum=momentum), nn.ReLU()),
        *(nn.Linear(48, 24), nn.BatchNorm1d(24, momentum=momentum), nn.ReLU(), nn.Linear(24, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-3)
    return epochs_of(model, optimizer, rows, watch), accuracy(model, rows.xt, rows.yt)


@question("https://github.com/pytorch/pytorch/issues/4741", "mode_mismatch")
def batches_of_two(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Batch norms over two rows know nothing but which of them is larger."""
    rows = digits()
    model = nn.Sequential(
        *(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU()),
        *(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.5, weight_decay=1e-3)
    probe = epochs_of(model, optimizer, rows, watch, epochs=25 if mended else 4, batch_size=32 if mended else 2)
    return probe, accuracy(model, rows.xt, rows.yt)
