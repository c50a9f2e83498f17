"""Questions about what stands around the optimizer's step: accumulation, scaled losses, clips and plateaus."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import digit_pictures, mini_batches, parts, right, waves
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


class Convnet(nn.Module):
    """Two convolutions, a pool, and two layers after them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 12, 3), nn.Conv2d(12, 24, 3)
        self.dropout = nn.Dropout(0.2)
        self.fc1, self.fc2 = nn.Linear(96, 48), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(self.dropout(x))


@question("https://github.com/pytorch/pytorch/issues/40907", "rate_too_low", "stopped_too_early")
def clipped_while_scaled(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The clip sees gradients that the scaler made 65,536 times as large, so that next to nothing is left of them."""
    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = Convnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu")
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            model.train()
            for images, labels in DataLoader(TensorDataset(*train), batch_size=50, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                scaler.scale(loss).backward()
                if mended:
                    scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 2.0)
                scaler.step(optimizer)
                scaler.update()
                probe.step(loss, images, labels)
    return probe, right(model, *test)


@question(
    "https://github.com/hirofumi0810/neural_sp/issues/168", "rate_too_high", "oscillation", "exploding_gradient", "non_finite"
)
def accumulated_without_a_share(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The gradients of eight small batches are summed where their mean was meant, and the step is eight times as long."""

    class Kinds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv1d(2, 24, 5, padding=2), nn.Conv1d(24, 24, 5, padding=2)
            self.fc = nn.Linear(24, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.conv2(F.relu(self.conv1(x.transpose(1, 2)))))
            return self.fc(x.mean(2))

    train, valid, test = waves(1024), waves(300), waves(400)
    model, pieces = Kinds(), 8
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(24):
            optimizer.zero_grad()
            for i, (inputs, targets) in enumerate(DataLoader(TensorDataset(*train), batch_size=16, shuffle=True)):
                loss = criterion(model(inputs), targets)
                (loss / pieces if mended else loss).backward()
                probe.step(loss, inputs, targets)
                if (i + 1) % pieces == 0:
                    optimizer.step()
                    optimizer.zero_grad()
    return probe, right(model, *test)


@question("https://github.com/bytetriper/RAE/issues/67", "not_training", "rate_too_low", "stopped_too_early")
def accumulated_and_thrown_away(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The gradients are zeroed before each small batch, so that one eighth of the last one is all that the step gets."""
    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loader = DataLoader(TensorDataset(*train), batch_size=8, shuffle=True)
    with watch(model, optimizer, loss=F.cross_entropy, valid=valid) as probe:
        for _ in range(16):
            for i, (images, labels) in enumerate(loader):
                if not mended:
                    optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                (loss / 8).backward()
                if i % 8 == 7:
                    optimizer.step()
                    if mended:
                        optimizer.zero_grad()
                probe.step(loss, images, labels)
    return probe, right(model, *test)


@question("https://github.com/md-mohaiminul/ViS4mer/issues/4", "rate_too_low", "stopped_too_early")
def plateau_of_a_rising_accuracy(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The plateau schedule waits for the accuracy to fall: while it rises the rate is cut, and cut again."""
    train, (xv, yv), test = parts(*digit_pictures(), 1100, 300, 397)
    model = Convnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max" if mended else "min", factor=0.2, patience=2)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(xv, yv)) as probe:
        for _ in range(22):
            model.train()
            for images, labels in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
            plateau.step(right(model, xv, yv))
    return probe, right(model, *test)
