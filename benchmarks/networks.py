"""The classic networks at 224 pixels, batch 16: milliseconds forward and backward, the table of jcjohnson's cnn-benchmarks.

Ours (what `leadline.train` would measure to be fastest: memory layout, recorded step, kept buffers) and the same network in
eager PyTorch by hand, in turn in one process; each also as a share of this machine's matrix-product ceiling, from the
multiply-adds that `explain.summary` counts. `python networks.py NETWORK …` measures these alone and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from machine import machine, spread, write
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import explain, models
from leadline.training import Supervised
from leadline.training.recorded import Recorded, keeping_buffers

BATCH, ROUNDS = 16, 3
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "AlexNet": models.alexnet,
    "VGG-16": models.vgg16,
    "VGG-19": models.vgg19,
    "ResNet-18": models.resnet18,
    "ResNet-34": models.resnet34,
    "ResNet-50": models.resnet50,
    "ResNet-101": models.resnet101,
}
PUBLISHED = {  # ms for forward and backward at batch 16 by cnn-benchmarks: Pascal Titan X with cuDNN 5.1, two Xeon E5-2630v3
    "ResNet-50": {"Titan X": 103.58, "Xeon": 6627.25},
}


def forward_backward(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor
) -> tuple[float, float]:
    """Milliseconds of the two halves of a step by hand, the update left out as in the published table."""
    optimizer.zero_grad()
    began = time.perf_counter()
    loss = F.cross_entropy(model(inputs), targets)
    middle = time.perf_counter()
    loss.backward()
    return 1e3 * (middle - began), 1e3 * (time.perf_counter() - middle)


class Ours:
    """The whole step of `leadline.train`, its update too: in the layout and of the kind that take the least time."""

    def __init__(self, build: Callable[..., nn.Module], inputs: Tensor, targets: Tensor) -> None:
        ways: dict[str, Callable[[], object]] = {}
        for layout, memory_format in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
            torch.manual_seed(0)
            model = build().to(memory_format=memory_format)  # type: ignore[call-overload]
            batch = inputs.contiguous(memory_format=memory_format), targets
            step = Supervised(model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=1e-3, fused=True))
            ways[f"{layout} plain"] = lambda step=step, batch=batch: step(batch, None)  # type: ignore[misc]
            recorded = Recorded(step)
            if not recorded.record(batch):
                ways[f"{layout} recorded"] = lambda step=recorded, batch=batch: step(batch, None)  # type: ignore[misc]
        taken = {name: min(_milliseconds(way) for _ in range(2)) for name, way in ways.items()}
        self.way = min(taken, key=taken.__getitem__)
        self.step = ways[self.way]

    def __call__(self) -> float:
        return _milliseconds(self.step)


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - began)


def measure(name: str, gflops: float) -> dict[str, Any]:
    build = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    inputs, targets = (
        torch.randn(BATCH, 3, 224, 224, generator=generator),
        torch.randint(0, 1000, (BATCH,), generator=generator),
    )
    torch.manual_seed(0)
    model = build().train()
    multiply_adds = explain.summary(model, (3, 224, 224)).multiply_adds
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, fused=True)
    ours = Ours(build, inputs, targets)
    taken: dict[str, list[float]] = {"forward": [], "backward": [], "update": [], "ours": []}
    for turn in range(ROUNDS + 1):
        forward, backward = forward_backward(model, optimizer, inputs, targets)
        update, whole = _milliseconds(optimizer.step), ours()
        if turn:
            for label, value in zip(taken, (forward, backward, update, whole), strict=True):
                taken[label].append(value)
    by_hand = [sum(parts) for parts in zip(taken["forward"], taken["backward"], taken["update"], strict=True)]
    least = 1e3 * 3 * 2 * multiply_adds * BATCH / (gflops * 1e9)  # backward takes twice the products of forward
    figures = {
        "milliseconds": {**{label: spread(values) for label, values in taken.items()}, "by hand": spread(by_hand)},
        "way": ours.way,
        "times_by_hand": spread([one / other for one, other in zip(taken["ours"], by_hand, strict=True)])["median"],
        "multiply_adds": multiply_adds,
        "share_of_ceiling": {"ours": least / spread(taken["ours"])["median"], "by hand": least / spread(by_hand)["median"]},
        "published_milliseconds": PUBLISHED.get(name, {}),
    }
    halves = ", ".join(f"{label} {spread(taken[label])['median']:,.0f}" for label in ("forward", "backward", "update"))
    print(
        f"{name:11} by hand {spread(by_hand)['median']:7,.0f} ms ({halves}), ours {spread(taken['ours'])['median']:7,.0f} ms "
        f"({ours.way}): {figures['times_by_hand']:.2f} ×, {figures['share_of_ceiling']['ours']:.0%} of the ceiling",
        flush=True,
    )
    return figures


def main() -> None:
    names = sys.argv[1:] or list(NETWORKS)
    record: dict[str, Any] = {"machine": machine(), "batch": BATCH, "rounds": ROUNDS}
    with keeping_buffers():
        for name in names:
            record[name] = measure(name, record["machine"]["matrix_product_gflops"])
    if len(names) == len(NETWORKS):
        write("networks", record)


if __name__ == "__main__":
    main()
