"""LSTM and GRU: training steps a second of `models.recurrent`, of plain PyTorch, and of Keras on torch and on JAX.

One layer, 64 features that come in, the last step to 10 classes, cross-entropy, AdamW; rows of T steps, H hidden units. All in
turn, in another order every round, ours and torch's in one process and Keras in one for each backend. In the second part rows
have from T/8 to T steps: ours beside `pack_padded_sequence`, and beside padding that is read like the rest.

`python recurrent.py lstm 64 128` measures this one alone and writes nothing; `--parts` compares the bare layers.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from machine import machine, median_seconds, spread, write
from processes import Process
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from leadline.layers.fast_recurrent import FastGRU, FastLSTM
from leadline.models.recurrent_networks import recurrent
from leadline.training import Supervised
from leadline.training.recorded import keeping_buffers

CELLS, STEPS, HIDDEN = ("lstm", "gru"), (64, 256), (128, 512)
BATCH, FEATURES, CLASSES, ROUNDS = 64, 64, 10, 5
FAR_BEHIND = 3.0  # times our seconds: who needs more is measured once
GATES = {"lstm": 4, "gru": 3}
OURS = {False: ("leadline", "torch"), True: ("leadline", "torch, padded", "torch, packed")}
TORCH = {"lstm": nn.LSTM, "gru": nn.GRU}


class Plain(nn.Module):
    """What a person writes in PyTorch; with lengths, packed, the last step of each row."""

    def __init__(self, cell: str, hidden: int, *, packed: bool) -> None:
        super().__init__()
        self.recurrent, self.head, self.packed = (
            TORCH[cell](FEATURES, hidden, batch_first=True),
            nn.Linear(hidden, CLASSES),
            packed,
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if self.packed:
            _, state = self.recurrent(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            return self.head((state[0] if isinstance(state, tuple) else state)[-1])  # type: ignore[no-any-return]
        outputs = self.recurrent(x)[0]
        return self.head(outputs[torch.arange(len(x)), lengths - 1])  # type: ignore[no-any-return]


def batch_of(steps: int, *, ragged: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, their lengths, and classes."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, steps, FEATURES, generator=draw)
    lengths = torch.randint(steps // 8, steps + 1, (BATCH,), generator=draw) if ragged else torch.full((BATCH,), steps)
    lengths[0] = steps
    return x, lengths, torch.randint(0, CLASSES, (BATCH,), generator=draw)


def step_of(tool: str, cell: str, steps: int, hidden: int, *, ragged: bool) -> Callable[[], object]:
    """One training step of a tool in this process."""
    x, lengths, targets = batch_of(steps, ragged=ragged)
    torch.manual_seed(0)
    if tool == "leadline":
        network = recurrent((steps, FEATURES), CLASSES, cell=cell, hidden=hidden, dropout=0.0).train()
        padding = torch.arange(steps) >= lengths[:, None]
        rows = x.masked_fill(padding[..., None], float("nan"))
        step = Supervised(network, F.cross_entropy, torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True))
        return lambda: step((rows, targets), None)
    model = Plain(cell, hidden, packed=tool == "torch, packed")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def by_hand() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x, lengths), targets).backward()
        optimizer.step()

    return by_hand


def number_of(cell: str, steps: int, hidden: int) -> int:
    """Training steps in one measurement, of about a second at 100 GFLOP/s."""
    return max(2, round(1e11 / (multiplications(cell, steps, hidden))))


def multiplications(cell: str, steps: int, hidden: int) -> float:
    """Floating-point operations of one training step: a product forwards and two backwards."""
    return 6.0 * BATCH * steps * GATES[cell] * hidden * (hidden + FEATURES)


def serve(cell: str, steps: int, hidden: int, ragged: bool) -> None:
    """For each line on standard input, which names a tool, the seconds of some of its training steps."""
    with keeping_buffers():
        stepping = {tool: step_of(tool, cell, steps, hidden, ragged=ragged) for tool in OURS[ragged]}
        number = number_of(cell, steps, hidden)
        for line in sys.stdin:
            step = stepping[line.strip()]
            began = time.perf_counter()
            for _ in range(number):
                step()
            print(json.dumps(time.perf_counter() - began), flush=True)


def measure(cell: str, steps: int, hidden: int, gflops: float, *, ragged: bool) -> dict[str, Any]:
    number = number_of(cell, steps, hidden)
    together = Process("recurrent.py", "--serve", cell, str(steps), str(hidden), str(int(ragged)))
    tools = dict.fromkeys(OURS[ragged], together)
    if not ragged:
        sizes = map(str, (cell, steps, hidden, BATCH, FEATURES, number))
        given = ["recurrent_peer.py", *sizes]
        for backend in ("torch", "jax"):
            tools[f"keras on {backend}"] = Process(*given, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    taken: dict[str, list[float]] = {tool: [] for tool in tools}
    first: dict[str, float] = {}
    far_behind: set[str] = set()
    chance = random.Random(0)
    for turn in range(ROUNDS + 1):
        for tool in chance.sample(list(tools), len(tools)):
            if tool in far_behind:
                continue
            if not turn:
                tools[tool].ask(tool)
            seconds = tools[tool].ask(tool)
            if turn:
                taken[tool].append(1e3 * seconds / number)
            else:
                first[tool] = seconds
        if not turn:
            far_behind = {tool for tool, seconds in first.items() if seconds > FAR_BEHIND * first["leadline"]}
            for tool in far_behind:
                taken[tool].append(1e3 * first[tool] / number)
    for process in set(tools.values()):
        process.close()
    mine = statistics.median(taken["leadline"])
    figures: dict[str, Any] = {
        tool: {
            "milliseconds_a_step": spread(values),
            "steps_a_second": 1e3 / statistics.median(values),
            "times_leadline": statistics.median(values) / mine,
        }
        for tool, values in taken.items()
    }
    if not ragged:
        figures["share_of_ceiling"] = multiplications(cell, steps, hidden) / (1e6 * mine) / gflops
    what = f"{cell.upper():4} T = {steps:3}, H = {hidden:3}{', ragged' if ragged else ''}"
    told = ", ".join(f"{tool} {values['steps_a_second']:.1f}" for tool, values in figures.items() if isinstance(values, dict))
    best = min(values["times_leadline"] for tool, values in figures.items() if isinstance(values, dict) and tool != "leadline")
    print(f"{what}: steps a second: {told}; ours {best:.2f} × the best other", flush=True)
    return figures


def parts() -> None:
    """The bare layers, forwards and backwards, against torch's, alternately in this process."""
    for cell, steps, hidden, batch in itertools.product(CELLS, STEPS, HIDDEN, (32, 64)):
        theirs = TORCH[cell](hidden, hidden, batch_first=True)
        ours = {"lstm": FastLSTM, "gru": FastGRU}[cell](hidden, hidden, batch_first=True)
        x = torch.randn(batch, steps, hidden)

        def run(layer: nn.Module, x: Tensor = x) -> None:
            layer.zero_grad()
            layer(x)[0].square().mean().backward()

        taken = [1e3 * median_seconds(lambda layer=layer: run(layer), 5) for layer in (theirs, ours, theirs, ours)]
        before, after = min(taken[::2]), min(taken[1::2])
        print(
            f"{cell:4} T {steps} H {hidden} B {batch}: torch {before:.1f} ms, ours {after:.1f} ms, {before / after:.2f} ×",
            flush=True,
        )


def main() -> None:
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["--serve"]:
        steps, hidden, ragged = map(int, sys.argv[3:])
        serve(sys.argv[2], steps, hidden, bool(ragged))
        return
    if sys.argv[1:2] == ["--parts"]:
        parts()
        return
    grid = list(itertools.product(CELLS, STEPS, HIDDEN))
    chosen = [(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))] if len(sys.argv) == 4 else grid
    record: dict[str, Any] = {
        "machine": machine("keras", "jax"), "batch": BATCH, "features": FEATURES, "rounds": ROUNDS, "whole": {}, "ragged": {},
    }  # fmt: skip
    gflops = record["machine"]["matrix_product_gflops"]
    for cell, steps, hidden in chosen:
        name = f"{cell} {steps} {hidden}"
        record["whole"][name] = measure(cell, steps, hidden, gflops, ragged=False)
        record["ragged"][name] = measure(cell, steps, hidden, gflops, ragged=True)
    if chosen == grid:
        write("recurrent", record)


if __name__ == "__main__":
    main()
