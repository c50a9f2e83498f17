"""Adversarial networks: pictures a second beside the PyTorch DCGAN example, and how near the drawings are after equal minutes.

`python gan.py speed` trains the networks of the PyTorch DCGAN example, stated anew for 28 × 28 pixels, with the example's own
loop and with Leadline's step in turn, A B A B, after one round that does not count: once with the example's norms, once with
spectral norm in the discriminator, which judges real and drawn pictures in one pass.

`python gan.py distance [MINUTES]` trains each for so many minutes (5) on MNIST and on Fashion-MNIST and tells the Fréchet and
the kernel distance of 10,000 drawings to the 10,000 test pictures, on the features before the head of a convolutional network
trained on the same data; with the distance of as many training pictures as the floor. Seconds are those of training alone.

`python gan.py device [MINUTES]` does the same for CIFAR-10 on a GPU (or, slowly, without one): the file that CIFAR10 names is a
cifar10.npz with x_train, y_train, of which the last 10,000 pictures are held out.

`--tiny` tries each with few pictures, and writes nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from machine import machine, spread, write
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from leadline import data
from leadline.data import Batches, Classes, Schema, Split
from leadline.data.pictures.pictures import Pictures
from leadline.losses import cross_entropy
from leadline.models import convnet
from leadline.models.adversarial.adversarial_evaluation import SampleEvaluation
from leadline.models.adversarial.adversarial_networks import AdversarialPair, dcgan
from leadline.models.adversarial.adversarial_steps import AdversarialStep
from leadline.optim import make_average, make_optimizer, make_schedule
from leadline.training import Callback, Supervised, run_loop
from leadline.training.devices import choose_device, has_bfloat16, settle
from leadline.transfer.last_features import before_head, features_of

TINY = "--tiny" in sys.argv
BATCH, ROUNDS, PICTURES = 64, 2 if TINY else 6, 256 if TINY else 6_400
WIDTH = 8 if TINY else 64
FEATURE_EPOCHS = 1 if TINY else 3
MARKS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # shares of the minutes at which the drawings are judged
SETTINGS: dict[str, dict[str, Any]] = {
    "leadline": {"norm": "batch", "loss": "non_saturating", "average": 0.99},  # as proposed
    "leadline, spectral norm": {"norm": "spectral", "loss": "hinge", "average": 0.99},
}


class ExampleGenerator(nn.Module):
    """The generator of the example, its first layer a transposed convolution from one pixel, its depth that of the side."""

    def __init__(self, shape: tuple[int, int, int], latent: int, width: int) -> None:
        super().__init__()
        doublings = {28: 2, 32: 3, 64: 4}[shape[1]]
        filters = [width * 2**level for level in reversed(range(doublings))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, filters[0], shape[1] >> doublings, 1, 0, bias=False)]
        for before, after in zip(filters, [*filters[1:], shape[0]], strict=True):
            layers += [nn.BatchNorm2d(before), nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, noise: Tensor) -> Tensor:
        return self.main(noise[:, :, None, None])


class ExampleDiscriminator(nn.Module):
    """The discriminator of the example, which ends in a sigmoid."""

    def __init__(self, shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        doublings = {28: 2, 32: 3, 64: 4}[shape[1]]
        layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
        for level in range(1, doublings):
            before, after = width * 2 ** (level - 1), width * 2**level
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
        last = nn.Conv2d(width * 2 ** (doublings - 1), 1, shape[1] >> doublings, 1, 0, bias=False)
        self.main = nn.Sequential(*layers, last, nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        return self.main(pictures).view(-1)


class Example:
    """The training loop of the PyTorch DCGAN example, as it is published, on pictures that lie in memory already."""

    def __init__(self, shape: tuple[int, int, int], pictures: Tensor) -> None:
        torch.manual_seed(0)
        self.pictures, self.device = pictures, pictures.device
        self.pair = AdversarialPair(
            ExampleGenerator(shape, 100, WIDTH), ExampleDiscriminator(shape, WIDTH), shape, latent=100
        ).to(self.device)
        for module in self.pair.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
        self.criterion = nn.BCELoss()
        self.adam_d, self.adam_g = (
            torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for part in (self.pair.discriminator, self.pair.generator)
        )

    def epoch(self, after_batch: Callable[[], bool]) -> None:
        net_d, net_g = self.pair.discriminator, self.pair.generator
        for rows in torch.randperm(len(self.pictures), device=self.device).split(BATCH):
            real = self.pictures[rows]
            net_d.zero_grad()
            label = torch.full((len(real),), 1.0, device=self.device)
            output = net_d(real)
            loss_real = self.criterion(output, label)
            loss_real.backward()
            output.mean().item()
            fake = net_g(torch.randn(len(real), 100, device=self.device))
            label.fill_(0.0)
            output = net_d(fake.detach())
            loss_fake = self.criterion(output, label)
            loss_fake.backward()
            output.mean().item()
            (loss_real + loss_fake).item()
            self.adam_d.step()
            net_g.zero_grad()
            label.fill_(1.0)
            output = net_d(fake)
            loss_g = self.criterion(output, label)
            loss_g.backward()
            output.mean().item(), loss_g.item()
            self.adam_g.step()
            if after_batch():
                return


class Leadline:
    """Leadline's networks, step and loop on stored pictures."""

    def __init__(self, shape: tuple[int, int, int], batches: Batches, setting: dict[str, Any]) -> None:
        torch.manual_seed(0)
        device = batches.device
        self.batches = batches
        self.pair = dcgan(shape, width=WIDTH, norm=setting["norm"]).to(device, memory_format=torch.channels_last)
        parts = self.pair.generator, self.pair.discriminator
        generator, discriminator = (make_optimizer("adam", part, learning_rate=2e-4, momentum=0.5) for part in parts)
        self.step = AdversarialStep(
            self.pair,
            (generator, discriminator),
            loss=setting["loss"],
            average=setting["average"],
            precision=torch.bfloat16 if has_bfloat16(device) else torch.float32,
        )
        self.epochs = 0

    def epoch(self, after_batch: Callable[[], bool]) -> None:
        class Told(Callback):
            def batch_end(self, now: Any) -> str | None:
                return "the time is over" if after_batch() else None

        number = self.epochs
        self.epochs += 1
        entered = _Entered(self.batches, number)
        run_loop(_NoBest(self.step), entered, epochs=1, callbacks=[Told()])


class _Entered:
    """The batches of one numbered epoch, as an epoch of its own."""

    def __init__(self, batches: Batches, number: int) -> None:
        self.batches, self.number = batches, number

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return self.batches.epoch(self.number)


class _NoBest:
    """The step without its networks, so that the end of the loop leaves no averaged weights in them: it will go on."""

    def __init__(self, step: AdversarialStep) -> None:
        self.step, self.evaluating = step, step.evaluating

    def __call__(self, batch: Any, progress: Any) -> Any:
        return self.step(batch, progress)

    def modules(self) -> dict[str, nn.Module]:
        return {}


def grey(name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Training and test pictures [N, 28, 28, 1] of bytes with their classes."""
    dataset = data.load(name)
    few = 300 if TINY else 60_000
    found = []
    for split in (dataset.train, dataset.test):
        found += [np.asarray(split.inputs)[:few].reshape(-1, 28, 28, 1), np.asarray(split.targets)[:few]]
    return tuple(found)  # type: ignore[return-value]


def batches_of(pictures: np.ndarray[Any, Any], classes: np.ndarray[Any, Any], device: torch.device, size: int) -> Batches:
    """Batches of pictures from −1 to 1."""
    height, width, channels = pictures.shape[1:]
    middle = (127.5,) * channels
    schema = Schema(Pictures(height, width, channels, "uint8", middle, middle), Classes(tuple("0123456789")))
    split = Split(pictures, classes.astype(np.int64), ids=[str(row) for row in range(len(pictures))])
    return Batches(split, schema, size, device=device, shuffle=True, channels_last=True)


def prepared(pictures: np.ndarray[Any, Any]) -> Tensor:
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.5) / 127.5


def classifier(pictures: np.ndarray[Any, Any], classes: np.ndarray[Any, Any], device: torch.device) -> nn.Module:
    """A convolutional network trained on the same pictures."""
    torch.manual_seed(0)
    height, width, channels = pictures.shape[1:]
    model = convnet((channels, height, width), 10, width=8 if TINY else 16).to(device, memory_format=torch.channels_last)
    optimizer = make_optimizer("adamw", model, learning_rate=2e-3)
    epochs = FEATURE_EPOCHS * (1 if device.type == "cpu" else 6)
    step = Supervised(model, cross_entropy, optimizer, schedule=make_schedule("one_cycle(0.2)"))
    run_loop(make_average("ema(0.99)", step), batches_of(pictures, classes, device, 128), epochs=epochs)
    return model.eval()


def speed() -> dict[str, Any]:
    """Pictures a second of each, in turn."""
    pictures, classes, _, _ = grey("mnist")
    pictures, classes = pictures[:PICTURES], classes[:PICTURES]
    shape, device = (1, 28, 28), torch.device("cpu")
    runners: dict[str, Any] = {"the PyTorch example": Example(shape, prepared(pictures))}
    for name, setting in SETTINGS.items():
        runners[name] = Leadline(shape, batches_of(pictures, classes, device, BATCH), setting)
    counts = {}
    for name, runner in runners.items():
        with FlopCounterMode(display=False) as counter:
            runner.epoch(lambda: True)
        counts[name] = counter.get_total_flops() / BATCH
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(ROUNDS + 1):
        for name, runner in runners.items():
            began = time.perf_counter()
            runner.epoch(lambda: False)
            if number:
                taken[name].append(len(pictures) / (time.perf_counter() - began))
    first = taken["the PyTorch example"]
    told = {}
    for name, rates in taken.items():
        ratios = [rate / other for rate, other in zip(rates, first, strict=True)]
        told[name] = {
            "pictures_per_second": spread(rates),
            "ratio": spread(ratios),
            "gflop_per_picture": round(counts[name] / 1e9, 4),
            "gflops": round(spread(rates)["median"] * counts[name] / 1e9, 1),
        }
        rate, ratio = spread(rates)["median"], spread(ratios)["median"]
        print(f"{name:32s} {rate:8.0f} pictures/s   {ratio:.2f}×   {told[name]['gflops']} GFLOP/s")
    return told


def trained_for(runner: Any, seconds: float, judge: Callable[[], dict[str, float]]) -> list[dict[str, float]]:
    """Train for so many seconds, those of judging left out; what the judge says at each mark."""
    marks, told = [seconds * share for share in MARKS], []
    clock = {"spent": 0.0, "began": time.perf_counter(), "batches": 0.0}

    def after_batch() -> bool:
        clock["batches"] += 1
        spent = clock["spent"] + time.perf_counter() - clock["began"]
        if not marks or spent < marks[0]:
            return not marks
        while marks and spent >= marks[0]:
            marks.pop(0)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        clock["spent"] += time.perf_counter() - clock["began"]
        found = {"seconds": round(clock["spent"], 1), "pictures": clock["batches"] * BATCH, **judge()}
        print("   " + "  ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)
        told.append(found)
        clock["began"] = time.perf_counter()
        return not marks

    while marks:
        runner.epoch(after_batch)
    return told


def distances(shape: tuple[int, int, int], parts: Any, seconds: float, device: torch.device) -> dict[str, Any]:
    """The curve of each competitor on one data set, one after another, with the floor and the classifier's accuracy."""
    pictures, classes, held, held_classes = parts
    model = classifier(pictures, classes, device)
    real = prepared(held)
    with torch.inference_mode():
        logits = torch.cat([model(part.to(device)).cpu() for part in real.split(500)])
    accuracy = float((logits.argmax(1) == torch.from_numpy(held_classes.astype(np.int64))).float().mean())
    network = before_head(model, shape)

    def features(rows: Tensor) -> Tensor:
        return features_of(network, rows)

    def judge_of(runner: Any) -> Callable[[], dict[str, float]]:
        evaluation = SampleEvaluation(runner.pair, real, features=features, prefix="")
        within = runner.step.evaluating if hasattr(runner, "step") else None

        def judge() -> dict[str, float]:
            if within is None:
                return evaluation()
            with within():
                return evaluation()

        return judge

    floor = _floor(features(prepared(pictures[: len(held)])), features(real))
    print(f"classifier {accuracy:.2%}; training against held-out pictures: {floor}", flush=True)
    told: dict[str, Any] = {"classifier_accuracy": accuracy, "floor": floor, "features": network.width}
    batches = batches_of(pictures, classes, device, BATCH)
    runners: dict[str, Callable[[], Any]] = {
        "the PyTorch example": lambda: Example(shape, prepared(pictures).to(device)),
        **{name: (lambda setting=setting: Leadline(shape, batches, setting)) for name, setting in SETTINGS.items()},
    }
    for name, make in runners.items():
        print(name, flush=True)
        runner = make()
        told[name] = trained_for(runner, seconds, judge_of(runner))
    return told


def _floor(one: Tensor, other: Tensor) -> dict[str, float]:
    from leadline.metrics.sample_distances import frechet_distance, kernel_distance

    kernel = kernel_distance(one, other)
    return {
        "frechet": round(float(frechet_distance(one, other)), 4),
        "kernel": float(f"{float(kernel.value):.3g}"),
        "kernel_error": float(f"{float(kernel.standard_error):.3g}"),
    }


def colored() -> Any:
    """CIFAR-10 as bytes [N, 32, 32, 3]: 40,000 to train on and the last 10,000 of the training pictures held out."""
    with np.load(os.environ.get("CIFAR10", "cifar10.npz")) as file:
        pictures, classes = file["x_train"], file["y_train"].reshape(-1)
    few = 300 if TINY else 40_000
    return pictures[:few], classes[:few], pictures[40_000 : 40_000 + few // 4], classes[40_000 : 40_000 + few // 4]


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    what = words[0] if words else "speed"
    minutes = float(words[1]) if len(words) > 1 else 5.0
    if TINY:
        minutes = 0.03
    record: dict[str, Any] = {"machine": machine(), "settings": SETTINGS, "batch": BATCH, "width": WIDTH}
    if what == "speed":
        record["speed"] = speed()
    elif what == "distance":
        for name in ("mnist", "fashion-mnist"):
            print(name)
            record[name] = distances((1, 28, 28), grey(name), 60 * minutes, torch.device("cpu"))
    elif what == "device":
        device = choose_device("auto")
        settle(device, seed=0)
        record["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
        record["cifar10"] = distances((3, 32, 32), colored(), 60 * minutes, device)
    else:
        raise SystemExit(f"There is no part {what!r}: speed, distance or device.")
    if not TINY:
        write(f"gan_{what}", record)


if __name__ == "__main__":
    main()
