"""The published recipes for 94 % and 96 % on CIFAR-10 ("airbench"), stated anew in plain PyTorch, for `cifar10_device.py`.

Facts from Jordan (2024), 94 % on CIFAR-10 in 3.29 seconds on a single GPU (arXiv 2404.00498), and the later settings that its
author published: 94 % with Muon (batch 2000, 8 epochs of 50,000 pictures, 2.59 s on an A100), 96 % with three convolutions a
block (batch 1024, 31 epochs and more). Nothing of Leadline is used here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_WHITENED = 5_000  # pictures whose patches are looked at
_EPSILON = 5e-4


@dataclass(frozen=True)
class Recipe:
    """One of the two published settings; widths of the three blocks, convolutions a block."""

    widths: tuple[int, int, int]
    depth: int
    batch: int
    translate: int
    cutout: int = 0
    muon: bool = False
    statistics: float = 0.1  # the share of a new batch in the running statistics
    bias_epochs: float = 3.0  # how long the first layer's bias trains


RECIPES = {
    94: Recipe((64, 256, 256), 2, 2000, 2, muon=True, statistics=0.4),
    96: Recipe((128, 384, 512), 3, 1024, 4, cutout=12),
}


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, statistics: float) -> None:
        super().__init__()
        sizes = [inputs, *[outputs] * (depth - 1)]
        self.convolutions = nn.ModuleList(nn.Conv2d(size, outputs, 3, padding=1, bias=False) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs, eps=1e-12, momentum=statistics) for _ in sizes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norms[0](F.max_pool2d(self.convolutions[0](x), 2)))
        before = x
        x = self.norms[1](self.convolutions[1](x))
        if len(self.norms) == 3:
            x = self.norms[2](self.convolutions[2](F.gelu(x))) + before
        return F.gelu(x)


class PublishedNet(nn.Module):
    """24 whitening filters of 2 × 2, three blocks, the maximum over the map, a head without bias."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.first = nn.Conv2d(3, 24, 2)
        self.first.weight.requires_grad_(False)
        sizes = (24, *recipe.widths)
        pairs = pairwise(sizes)
        self.blocks = nn.Sequential(*(Block(one, other, recipe.depth, recipe.statistics) for one, other in pairs))
        self.head = nn.Linear(recipe.widths[-1], 10, bias=False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.requires_grad_(False)

    def forward(self, x: Tensor, train_bias: bool) -> Tensor:
        bias = self.first.bias if train_bias else self.first.bias.detach()
        x = self.blocks(F.gelu(F.conv2d(x, self.first.weight, bias)))
        # Not `amax`: compiled in half precision, its gradient looks for the maximum among numbers that were not yet rounded,
        # finds none, and divides by 0.
        logits = self.head(F.max_pool2d(x, x.shape[-1]).flatten(1))
        return logits / self.recipe.widths[-1] if self.recipe.muon else logits / 9

    @torch.no_grad()
    def reset(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d) and module is not self.first:
                nn.init.dirac_(module.weight[: module.in_channels])
        if self.recipe.muon:
            self.head.weight.div_(self.head.weight.float().std())
        else:
            self.first.bias.zero_()

    @torch.no_grad()
    def whiten(self, pictures: Tensor) -> None:
        patches = F.unfold(pictures.float(), 2).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + _EPSILON).sqrt()).T.reshape(12, 3, 2, 2).flip(0)
        self.first.weight.copy_(torch.cat([filters, -filters]))


def orthogonal(gradient: Tensor) -> Tensor:
    """Three Newton–Schulz steps in bfloat16."""
    x = gradient.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(3):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


class PlainMuon:
    """The published Muon: every filter bank is brought to its length, and moved along the orthogonal direction."""

    def __init__(self, weights: list[Tensor], direction: Callable[[Tensor], Tensor]) -> None:
        self.weights, self.direction = weights, direction
        self.velocities = [torch.zeros_like(weight) for weight in weights]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for weight, velocity in zip(self.weights, self.velocities, strict=True):
            velocity.mul_(0.6).add_(weight.grad)
            ahead = weight.grad.add(velocity, alpha=0.6)
            weight.mul_(len(weight) ** 0.5 / weight.norm())
            weight.add_(self.direction(ahead.reshape(len(ahead), -1)).view(weight.shape), alpha=-rate)


def translated(padded: Tensor, side: int) -> Tensor:
    """A window of each padded picture, at a place of its own: [N, C, side + 2r, …] → [N, C, side, side], channels last."""
    count, most = len(padded), padded.shape[-1] - side
    places = torch.randint(0, most + 1, (2, count, 1), device=padded.device)
    down, right = places + torch.arange(side, device=padded.device)
    rows = torch.arange(count, device=padded.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows, down[:, :, None], right[:, None, :]].permute(0, 3, 1, 2)


def cut_out(pictures: Tensor, size: int) -> Tensor:
    """A square within each picture is set to the mean colour."""
    count, side = len(pictures), pictures.shape[-1]
    corner = torch.randint(0, side - size + 1, (2, count, 1), device=pictures.device)
    away = torch.arange(side, device=pictures.device) - corner
    down, right = (away >= 0) & (away < size)
    return pictures.masked_fill(down[:, None, :, None] & right[:, None, None, :], 0)


class Published:
    """A published recipe on its device, ready to be trained again and again.

    `mode` is how `torch.compile` is asked ("reduce-overhead" has CUDA graphs, as "max-autotune" has, with which the author
    compiles, but does not spend minutes on trying kernels); "" does not compile.
    """

    def __init__(self, target: int, pictures: Tensor, targets: Tensor, *, mode: str, narrow: int = 0) -> None:
        recipe = RECIPES[target]
        if narrow:
            widths = (narrow, 2 * narrow, 2 * narrow)
            recipe = Recipe(widths, recipe.depth, min(64, len(pictures)), recipe.translate, recipe.cutout, recipe.muon)
        self.recipe, self.pictures, self.targets, self.device = recipe, pictures, targets, pictures.device
        self.half = torch.float16 if self.device.type == "cuda" else torch.float32
        self.network = PublishedNet(recipe).to(self.device, self.half, memory_format=torch.channels_last)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.float()
        self.per_epoch = len(pictures) // recipe.batch
        self.compile(mode)

    def compile(self, mode: str) -> None:
        self.mode = mode
        self.forward: Callable[..., Tensor] = self.network
        self.direction: Callable[[Tensor], Tensor] = orthogonal
        if mode:
            self.forward = torch.compile(self.network, mode=mode, dynamic=False)
            self.direction = torch.compile(orthogonal, dynamic=False)

    def prepared(self, pictures: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, device=self.device, dtype=self.half).view(1, 3, 1, 1) for values in (MEAN, STD))
        scaled = pictures.permute(0, 3, 1, 2).to(self.half, memory_format=torch.channels_last) / 255
        return (scaled - mean) / std

    def batches(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end: mirrored in turn, translated, perhaps cut out, a new order each epoch."""
        side, epoch = images.shape[-1], 0
        first = torch.rand(len(images), device=self.device) < 0.5
        images = torch.where(first[:, None, None, None], images.flip(-1), images)
        padded = F.pad(images, (self.recipe.translate,) * 4, "reflect").contiguous(memory_format=torch.channels_last)
        while True:
            seen = translated(padded, side)
            seen = seen.flip(-1) if epoch % 2 else seen
            seen = cut_out(seen, self.recipe.cutout) if self.recipe.cutout else seen
            seen = seen.permute(0, 2, 3, 1).contiguous()  # pixels of a picture together, as they are already
            order = torch.randperm(len(seen), device=self.device)
            for at in range(self.per_epoch):
                rows = order[at * self.recipe.batch : (at + 1) * self.recipe.batch]
                yield seen[rows].permute(0, 3, 1, 2), self.targets[rows]
            epoch += 1

    def reset(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.network.reset()
        self.network.train()
        for parameter in self.network.parameters():
            parameter.grad = None

    def train(self, epochs: float, *, steps: int = 0) -> None:
        """A whole training after `reset`; or so many steps, to compile and to warm up."""
        images = self.prepared(self.pictures)
        self.network.whiten(images[:_WHITENED])
        total = steps or math.ceil(epochs * self.per_epoch)
        with_bias = max(1, total // 2) if steps else min(total, math.ceil(self.recipe.bias_epochs * self.per_epoch))
        (self._with_muon if self.recipe.muon else self._with_sgd)(images, total, with_bias)

    def _loss(self, inputs: Tensor, labels: Tensor, train_bias: bool) -> None:
        F.cross_entropy(self.forward(inputs, train_bias), labels, label_smoothing=0.2, reduction="sum").backward()

    def _groups(self, *parts: tuple[list[Tensor], float], decay: float) -> list[dict[str, Any]]:
        return [{"params": weights, "lr": rate, "weight_decay": decay / rate} for weights, rate in parts]

    def _with_muon(self, images: Tensor, total: int, with_bias: int) -> None:
        network, decay = self.network, 2e-6 * self.recipe.batch
        biases = [p for name, p in network.named_parameters() if "norms" in name and p.requires_grad]
        filters = [p for p in network.parameters() if p.ndim == 4 and p.requires_grad]
        parts = ([network.first.bias], 0.053), (biases, 0.053), ([network.head.weight], 0.67)
        sgd = torch.optim.SGD(self._groups(*parts, decay=decay), momentum=0.85, nesterov=True, fused=True)
        muon = PlainMuon(filters, self.direction)
        rates = [group["lr"] for group in sgd.param_groups]
        for step, (inputs, labels) in zip(range(total), self.batches(images), strict=False):
            self._loss(inputs, labels, step < with_bias)
            left = 1 - step / total
            shares = (max(0.0, 1 - step / with_bias), left, left)
            for group, rate, share in zip(sgd.param_groups, rates, shares, strict=True):
                group["lr"] = rate * share
            sgd.step()
            muon.step(0.24 * left)
            network.zero_grad(set_to_none=True)

    def _with_sgd(self, images: Tensor, total: int, with_bias: int) -> None:
        network, momentum = self.network, 0.85
        scale = 1024 * (1 + 1 / (1 - momentum))  # what a step of this momentum comes to, per picture
        rate, decay = 9.0 / scale, 0.012 * self.recipe.batch / scale
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        parts = [p for name, p in named if "norms" in name], [p for name, p in named if "norms" not in name]
        groups = self._groups((parts[0], 64 * rate), (parts[1], rate), decay=decay)
        sgd = torch.optim.SGD(groups, momentum=momentum, nesterov=True, fused=True)
        rates, rise = [group["lr"] for group in sgd.param_groups], int(0.1 * total)
        live = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
        kinds = [[tensor for tensor in live if tensor.dtype == dtype] for dtype in {tensor.dtype for tensor in live}]
        slow = [[tensor.clone() for tensor in kind] for kind in kinds]
        for step, (inputs, labels) in zip(range(total), self.batches(images), strict=False):
            share = 0.2 + 0.8 * step / rise if step < rise else (total - step) / (total - rise)
            for group, full in zip(sgd.param_groups, rates, strict=True):
                group["lr"] = full * share
            self._loss(inputs, labels, step < with_bias)
            sgd.step()
            network.zero_grad(set_to_none=True)
            done = step + 1
            if done % 5 == 0 or done == total:  # lookahead; at the end the slow weights are what is used
                kept = 1.0 if done == total else 0.95**5 * (done / total) ** 3
                for far, near in zip(slow, kinds, strict=True):
                    torch._foreach_lerp_(far, near, 1 - kept)
                    torch._foreach_copy_(near, far)

    def logits(self, inputs: Tensor) -> Tensor:
        self.network.eval()
        with torch.no_grad():
            return self.network(inputs, False).float()
