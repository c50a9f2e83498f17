"""The loop: Leadline against a hand-written PyTorch loop (identical weights), and beside them Keras 3, Lightning and skorch.

Same network, same random data, batch 64, AdamW at 0.001, running loss and accuracy kept, one shuffled epoch a
measurement, in turn. "leadline, recorded" is what `leadline.train` does: memory layout, threads and the kind of step are
measured before the first step, and freed buffers are kept.

Keras runs in processes of its own, one for each backend, since a process can have only one, and so does the recorded step,
since the threads and the buffers are a process's; they wait while others are timed.
`python overhead.py NETWORK …` measures these networks alone and writes nothing.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from machine import machine, spread, write
from processes import Process
from small_networks import BATCH, NETWORKS
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.training import Supervised, run_loop
from leadline.training.recorded import Recorded, keeping_buffers

PAIRS, ROUNDS = 24, 15


class Rows:
    """Shuffled batches from memory, the way Leadline's own and the hand-written loop both read them."""

    def __init__(self, inputs: Tensor, targets: Tensor, layout: torch.memory_format = torch.preserve_format) -> None:
        self.inputs, self.targets, self.layout = inputs, targets, layout

    def __len__(self) -> int:
        return len(self.inputs) // BATCH

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(number))
        for at in range(first, len(self)):
            rows = order[at * BATCH : (at + 1) * BATCH]
            inputs, targets = self.inputs.index_select(0, rows), self.targets.index_select(0, rows)
            yield inputs.to(memory_format=self.layout), targets


def data(shape: tuple[int, ...], steps: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(steps * BATCH, *shape, generator=generator), torch.randint(0, 10, (steps * BATCH,), generator=generator)


def start(build: Callable[[], nn.Module]) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = build()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)


def by_hand(model: nn.Module, optimizer: torch.optim.Optimizer, rows: Rows) -> tuple[float, float]:
    total, right = torch.zeros(()), torch.zeros(())
    model.train()
    for inputs, targets in rows.epoch(0):
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = F.cross_entropy(outputs, targets)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(inputs)
        right += (outputs.detach().argmax(1) == targets).sum()
    return total.item() / len(rows.inputs), right.item() / len(rows.inputs)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float().mean()


def leadline(model: nn.Module, optimizer: torch.optim.Optimizer, rows: Rows) -> tuple[float, float]:
    history = run_loop(Supervised(model, F.cross_entropy, optimizer, measures={"accuracy": accuracy}), rows, epochs=1)
    return history["loss"][-1], history["accuracy"][-1]


def pairs(name: str) -> dict[str, Any]:
    """Interleaved pairs, each from the same first weights to the same last ones."""
    build, shape, steps = NETWORKS[name]
    rows = Rows(*data(shape, steps))
    taken: dict[str, list[float]] = {"leadline": [], "by hand": []}
    ratios = []
    for pair in range(PAIRS + 1):
        loops = (("leadline", leadline), ("by hand", by_hand))
        weights = {}
        for label, loop in loops if pair % 2 else reversed(loops):
            model, optimizer = start(build)
            began = time.perf_counter()
            loop(model, optimizer, rows)
            taken[label].append(time.perf_counter() - began)
            weights[label] = list(model.state_dict().values())
        assert all(torch.equal(a, b) for a, b in zip(*weights.values(), strict=True)), "the weights differ"
        ratios.append(taken["leadline"][-1] / taken["by hand"][-1])
    milliseconds = {label: spread([1e3 * value / steps for value in values[1:]]) for label, values in taken.items()}
    return {"ratio": spread(ratios[1:]), "identical_weights": True, "milliseconds_a_step": milliseconds}


class Lightning:
    def __init__(self, name: str) -> None:
        import lightning
        from torch.utils.data import DataLoader, TensorDataset

        build, shape, steps = NETWORKS[name]

        class Module(lightning.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.model, _ = start(build)

            def training_step(self, batch: Any, index: int) -> Tensor:
                inputs, targets = batch
                outputs = self.model(inputs)
                loss = F.cross_entropy(outputs, targets)
                self.log("loss", loss, on_step=False, on_epoch=True)
                self.log("accuracy", accuracy(outputs, targets), on_step=False, on_epoch=True)
                return loss

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.AdamW(self.parameters(), lr=1e-3, fused=True)

        self.make = lambda: lightning.Trainer(
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            accelerator="cpu",
        )
        self.module, self.loader = Module(), DataLoader(TensorDataset(*data(shape, steps)), batch_size=BATCH, shuffle=True)

    def epoch(self) -> float:
        trainer = self.make()
        began = time.perf_counter()
        trainer.fit(self.module, self.loader)
        return time.perf_counter() - began


class Skorch:
    def __init__(self, name: str) -> None:
        from skorch import NeuralNetClassifier

        build, shape, steps = NETWORKS[name]
        inputs, targets = data(shape, steps)
        self.rows = inputs.numpy(), targets.numpy()
        self.net = NeuralNetClassifier(
            build(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, optimizer__fused=True, lr=1e-3,
            batch_size=BATCH, iterator_train__shuffle=True, train_split=None, verbose=0, max_epochs=1,
        )  # fmt: skip
        self.net.initialize()

    def epoch(self) -> float:
        began = time.perf_counter()
        self.net.partial_fit(*self.rows)
        return time.perf_counter() - began


class Torch:
    """One of our two loops, going on with its own network."""

    def __init__(self, name: str, loop: Callable[..., Any]) -> None:
        build, shape, steps = NETWORKS[name]
        self.loop, self.rows, (self.model, self.optimizer) = loop, Rows(*data(shape, steps)), start(build)

    def epoch(self) -> float:
        began = time.perf_counter()
        self.loop(self.model, self.optimizer, self.rows)
        return time.perf_counter() - began


def keras(name: str, backend: str) -> Process:
    return Process("keras_peer.py", name, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")


class Measured:
    """Leadline with the layout, the threads and the kind of step that a few epochs show to be the fastest."""

    def __init__(self, name: str) -> None:
        build, shape, steps = NETWORKS[name]
        layouts = ["contiguous", "channels_last"] if len(shape) == 3 and name != "mlp" else ["contiguous"]
        threads = sorted({torch.get_num_threads(), 1}, reverse=True)
        ways = list(itertools.product(layouts, threads, ["plain", "recorded"]))
        tried = {way: self._made(build, data(shape, steps), *way) for way in ways}
        taken: dict[tuple[str, int, str], list[float]] = {way: [] for way in ways}
        for _ in range(5):
            for way, made in tried.items():
                self._epoch(way, *made)  # after another way caches are cold and threads asleep
                taken[way].append(1e3 * self._epoch(way, *made) / steps)
        self.milliseconds = {way: statistics.median(values) for way, values in taken.items()}
        self.way = min(ways, key=self.milliseconds.__getitem__)
        self.made = tried[self.way]

    @staticmethod
    def _made(
        build: Callable[[], nn.Module], rows: tuple[Tensor, Tensor], layout: str, threads: int, kind: str
    ) -> tuple[Any, Rows]:
        memory_format = torch.channels_last if layout == "channels_last" else torch.preserve_format
        model, _ = start(build)
        model.to(memory_format=memory_format)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        step: Any = Supervised(model, F.cross_entropy, optimizer, measures={"accuracy": accuracy})
        batches = Rows(*rows, memory_format)
        if kind == "recorded":
            step = Recorded(step)
            assert step.record(next(iter(batches))) == ""
        return step, batches

    @staticmethod
    def _epoch(way: tuple[str, int, str], step: Any, rows: Rows) -> float:
        torch.set_num_threads(way[1])
        began = time.perf_counter()
        run_loop(step, rows, epochs=1)
        return time.perf_counter() - began

    def serve(self) -> None:
        for line in sys.stdin:
            answer: Any = self._epoch(self.way, *self.made)
            if line.strip() == "way":
                each = {" ".join(map(str, way)): value for way, value in self.milliseconds.items()}
                answer = {"chosen": " ".join(map(str, self.way)), "milliseconds_a_step": each}
            print(json.dumps(answer), flush=True)


def side_by_side(name: str) -> dict[str, Any]:
    """All tools in turn, in another order each round, for some rounds after one that compiles.

    A tool that waited while others ran finds cold caches and sleeping threads, so an epoch goes before the one that counts.
    """
    steps = NETWORKS[name][2]
    recorded = Process("overhead.py", "--serve", name)
    way = recorded.ask("way")  # before others start up, so that what it measures to be fastest is measured in quiet
    tools = {
        "by hand": Torch(name, by_hand),
        "leadline": Torch(name, leadline),
        "leadline, recorded": recorded,
        "keras on torch": keras(name, "torch"),
        "keras on jax": keras(name, "jax"),
        "lightning": Lightning(name),
        "skorch": Skorch(name),
    }
    taken: dict[str, list[float]] = {label: [] for label in tools}
    chance = random.Random(0)
    for turn in range(ROUNDS + 1):
        for label in chance.sample(list(tools), len(tools)):
            tools[label].epoch()
            seconds = tools[label].epoch()
            if turn:
                taken[label].append(1e3 * seconds / steps)
    for tool in tools.values():
        if isinstance(tool, Process):
            tool.close()
    hand = statistics.median(taken["by hand"])
    figures: dict[str, Any] = {
        label: {"milliseconds_a_step": spread(values), "times_by_hand": statistics.median(values) / hand}
        for label, values in taken.items()
    }
    figures["leadline, recorded"]["way"] = way
    return figures


def main() -> None:
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["--serve"]:
        with keeping_buffers():
            Measured(sys.argv[2]).serve()
        return
    names = sys.argv[1:] or list(NETWORKS)
    record: dict[str, Any] = {
        "machine": machine("keras", "jax", "lightning", "skorch"),
        "batch": BATCH,
        "pairs": PAIRS,
        "rounds": ROUNDS,
    }
    for name in names:
        record[name] = {"pairs": pairs(name), "peers": side_by_side(name)}
        ratio = record[name]["pairs"]["ratio"]
        between = f"{ratio['low']:.3f} to {ratio['high']:.3f}, n = {ratio['n']}"
        print(f"\n{name}: fit takes {ratio['median']:.3f} × the hand-written loop ({between})")
        for label, values in record[name]["peers"].items():
            milliseconds = values["milliseconds_a_step"]["median"]
            print(f"  {label:20} {milliseconds:8.2f} ms a step, {values['times_by_hand']:6.2f} × by hand", flush=True)
        print(f"  recorded: {record[name]['peers']['leadline, recorded']['way']['chosen']}")
    if len(names) == len(NETWORKS):
        write("overhead", record)


if __name__ == "__main__":
    main()
