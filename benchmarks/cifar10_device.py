"""CIFAR-10 on a GPU: seconds of training to 94 and 96 %, Leadline beside the published recipes on the same pictures, in turn.

    CIFAR10=FOLDER python benchmarks/cifar10_device.py --smoke
    CIFAR10=FOLDER python benchmarks/cifar10_device.py --target both --limit 420 --out cifar10_device.json

`x_train[:40000]` trains and `x_train[40000:]` judges, by the mean over a picture, its mirror image, and both moved by one pixel
(as published); the plain score and that with the mirror image alone stand beside it. Everything is on the device when the
clock starts; scaling and whitening are within it, compiling, capturing and judging are not. Whoever competes gets the number of
epochs with which it just reaches the target on these 40,000 pictures (the published numbers are for 50,000): found with a
few seeds, then run with as many as asked for, in turn. What is there is written after each training, so that nothing is lost
when it is ended.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar10_published import MEAN, STD, Published
from cifar10_race import SEARCH, Race
from torch import Tensor, nn

from leadline import losses
from leadline.data.pictures.augment import Augment
from leadline.initialize import whiten_patches
from leadline.models import fast_convnet
from leadline.optim import make_schedule
from leadline.optim.muon import Muon, hidden_matrices
from leadline.training import Supervised, run_loop
from leadline.training.captured import Captured

RESULTS = Path(__file__).parent / "results"
SEARCHED = 4  # seeds for each number of epochs that is tried
_WHITENED = 2000  # pictures whose patches are looked at


@dataclass(frozen=True)
class Setting:
    """How Leadline trains for one target; `low` is the share of the training that sees pictures of `side` pixels."""

    width: int
    convolutions: int
    batch: int
    shift: int
    cutout: int = 0
    rate: float = 0.24
    momentum: float = 0.6
    low: float = 0.0
    side: int = 24
    jitter: float = 0.0


SETTINGS = {
    94: {
        "ours, small first, light varied": Setting(64, 2, 2000, 2, low=0.5, jitter=0.15),
        "ours, small for longer, light varied": Setting(64, 2, 2000, 2, low=0.7, jitter=0.15),
        "ours, smaller first, light varied": Setting(64, 2, 2000, 2, low=0.5, side=20, jitter=0.15),
    },
    96: {"ours, small first": Setting(128, 3, 1000, 4, cutout=12, rate=0.18, low=0.5)},
}
FIRST_TRIED = {94: {"published": 12.0, "ours": 13.0}, 96: {"published": 56.0, "ours": 40.0}}


class OnCpu:
    """Stands in for CUDA graphs where there is no GPU, so that the whole script can be tried."""

    def warm_up(self, action: Callable[[], Tensor]) -> None:
        action()

    def capture(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        values = action()

        def replay() -> None:
            values.copy_(action())

        return replay, values


class Ours:
    """Leadline's way: `fast_convnet`, `whiten_patches`, `Muon`, `Augment`, and its loop with the captured and compiled step."""

    def __init__(self, setting: Setting, pictures: Tensor, targets: Tensor, *, compiled: bool) -> None:
        self.setting, self.pictures, self.targets, self.device = setting, pictures, targets, pictures.device
        on_gpu = self.device.type == "cuda"
        self.precision = torch.bfloat16 if on_gpu else torch.float32
        self.network = self._drawn(0).to(self.device, memory_format=torch.channels_last)
        self.optimizer = self._optimizer()
        self.plain = Supervised(
            self.network,
            functools.partial(losses.cross_entropy, label_smoothing=0.2),
            self.optimizer,
            schedule=make_schedule("polynomial(1.0)"),
            precision=self.precision,
        )
        self.step: Any = Captured(self.plain, compiled=compiled, graphs=None if on_gpu else OnCpu())
        self.per_epoch = len(pictures) // setting.batch
        self.low = setting.low

    def _drawn(self, seed: int) -> nn.Module:
        """A network with its first weights, on the CPU: a first layer that stays as it is, and a head as published."""
        torch.manual_seed(seed)
        setting = self.setting
        network = fast_convnet(
            (3, 32, 32), 10, width=setting.width, convolutions=setting.convolutions, scale=1 / (4 * setting.width)
        )
        network[0].requires_grad_(False)  # type: ignore[index]
        head = network[-1]  # type: ignore[index]
        with torch.no_grad():
            head.weight.div_(head.weight.std())
            head.bias.zero_().requires_grad_(False)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.4  # there are few steps
        return network

    def _optimizer(self) -> Muon:
        setting, head = self.setting, self.network[-1]  # type: ignore[index]
        biases = [p for p in self.network.parameters() if p.ndim == 1 and p.requires_grad]
        # The published rates are for the sum of the losses of a batch, ours for their mean.
        decay, rates = 2e-6 * setting.batch, (0.053 * setting.batch, 0.67 * 4 * setting.width / 256 * setting.batch)
        groups = [
            {"params": weights, "lr": rate, "weight_decay": decay / rate}
            for weights, rate in zip((biases, [head.weight]), rates, strict=True)
        ]
        rest = torch.optim.SGD(groups, momentum=0.85, nesterov=True, fused=True)
        return Muon(
            hidden_matrices(self.network),
            rest,
            learning_rate=setting.rate,
            momentum=setting.momentum,
            iterations=3,
            scale="relative",
        )

    def reset(self, seed: int) -> None:
        """New weights and a fresh optimizer, in the memory that the graph knows."""
        self.network.load_state_dict(self._drawn(seed).state_dict())
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.network.train()
        self.seed = seed

    def record(self) -> str:
        """Capture the step for both sizes of pictures; "" or why it runs uncaptured."""
        sides = [32, *([self.setting.side] if self.setting.low else [])]
        for side in sides:
            shape = (self.setting.batch, 3, side, side)
            inputs = torch.randn(shape, device=self.device).to(self.precision, memory_format=torch.channels_last)
            if reason := self.step.record((inputs, self.targets[: self.setting.batch])):
                return str(reason)
        return ""

    def prepared(self, pictures: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (MEAN, STD))
        scaled = pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        return scaled.mul_(1 / (255 * std)).sub_(mean / std).to(self.precision)

    def train(self, epochs: float, *, steps: int = 0) -> None:
        """A whole training after `reset`; or so many steps, to warm up."""
        whole = self.prepared(self.pictures)
        whiten_patches(self.network[0], whole[:_WHITENED].float())  # type: ignore[index]
        stream = Stream(self, whole, steps or math.ceil(epochs * self.per_epoch))
        run_loop(self.step, stream, epochs=1)

    def logits(self, inputs: Tensor) -> Tensor:
        with self.step.evaluating(), torch.no_grad():
            if self.precision == torch.float32:
                return self.network(inputs)  # type: ignore[no-any-return]
            with torch.autocast(self.device.type, dtype=self.precision):
                return self.network(inputs).float()  # type: ignore[no-any-return]


class Stream:
    """All batches of a training as one epoch of the loop, which so need not be of whole epochs of the pictures."""

    def __init__(self, ours: Ours, whole: Tensor, steps: int) -> None:
        self.ours, self.whole, self.steps = ours, whole, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        assert number == first == 0, "it cannot be entered elsewhere"
        ours, setting, device = self.ours, self.ours.setting, self.ours.device
        rows = torch.arange(len(self.whole), device=device)
        draw = torch.Generator(device).manual_seed(ours.seed)
        small_until = math.ceil(ours.low * self.steps / ours.per_epoch) * ours.per_epoch if ours.low else 0
        small = resized(self.whole, setting.side) if small_until else self.whole
        for step in range(self.steps):
            at = step % ours.per_epoch
            if at == 0:
                pictures = small if step < small_until else self.whole
                seen = self._augment(pictures)(pictures, ours.seed, step // ours.per_epoch, rows).to(ours.precision)
                seen = seen.permute(0, 2, 3, 1).contiguous()  # pixels of a picture together, as they are already
                order = torch.randperm(len(rows), device=device, generator=draw)
            chosen = order[at * setting.batch : (at + 1) * setting.batch]
            yield seen[chosen].permute(0, 3, 1, 2), ours.targets[chosen]

    def _augment(self, pictures: Tensor) -> Augment:
        setting = self.ours.setting
        return Augment(
            flip="alternating",
            shift=setting.shift / 32,
            edge="reflect",
            cutout=setting.cutout / 32,
            brightness=setting.jitter,
            contrast=setting.jitter,
        )


def resized(pictures: Tensor, side: int) -> Tensor:
    """Smaller pictures, each pixel the mean over the area that it covers: two matrix products, channels last."""
    before = pictures.shape[-1]
    edges = np.arange(side + 1) * before / side
    covered = np.minimum(edges[1:, None], np.arange(before) + 1) - np.maximum(edges[:-1, None], np.arange(before))
    weights = torch.tensor(covered.clip(0) * side / before, dtype=pictures.dtype, device=pictures.device)
    return (weights @ (pictures @ weights.T)).contiguous(memory_format=torch.channels_last)


def build_ours(setting: Setting, train: tuple[Tensor, Tensor], options: argparse.Namespace) -> Ours:
    """With the compiled and captured step; where that fails, captured alone; where that fails too, plain, and it says why."""
    for compiled in (True, False) if options.compile else (False,):
        made = Ours(setting, *train, compiled=compiled)
        made.reset(0)
        reason = made.record()
        if not reason:
            made.said = f"captured{' and compiled' if compiled else ''}"  # type: ignore[attr-defined]
            break
        print(f"NOT {'COMPILED AND ' if compiled else ''}CAPTURED: {reason}", flush=True)
    else:
        made.step = made.plain
        made.said = f"plain: {reason}"  # type: ignore[attr-defined]
    if made.setting.low:  # both sizes of pictures are seen
        made.reset(0)
        made.train(0, steps=2 * made.per_epoch)
    made.reset(0)
    made.train(0, steps=min(12, 2 * made.per_epoch))
    return made


def build_published(target: int, train: tuple[Tensor, Tensor], options: argparse.Namespace) -> Published:
    """Compiled as asked for; where that fails, compiled without graphs; where that fails too, eager, and it says why."""
    modes = [options.published_mode, "default", ""] if options.compile else [""]
    made = Published(target, *train, mode="", narrow=options.width)
    for mode in modes:
        made.compile(mode)
        try:
            made.reset(0)
            made.train(0, steps=16)
            made.reset(0)
            made.train(0, steps=16)
        except Exception:
            if mode == modes[-1]:
                raise
            print(f"PUBLISHED NOT COMPILED with mode {mode}:\n{traceback.format_exc()[-1500:]}", flush=True)
            torch._dynamo.reset()
        else:
            break
    made.said = f"compiled: {made.mode}" if made.mode else "eager"  # type: ignore[attr-defined]
    return made


def pictures(options: argparse.Namespace, device: torch.device) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The 40,000 pictures to learn from and the 10,000 to judge by, bytes on the device; on a CPU a few, made up if need be."""
    folder = Path(os.environ.get("CIFAR10", "data")) / "cifar10.npz"
    if folder.exists():
        with np.load(folder) as arrays:
            x, y = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"].flatten()).long()
        whole = len(x) == 50_000
        if x.shape[1:] != (32, 32, 3) or not (whole or options.smoke):
            sys.exit(f"{folder} holds {tuple(x.shape)}, and not the 50,000 training pictures of CIFAR-10.")
        border = 40_000 if whole else len(x) - 5_000  # to see that all works a part of the file will do
        parts = (slice(0, options.rows or border), slice(border, border + (options.rows or 10_000)))
    elif device.type == "cpu":
        draw = torch.Generator().manual_seed(0)
        rows = options.rows or 512
        y = torch.randint(0, 10, (2 * rows,), generator=draw)
        kinds = torch.randint(0, 256, (10, 32, 32, 3), generator=draw)
        x = (0.5 * kinds[y] + torch.randint(0, 128, (2 * rows, 32, 32, 3), generator=draw)).to(torch.uint8)
        parts = (slice(0, rows), slice(rows, None))
    else:
        sys.exit(f"There is no {folder}: set CIFAR10 to the folder that holds cifar10.npz.")
    train, held_out = ((x[part].to(device), y[part].to(device)) for part in parts)
    return train, held_out


def main() -> None:
    options = parsed()
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch._dynamo.config.recompile_limit = 32  # both sizes, both bias settings, all recipes in one process
    race = Race(options, device, SETTINGS)
    race.note(f"torch {torch.__version__} on {race.record['device']}, imported {time.process_time():.0f} processor seconds in")
    train, race.held_out = pictures(options, device)  # type: ignore[attr-defined]
    targets = {"94": [94], "96": [96], "both": [94, 96]}[options.target]
    todo = {94: race_94, 96: race_96}
    for target in targets:
        try:
            (functools.partial(smoke, target=target) if options.smoke else todo[target])(race, train=train)
        except Exception:  # of one target; the other may still go
            race.note(f"{target} % FAILED:\n{traceback.format_exc()[-3000:]}")
    race.note("the end")
    race.write()


def chosen(settings: dict[str, Setting], options: argparse.Namespace) -> dict[str, Setting]:
    """The settings, narrower and for few pictures where the script is only tried."""
    if not options.width:
        return settings
    few = min(64, options.rows or 512)
    return {name: dataclasses.replace(setting, width=options.width, batch=few) for name, setting in settings.items()}


def get_ready(race: Race, target: int, train: tuple[Tensor, Tensor], rivals: dict[str, Setting]) -> None:
    """The published recipe and ours; rivals of ours that see pictures of the same sizes share one network and its graphs."""
    options = race.options
    race.make_ready(target, "published", functools.partial(build_published, target, train, options))
    for side in dict.fromkeys(setting.side for setting in rivals.values()):
        alike = {name: setting for name, setting in rivals.items() if setting.side == side}
        most = max(alike.values(), key=lambda setting: setting.low)
        shared = race.make_ready(target, f"ours, from {side} pixels", functools.partial(build_ours, most, train, options))
        for name, setting in alike.items():
            race.ready[target, name] = other = object.__new__(Ours)
            other.__dict__.update(shared.__dict__)
            other.setting, other.low = setting, setting.low


def smoke(race: Race, train: tuple[Tensor, Tensor], target: int) -> None:
    rivals = chosen(SETTINGS[target], race.options)
    get_ready(race, target, train, rivals)
    first = next(iter(rivals))
    last = list(rivals)[-1]
    for seed in range(2):
        for name in dict.fromkeys(("published", first, last)):
            race.one(target, name, 1.0 if seed == 0 else 2.0, seed, "smoke")


def race_94(race: Race, train: tuple[Tensor, Tensor]) -> None:
    options, wanted = race.options, race.options.threshold or 94.0
    rivals = chosen(SETTINGS[94], options)
    get_ready(race, 94, train, rivals)
    first, step = ({"published": 2.0, "ours": 2.0}, 1.0) if options.width else (FIRST_TRIED[94], 0.5)
    epochs = {"published": race.needed(94, "published", first["published"], wanted, step, SEARCHED)}
    start = first["ours"]
    for name in rivals:
        start = epochs[name] = race.needed(94, name, start, wanted, step, SEARCHED)
    run = {t["name"] for t in race.record["trainings"] if t["target"] == 94}
    if "published" not in run or not run & set(rivals):
        race.note("94 %: nothing to compare")
        return
    best = min(
        (name for name in rivals if name in run), key=lambda name: race.estimated(94, name, wanted, options.judge)["seconds"]
    )
    race.note(f"94 %: of ours {best!r} goes into the race")
    race.run(94, ["published", best], epochs, wanted, options.seeds, step)


def race_96(race: Race, train: tuple[Tensor, Tensor]) -> None:
    """Trainings are long here: two rounds settle the epochs, and then as many seeds as there is time for."""
    options, wanted = race.options, race.options.threshold or 96.0
    rivals = chosen(SETTINGS[96], options)
    get_ready(race, 96, train, rivals)
    ours = next(iter(rivals))
    first = {"published": 2.0, "ours": 2.0} if options.width else FIRST_TRIED[96]
    epochs = {"published": first["published"], ours: first["ours"]}
    for seed in range(2):
        for name in epochs:
            if race.one(96, name, epochs[name], SEARCH + seed, "search") is not None:
                guess = race.estimated(96, name, wanted, options.judge)["epochs"]
                epochs[name] = round(min(max(guess, epochs[name] / 1.5), 1.5 * epochs[name]))
    race.note(f"96 %: epochs {epochs}")
    race.run(96, ["published", ours], epochs, wanted, options.seeds, 2.0)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="two short trainings of each, to see that all works")
    parser.add_argument("--target", choices=("94", "96", "both"), default="94")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--limit", type=float, default=420.0, help="seconds, after which no training is begun")
    parser.add_argument("--out", default=str(RESULTS / "cifar10_device.json"))
    parser.add_argument("--judge", choices=("plain", "flip", "flip_and_shift"), default="flip_and_shift")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--published-mode", default="reduce-overhead", help="how torch.compile is asked for the published")
    parser.add_argument("--rows", type=int, default=0, help="fewer pictures, to try the script")
    parser.add_argument("--width", type=int, default=0, help="narrower networks, to try the script")
    parser.add_argument("--threshold", type=float, default=0.0, help="another target in percent, to try the script")
    return parser.parse_args()


if __name__ == "__main__":
    main()
