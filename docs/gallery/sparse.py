"""Adagrad: larger steps for rare features, and a rate that falls as one over the root of time."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gallery import drawing, many, words
from leadline.optim import make_optimizer
from leadline.training import Supervised

WORDS, ROWS, BATCH, STEPS = 1000, 2000, 16, 500
AT = [0, 5, 10, 20, 40, 80, 125, 250, 375, 500]
RATES = [10 ** (power / 2) for power in range(-4, 5)]
OPTIMIZERS = {"sgd": ("sgd", 0.0), "sgd, momentum 0.9": ("sgd", 0.9), "adagrad": ("adagrad", 0.0)}
DATA = {"rare words": 2.0, "words alike": None}


def bags(zipf: float | None, seed: int, *, count: int = WORDS) -> tuple[Tensor, Tensor, Tensor]:
    """Bags of words made up: [2 · ROWS, words] of 0 and 1, classes 0 and 1, and how frequent each word is.

    Word j is in a text with probability min(½, zipf/j), or all words with the same probability, for as many words a text. Each
    has a weight drawn from N(0, 4), and the class is drawn from the logistic of their sum.
    """
    draws = torch.Generator().manual_seed(seed)
    frequencies = (2.0 / torch.arange(1, count + 1)).clamp_max(0.5)
    if zipf is None:
        frequencies = torch.full((count,), float(frequencies.mean()))
    bag = (torch.rand(2 * ROWS, count, generator=draws) < frequencies).float()
    weights = 2 * torch.randn(count, generator=draws)
    classes = (torch.rand(2 * ROWS, generator=draws) < (bag @ weights).sigmoid()).float()
    return bag, classes, frequencies


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of one logit."""
    return F.binary_cross_entropy_with_logits(outputs.squeeze(-1), targets)


def logistic_regression() -> nn.Module:
    """One logit, from weights that start at 0."""
    model = nn.Linear(WORDS, 1)
    for weight in model.parameters():
        nn.init.zeros_(weight)
    return model


def measure() -> dict[str, Any]:
    """Test loss over the steps at each optimizer's best rate; and the rates that Adagrad gives to words."""
    found: dict[str, Any] = {"test": {}}
    for data, zipf in DATA.items():
        sets = [bags(zipf, seed) for seed in many.SEEDS]
        train = torch.stack([bag[:ROWS] for bag, _, _ in sets]), torch.stack([t[:ROWS] for _, t, _ in sets])
        test = torch.stack([bag[ROWS:] for bag, _, _ in sets]), torch.stack([t[ROWS:] for _, t, _ in sets])
        found["test"][data] = {name: _curve(text, momentum, train, test) for name, (text, momentum) in OPTIMIZERS.items()}
    return found | {"rate": _rates()}


def _curve(text: str, momentum: float, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> dict[str, Any]:
    nets = many.grid(logistic_regression, RATES, momentum=momentum)

    def watch(population: Any) -> Tensor:
        # A linear model on rows of each seed's own: its weights are its first columns, then comes the bias.
        weights = nets.table(population.live.trained)  # rates, seeds, words + 1
        logits = torch.einsum("snd,rsd->rsn", test[0], weights[..., :-1]) + weights[..., -1:]
        each = F.binary_cross_entropy_with_logits(logits, test[1].expand_as(logits), reduction="none").mean(-1)
        return each.flatten().nan_to_num(nan=torch.inf)

    _, curves = many.train(nets, train, batch=BATCH, steps=STEPS, optimizer=text, loss=loss, watch=watch, at=AT)
    curves = nets.table(curves)
    best = many.best_rate(curves[:, :, -1])
    return {"rate": many.rounded(RATES[best], 2), "loss": many.rounded(curves[best])}


def _rates() -> dict[str, Any]:
    """η/√s at each step for a frequent and a rare word, as shares of η, and the slopes of its logarithm."""
    times = [10, 20, 50, 100, 200, 500, 1000, 2000]
    names = ("frequent", "rare", "slope_in_time", "slope_in_frequency", "slope_of_noise")
    found: dict[str, list[Any]] = {name: [] for name in names}
    for seed, noise in itertools.product(many.SEEDS, (False, True)):
        bag, classes, frequencies = bags(2.0, seed)
        model = logistic_regression()
        weight = next(model.parameters())
        optimizer = make_optimizer("adagrad", model, learning_rate=0.1)
        step = Supervised(model, loss, optimizer)
        draws, rates = torch.Generator().manual_seed(seed), []
        for number in range(1, times[-1] + 1):
            chosen = torch.randint(0, len(bag), (BATCH,), generator=draws)
            # Classes tossed anew in every step leave nothing to learn, so the gradient keeps its size.
            targets = torch.randint(0, 2, (BATCH,), generator=draws).float() if noise else classes[chosen]
            step((bag[chosen], targets), None)  # type: ignore[arg-type]
            if number in times:
                rates.append(optimizer.state[weight]["sum"][0].clamp_min(1e-12).rsqrt())
        rate = torch.stack(rates)
        frequent, rare = frequencies >= 0.2, frequencies < 0.004
        later = [at for at, time in enumerate(times) if time >= 100]
        mean = rate[later][:, frequent].log().mean(1).exp()
        power = many.slope([times[at] for at in later], mean.tolist())
        if noise:
            found["slope_of_noise"].append(power)
            continue
        found["slope_in_time"].append(power)
        for name, these in (("frequent", frequent), ("rare", rare)):
            found[name].append(many.rounded(rate[:, these].median(dim=1).values))
        found["slope_in_frequency"].append(many.slope(frequencies.tolist(), rate[-1].tolist()))
    return {"times": times} | found


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """Test losses on both kinds of data, and the two rates over time."""
    colors = dict(zip(OPTIMIZERS, (drawing.MUTED, drawing.ORANGE, drawing.ACCENT), strict=True))
    with drawing.picture(folder / "adagrad.png", 1, 3, height=2.6) as panels:
        for panel, (data, curves) in zip(panels, numbers["test"].items(), strict=False):
            ends = [
                drawing.End(drawing.band(panel, AT, found["loss"], colors[name]), name.replace(", ", ",\n"), colors[name])
                for name, found in curves.items()
            ]
            panel.set(xlim=(0, STEPS), ylim=(0.34, 0.72), xlabel="steps", yticks=[0.4, 0.5, 0.6, 0.7])
            panel.set_title(f"test loss, {data}")
            drawing.name_lines(panel, ends, gap=0.12)
        panel, rate = panels[2], numbers["rate"]
        panel.set(xscale="log", yscale="log", xlabel="steps", xlim=(20, 2000), ylim=(0.3, 100))
        ends = [
            drawing.End(drawing.band(panel, rate["times"], rate[name], color), f"{name}\nwords", color)
            for name, color in (("rare", drawing.ACCENT), ("frequent", drawing.ORANGE))
        ]
        panel.set_title("rate of a word, η = 1")
        drawing.name_lines(panel, ends, gap=0.12)


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    rate = numbers["rate"]
    ratio = [rare[-1] / frequent[-1] for rare, frequent in zip(rate["rare"], rate["frequent"], strict=True)]
    last = {
        data: {name: [seed[-1] for seed in found["loss"]] for name, found in curves.items()}
        for data, curves in numbers["test"].items()
    }
    gain = {
        data: [
            min(sgd, momentum) - ada
            for sgd, momentum, ada in zip(each["sgd"], each["sgd, momentum 0.9"], each["adagrad"], strict=True)
        ]
        for data, each in last.items()
    }
    rare, alike = gain.values()
    falls = [abs(statistics.mean(rate[name]) + 0.5) < 0.05 for name in ("slope_in_time", "slope_of_noise")]

    def losses(data: str) -> str:
        return ", ".join(f"{name} {words.spread(values, 3)}" for name, values in last[data].items())

    setting = f"logistic regression, {WORDS:,} words, {ROWS:,} texts, {STEPS} steps of {BATCH}, best of {len(RATES)} rates"
    return (
        "## Adagrad on sparse features\n\n"
        + words.shown(
            "adagrad",
            "Test loss of SGD and Adagrad on bags of words with rare words and with words that are all alike, and Adagrad's "
            "rate for rare and frequent words over time",
            "Made-up texts, so that what is true is known: word j is in a text with probability 2/j. In the middle all "
            "words are equally frequent, and Adagrad has nothing to even out. At the right a straight line downwards in "
            "both logarithms is a power of time.",
        )
        + "\n"
        + words.table(
            [
                words.Claim(
                    "Adagrad gives rare features larger steps",
                    "η/√s after 2,000 steps, words in less than 0.4 % of the texts against those in more than 20 %",
                    f"{words.spread(ratio, 1)} times the rate; it goes with frequency to the power "
                    f"{words.spread(rate['slope_in_frequency'])}, expected −½",
                    words.verdict(min(ratio) > 2),
                ),
                words.Claim(
                    "Its rate falls as 1/√t",
                    "frequent words, steps 100 to 2,000",
                    f"t to the power {words.spread(rate['slope_of_noise'])} where the gradient keeps its size (classes "
                    f"tossed anew in each step); {words.spread(rate['slope_in_time'])} where something is learned and the "
                    "gradient shrinks",
                    words.verdict(all(falls), any(falls)),
                ),
                words.Claim(
                    "It beats SGD where features are rare",
                    setting,
                    f"test loss {losses('rare words')}; better than both in {sum(each > 0 for each in rare)} of {len(rare)} "
                    "seeds",
                    words.verdict(min(rare) > 0, statistics.mean(rare) > 0),
                ),
                words.Claim(
                    "It is the rarity that makes the difference: none where all are alike",
                    "the same with all words equally frequent",
                    f"test loss {losses('words alike')}",
                    words.verdict(
                        abs(statistics.mean(alike)) < 0.25 * abs(statistics.mean(rare)),
                        statistics.mean(alike) < statistics.mean(rare),
                    ),
                ),
            ]
        )
        + "\n"
    )
