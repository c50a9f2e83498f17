"""Penn Treebank by word on a GPU: what some minutes reach with the networks of two published language models, side by side.

    LEADLINE_TEXTS=FOLDER python benchmarks/language_device.py [MINUTES]

Zaremba's medium LSTM (published: test perplexity 82.7 after 39 epochs) and the AWD-LSTM (57.3 after some 500) train at the same
time on one GPU, each in a process of its own and for all MINUTES (4), judging not counted: both are bound by the steps of their
loops, and each would be faster alone. Zaremba's schedule is stretched over the time that there is. Of the AWD-LSTM the network,
its dropout and penalties are those of the paper; its averaging, which begins when validation is stuck, would not begin in so
short a time, so the rate falls in the last half of it and an exponential average is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from language_model import Setting, judged, ptb_parts, recurrent, trained
from machine import machine, write
from torch import nn

EPOCHS, HELD = 39, 6  # of Zaremba's medium LSTM; from then on its rate falls by 1.2 an epoch
LENGTH = 35


@dataclass(frozen=True)
class Published:
    """A network and how it is trained; `start` is the bound of its uniform first weights, 0 for the library's own."""

    setting: Setting
    schedule: Callable[[float], float]
    test_perplexity: float
    source: str
    start: float = 0.0


PUBLISHED = {
    "medium LSTM": Published(
        # The paper sums the loss over the steps of a window; ours is their mean, so its rate of 1 is LENGTH here, and its
        # bound of 5 on the gradient 5 / LENGTH.
        Setting(
            vectors=0, embedding=650, hidden=650, layers=2, tied=False, dropout=0.5, between_dropout=0.5, word_dropout=0.0,
            weight_drop=0.0, samples=0, batch=20, length=LENGTH, variable=False, optimizer="sgd",
            learning_rate=float(LENGTH), momentum=0.0, weight_decay=0.0, schedule="as published", clip=str(5 / LENGTH),
            average="", precision="float32",
        ),
        lambda share: 1.2 ** -max(0.0, EPOCHS * share - HELD),
        82.7,
        "Zaremba, Sutskever and Vinyals (2014), Recurrent neural network regularization",
        start=0.05,
    ),
    "AWD-LSTM": Published(
        Setting(
            vectors=0, embedding=400, hidden=1150, layers=3, dropout=0.4, between_dropout=0.25, word_dropout=0.1,
            weight_drop=0.5, penalties=(2.0, 1.0), samples=0, batch=20, length=70, optimizer="sgd", learning_rate=30.0,
            momentum=0.0, weight_decay=1.2e-6, schedule="held for half of the time, then falling to 0", clip="0.25",
            average="ema(0.999)", precision="float32",
        ),
        lambda share: min(1.0, 2 * (1 - share)) + 1e-3,
        57.3,
        "Merity, Keskar and Socher (2018), Regularizing and optimizing LSTM language models",
    ),
}  # fmt: skip


def train(name: str, minutes: float) -> None:
    """One of them; the last line that is printed is what it came to."""
    published, device = PUBLISHED[name], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        parts = ptb_parts(Path(folder))
        model = recurrent(parts, published.setting)
        for weight in model.parameters() if published.start else ():
            nn.init.uniform_(weight, -published.start, published.start)
        told = trained(model.to(device), parts, published.setting, 60 * minutes, published.schedule)
        print(json.dumps({**told, **judged(model, parts)}))


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        train(sys.argv[2], float(sys.argv[3]))
        return
    minutes = sys.argv[1] if len(sys.argv) > 1 else "4"
    running = {
        name: subprocess.Popen([sys.executable, __file__, "--one", name, minutes], stdout=subprocess.PIPE, text=True)
        for name in PUBLISHED
    }
    found = {}
    for name, process in running.items():
        printed, _ = process.communicate()
        if process.returncode:
            sys.exit(f"{name} ended with status {process.returncode}")
        published = PUBLISHED[name]
        found[name] = {
            **json.loads(printed.splitlines()[-1]),
            "published": {"test_perplexity": published.test_perplexity, "source": published.source},
            "setting": asdict(published.setting),
        }
        print(name, {key: value for key, value in found[name].items() if key != "setting"}, flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    write("language_device", {"machine": machine(), "device": device, "minutes": float(minutes), "networks": found})


if __name__ == "__main__":
    main()
