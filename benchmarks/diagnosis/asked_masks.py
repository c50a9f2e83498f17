"""Questions about masks of pictures, U-Nets and the statistics of batch norms, restated as programs."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import mini_batches, overlap, parts
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from leadline.diagnose import Probe

SIDE = 16


def cell_pictures(count: int) -> tuple[Tensor, Tensor]:
    """(N, 1, 16, 16) of noise with two bright ellipses in the upper left part, and masks of them."""
    rows, columns = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    masks = torch.zeros(count, SIDE, SIDE)
    for _ in range(2):
        centre = 2 + 8 * torch.rand(2, count, 1, 1)
        radius = 1.5 + 1.5 * torch.rand(2, count, 1, 1)
        masks[((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 < 1] = 1
    return (1.6 * masks + 0.6 * torch.randn(count, SIDE, SIDE))[:, None], masks[:, None]


def block(channels_in: int, channels_out: int) -> nn.Sequential:
    """A convolution with batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU())


class TinyUNet(nn.Module):
    """One step down, one up, and the shortcut between them."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.enter = block(1, 8)
        self.below = nn.Sequential(block(8, 16), block(16, 16))
        self.leave = block(24, 8)
        self.out = nn.Conv2d(8, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.enter(x)
        far = F.interpolate(self.below(F.max_pool2d(near, 2)), scale_factor=2)
        return self.out(self.leave(torch.cat([near, far], dim=1)))


def masked(model: nn.Module, x: Tensor) -> Tensor:
    """Where a network sees cells, by the sign of its output."""
    model.eval()
    with torch.no_grad():
        return (model(x) > 0).float()


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Pictures and masks, mirrored at random: both by one draw, or each by its own."""

    def __init__(self, x: Tensor, masks: Tensor, *, together: bool) -> None:
        self.x, self.masks, self.together = x, masks, together

    def __len__(self) -> int:
        return len(self.x)

    def drawn(self) -> list[int]:
        return [axis for axis in (1, 2) if torch.rand(()) < 0.5]

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        axes = self.drawn()
        return self.x[row].flip(axes), self.masks[row].flip(axes if self.together else self.drawn())


@question("https://php.bkmy88.com/faq/2070680.html", "label_noise", "input_ignored", "underfitting")
def masks_mirrored_on_their_own(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """One random transform is called for the picture and once more for its mask, which draws anew."""
    train, valid, test = parts(*cell_pictures(700), 400, 100, 200)
    loader = DataLoader(Augmented(*train, together=mended), batch_size=16, shuffle=True)
    model = TinyUNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    criterion = nn.BCEWithLogitsLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            model.train()
            for images, masks in loader:
                optimizer.zero_grad()
                loss = criterion(model(images), masks)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, masks)
    return probe, overlap(masked(model, test[0]), test[1])


@question("https://github.com/jakeret/tf_unet/issues/15", "head_or_loss_wrong")
def dice_of_raw_outputs(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The Dice loss is made for probabilities and is given the outputs as they are, which may be of any size and sign."""

    def dice_loss(outputs: Tensor, masks: Tensor) -> Tensor:
        chances = torch.sigmoid(outputs) if mended else outputs
        both = (chances * masks).sum(dim=(1, 2, 3))
        return 1 - ((2 * both + 1) / (chances.sum(dim=(1, 2, 3)) + masks.sum(dim=(1, 2, 3)) + 1)).mean()

    train, valid, test = parts(*cell_pictures(700), 400, 100, 200)
    model = TinyUNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.004)
    with watch(model, optimizer, loss=dice_loss, valid=valid) as probe:
        for _ in range(8):
            model.train()
            for images, masks in mini_batches(*train, 16):
                loss = dice_loss(model(images), masks)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, images, masks)
    return probe, overlap(masked(model, test[0]), test[1])


@question(
    "https://discuss.pytorch.org/t/frozen-batch-normalization-still-shows-different-performance-in-model-train-from-model-eval/25176",
    "mode_mismatch",
)
def norms_frozen_by_their_momentum(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Pretrained batch norms are to stay as they are, by a momentum of 0; in training they go by the batch."""
    model = TinyUNet()
    before = torch.optim.Adam(model.parameters(), lr=0.004)
    for images, masks in mini_batches(*cell_pictures(1600), 16):
        before.zero_grad()
        F.binary_cross_entropy_with_logits(model(images), masks).backward()
        before.step()

    x, masks = cell_pictures(700)
    train, valid, test = parts(3 * x.abs() - 4, masks, 400, 100, 200)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1 if mended else 0.0
            layer.requires_grad_(False)
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=0.003)
    criterion = nn.BCEWithLogitsLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            model.train()
            for images, masks in mini_batches(*train, 8):
                optimizer.zero_grad()
                loss = criterion(model(images), masks)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, masks)
            masked(model, valid[0])
    return probe, overlap(masked(model, test[0]), test[1])
