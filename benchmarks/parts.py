"""Our layers against the composition of torch calls that a person would write, forward and backward at typical sizes.

Interleaved pairs, medians. Both sides are modules with the same weights and must give the same values (the random ones: the
same shape) before anything is timed. Below them the two equivalents of torch's own layers as shares of whole training steps:
forward, backward, fused AdamW.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from machine import machine, spread, write
from small_networks import three_convolutions
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import layers
from leadline.losses import per_member
from leadline.models import convnet, mlp, tabular

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 25
# At least so long is one measurement: a layer of 50 microseconds is run many times.
SECONDS = 0.02


class Part(NamedTuple):
    """A layer of ours, the composition of it that a person would write, and the shape of the inputs."""

    ours: Callable[[], nn.Module]
    composed: Callable[[nn.Module], Callable[[Tensor], Any]]
    shape: tuple[int, ...]
    exact: bool = True


class Composed(nn.Module):
    """A composition as a person would keep it in a network."""

    def __init__(self, run: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.run = run

    def forward(self, x: Tensor) -> Any:
        return self.run(x)


def straight_through(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        line = x.clamp(-layer.limit, layer.limit)
        return line + (torch.where(x >= 0, 1.0, -1.0) - line).detach()

    return run


def logistic(layer: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: layer.limit / (1 + torch.exp(-layer.steepness * (x - layer.midpoint)))


def maxout(layer: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x.unflatten(layer.dim, (layer.pieces, -1)).max(dim=layer.dim % x.ndim).values


def winner_take_all(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        axis = layer.dim % x.ndim
        groups = x.unflatten(axis, (layer.group, -1))
        winner = groups.argmax(axis, keepdim=True)
        return torch.zeros_like(groups).scatter(axis, winner, groups.gather(axis, winner)).flatten(axis, axis + 1)

    return run


def gated(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        values, gate = x.chunk(2, layer.dim)
        return values * F.silu(gate)

    return run


def softmax(layer: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.softmax(x / layer.temperature, layer.dim)


def dense_maxout(layer: Any) -> Callable[[Tensor], Tensor]:
    first, second = layer.linear.weight.chunk(2)
    b, c = layer.linear.bias.chunk(2)
    return lambda x: torch.maximum(F.linear(x, first, b), F.linear(x, second, c))


def convolved_maxout(layer: Any) -> Callable[[Tensor], Tensor]:
    first, second = layer.convolution.weight.chunk(2)
    b, c = layer.convolution.bias.chunk(2)
    return lambda x: torch.maximum(F.conv2d(x, first, b, padding="same"), F.conv2d(x, second, c, padding="same"))


def padded_convolution(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, layer.pads(*x.shape[2:])), layer.weight, layer.bias, layer.stride)

    return run


def padded_pooling(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        (height, width), (f, g) = x.shape[2:], layer.kernel_size
        return F.max_pool2d(F.pad(x, (0, -width % g, 0, -height % f), value=-torch.inf), (f, g))

    return run


def unfolded(layer: Any) -> Callable[[Tensor], Tensor]:
    height, width, filters = layer.weight.shape[:3]

    def run(x: Tensor) -> Tensor:
        patches = F.unfold(F.pad(x, layer.pads), layer.kernel_size, stride=layer.stride)
        y = torch.einsum("bpl,lkp->bkl", patches, layer.weight.reshape(height * width, filters, -1))
        return y.view(len(x), filters, height, width) + layer.bias[:, None, None]

    return run


def peephole(layer: Any) -> Callable[[Tensor], Tensor]:
    """The published equations, a step at a time, the inputs' product taken out of the loop."""
    w, u = layer.weight_ih_l0, layer.weight_hh_l0
    p_i, p_f, p_o = layer.peephole_l0

    def run(x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), layer.hidden)
        arriving = F.linear(x, w, layer.bias_ih_l0 + layer.bias_hh_l0)
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = (arriving[:, t] + h @ u.T).chunk(4, dim=1)
            i, f = torch.sigmoid(i + p_i * c), torch.sigmoid(f + p_f * c)
            c = f * c + i * torch.tanh(g)
            h = torch.sigmoid(o + p_o * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1)

    return run


def drop_path(layer: Any) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        return x * (torch.rand(len(x), *[1] * (x.ndim - 1)) >= layer.p).float() / (1 - layer.p)

    return run


def locked(layer: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x * F.dropout(torch.ones(len(x), 1, x.shape[2]), layer.p)


PARTS = {
    "Sign": Part(layers.Sign, straight_through, (64, 1024)),
    "Logistic": Part(lambda: layers.Logistic(2.0, steepness=0.5, midpoint=1.0), logistic, (64, 1024)),
    "Maxout": Part(lambda: layers.Maxout(2), maxout, (64, 1024)),
    "Maxout of maps": Part(lambda: layers.Maxout(2, dim=1), maxout, (64, 64, 16, 16)),
    "MaxoutLinear": Part(lambda: layers.MaxoutLinear(512, 512), dense_maxout, (64, 512)),
    "MaxoutConv2d": Part(lambda: layers.MaxoutConv2d(32, 32, 3), convolved_maxout, (32, 32, 16, 16)),
    "WinnerTakeAll": Part(lambda: layers.WinnerTakeAll(2), winner_take_all, (64, 1024)),
    "WinnerTakeAll of maps": Part(lambda: layers.WinnerTakeAll(2, dim=1), winner_take_all, (64, 64, 16, 16)),
    "Gated (SwiGLU)": Part(layers.Gated, gated, (512, 1024)),
    "Gated (GLU)": Part(lambda: layers.Gated("sigmoid"), lambda layer: lambda x: F.glu(x, layer.dim), (512, 1024)),
    "Softmax": Part(lambda: layers.Softmax(0.5), softmax, (256, 1000)),
    "SameConv2d 2×2": Part(lambda: layers.SameConv2d(16, 32, 2), padded_convolution, (64, 16, 16, 16)),
    "SameConv2d 3×3, stride 2": Part(lambda: layers.SameConv2d(16, 32, 3, stride=2), padded_convolution, (64, 16, 31, 31)),
    "SameMaxPool2d": Part(lambda: layers.SameMaxPool2d(2), padded_pooling, (64, 16, 31, 31)),
    "MaxPool2x2": Part(layers.MaxPool2x2, lambda layer: lambda x: F.max_pool2d(x, 2), (64, 16, 32, 32)),
    "LocallyConnected2d": Part(
        lambda: layers.LocallyConnected2d(3, 10, 5, size=(32, 32), padding="same"), unfolded, (64, 3, 32, 32)
    ),
    "LocalResponseNorm": Part(
        lambda: layers.LocalResponseNorm(5), lambda layer: lambda x: F.local_response_norm(x, 5), (32, 96, 27, 27)
    ),
    "PeepholeLSTM": Part(lambda: layers.PeepholeLSTM(64, 128), peephole, (32, 50, 64)),
    "DropPath": Part(lambda: layers.DropPath(0.2), drop_path, (64, 32, 16, 16), exact=False),
    "LockedDropout": Part(lambda: layers.LockedDropout(0.5), locked, (32, 50, 256), exact=False),
    "FastDropout": Part(
        lambda: layers.FastDropout(0.3), lambda layer: lambda x: F.dropout(x, layer.p), (64, 1024), exact=False
    ),
}


def both_ways(run: Callable[[Tensor], Any], x: Tensor, parameters: list[Tensor]) -> Callable[[], None]:
    """One forward and one backward pass."""
    x = x.clone().requires_grad_()
    shown = run(x)
    passed = torch.randn_like(shown[0] if isinstance(shown, tuple) else shown)

    def once() -> None:
        y = run(x)
        torch.autograd.grad(y[0] if isinstance(y, tuple) else y, [x, *parameters], passed)

    return once


def timed(actions: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Interleaved pairs, the first of each pair in turn; the ratio is of the first action to the second."""
    began = time.perf_counter()
    for action in actions.values():
        action()
    times = max(1, round(len(actions) * SECONDS / (time.perf_counter() - began)))
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for pair in range(PAIRS + 1):
        for name, action in actions.items() if pair % 2 else reversed(actions.items()):
            began = time.perf_counter()
            for _ in range(times):
                action()
            taken[name].append((time.perf_counter() - began) / times * 1e6)
    first, second = (values[1:] for values in taken.values())
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    return {"microseconds": {name: spread(values[1:]) for name, values in taken.items()}, "ratio": spread(ratios)}


def compare(part: Part) -> dict[str, Any]:
    torch.manual_seed(0)
    layer, x = part.ours(), torch.randn(part.shape)
    composed = Composed(part.composed(layer))
    ours, theirs = layer(x), composed(x)
    ours = ours[0] if isinstance(ours, tuple) else ours
    assert ours.shape == theirs.shape
    assert not part.exact or torch.allclose(ours, theirs, atol=1e-4)
    parameters = list(layer.parameters())
    return timed({"ours": both_ways(layer, x, parameters), "composed": both_ways(composed, x, parameters)})


def swapped(model: nn.Module, kind: type[nn.Module], other: Callable[[Any], nn.Module]) -> nn.Module:
    """The model with each layer of one kind replaced by its equivalent."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is kind:
                setattr(module, name, other(child))
    return model


def step(model: nn.Module, x: Tensor, targets: Tensor, loss: Callable[..., Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def once() -> None:
        optimizer.zero_grad()
        loss(model(x), targets).backward()
        optimizer.step()

    return once


def whole_steps() -> dict[str, Any]:
    edges = [tuple(torch.linspace(-2, 2, 17).tolist())] * 8

    def with_torch_dropout() -> nn.Module:
        return swapped(tabular(edges, (), 2, "classes"), layers.FastDropout, lambda layer: nn.Dropout(layer.p))

    networks = {
        "three convolutions": (three_convolutions, (64, 3, 32, 32), F.cross_entropy),
        "convnet on 28 × 28": (lambda: convnet((1, 28, 28), 10, dropout=0.1), (64, 1, 28, 28), F.cross_entropy),
        "digits convnet": (lambda: convnet((1, 8, 8), 10, dropout=0.1), (64, 1, 8, 8), F.cross_entropy),
        "mlp 256 with dropout": (lambda: mlp((784,), 10, dropout=0.3), (64, 784), F.cross_entropy),
        "tabular": (with_torch_dropout, (256, 8), per_member(F.cross_entropy)),
    }
    equivalents = {
        "MaxPool2x2": (nn.MaxPool2d, lambda _: layers.MaxPool2x2()),
        "FastDropout": (nn.Dropout, lambda layer: layers.FastDropout(layer.p)),
    }
    record: dict[str, Any] = {}
    for network, (build, shape, loss) in networks.items():
        x, targets = torch.randn(shape), torch.randint(0, 2, shape[:1])
        for name, (kind, other) in equivalents.items():
            if not any(type(module) is kind for module in build().modules()):
                continue
            ours = swapped(build(), kind, other)
            found = timed({"ours": step(ours, x, targets, loss), "torch": step(build(), x, targets, loss)})
            record[f"{name} in {network}"] = found
    # The other way to a fast maximum: all maps in torch's second layout.
    x, targets = torch.randn(64, 3, 32, 32), torch.randint(0, 2, (64,))
    last = torch.channels_last
    record["MaxPool2x2 against channels_last"] = timed(
        {
            "ours": step(swapped(three_convolutions(), *equivalents["MaxPool2x2"]), x, targets, F.cross_entropy),
            "torch": step(
                three_convolutions().to(memory_format=last), x.contiguous(memory_format=last), targets, F.cross_entropy
            ),
        }
    )
    return record


def tell(name: str, found: dict[str, Any]) -> None:
    medians = {label: values["median"] for label, values in found["microseconds"].items()}
    (ours, first), (other, second) = medians.items()
    ratio = found["ratio"]
    print(f"{name:36} {ours} {first:9.0f} µs, {other} {second:9.0f} µs: {ratio['median']:.3f} × "
          f"({ratio['low']:.3f} to {ratio['high']:.3f})", flush=True)  # fmt: skip


def main() -> None:
    record: dict[str, Any] = {"machine": machine(), "pairs": PAIRS, "parts": {}, "whole_steps": {}}
    ceilings = record["machine"]
    print(f"{ceilings['matrix_product_gflops']} GFLOP/s, {ceilings['copy_gbytes_per_second']} GB/s copied\n")
    for name, part in PARTS.items():
        record["parts"][name] = compare(part)
        tell(name, record["parts"][name])
    print()
    record["whole_steps"] = whole_steps()
    for name, found in record["whole_steps"].items():
        tell(name, found)
    slower = [name for name, found in record["parts"].items() if found["ratio"]["low"] > 1.02]
    print(f"\nslower than composed: {', '.join(slower) or 'none'}")
    print(f"median ratio {statistics.median(found['ratio']['median'] for found in record['parts'].values()):.3f}")
    write("parts", record)


if __name__ == "__main__":
    main()
