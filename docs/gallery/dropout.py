"""Dropout as an average of thinned networks: weight scaling against sampling, and ensembles of restarts beside them."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gallery import drawing, many, words
from leadline.layers import mean_of_members
from leadline.models import mlp
from leadline.training.monte_carlo import dropout_active

WIDTH, BATCH, STEPS, DROPOUT = 64, 32, 1000, 0.5
RATES = (0.003, 0.01, 0.03)
SAMPLES, MEMBERS = (1, 3, 10, 30, 100), (1, 3, 10)
# A small part of the rows, or there would be no errors to tell apart.
ROWS = 300


def measure() -> dict[str, Any]:
    """Accuracy and log loss on the test rows of digits, a list for each seed."""
    inputs, targets = (part[:ROWS] for part in many.digits())
    test = many.digits("test")
    found: dict[str, Any] = {"test_rows": len(test[1])}
    # As many networks as the largest ensemble for each seed, no network in two of them.
    seeds = range(len(many.SEEDS) * MEMBERS[-1])
    for name, dropout in (("with dropout", DROPOUT), ("without", 0.0)):
        make = functools.partial(mlp, (64,), 10, width=WIDTH, depth=2, batch_norm=False, dropout=dropout)
        rate = _rate(make, (inputs, targets))
        found.setdefault("rate", {})[name] = rate
        nets = many.grid(make, [rate], seeds=seeds)
        population, _ = many.train(nets, (inputs, targets), batch=BATCH, steps=STEPS)
        logits = population.outputs(test[0]).transpose(0, 1)  # rows, networks, classes
        groups = logits.tensor_split(len(many.SEEDS), dim=1)
        found[f"ensembles {name}"] = {
            str(size): [_judged(mean_of_members(group[:, :size], "classes"), test[1]) for group in groups] for size in MEMBERS
        }
        if dropout:
            found["weight scaling"] = [_judged(group[:, 0], test[1]) for group in groups]
            sampled: dict[str, list[dict[str, float]]] = {str(count): [] for count in SAMPLES}
            for at in range(len(many.SEEDS)):
                model = population.write(at * MEMBERS[-1], nets.candidates[at * MEMBERS[-1]].model)
                torch.manual_seed(at)
                with torch.no_grad(), dropout_active(model):
                    thinned = torch.stack([model(test[0]) for _ in range(SAMPLES[-1])], dim=1)
                for count in SAMPLES:
                    sampled[str(count)].append(_judged(mean_of_members(thinned[:, :count], "classes"), test[1]))
            found["sampled"] = sampled
    return found


def _rate(make: Callable[[], nn.Module], rows: tuple[Tensor, Tensor]) -> float:
    """The rate with the lowest loss on the validation rows."""
    nets = many.grid(make, RATES)
    watch = many.losses(many.digits("valid"))
    _, last = many.train(nets, rows, batch=BATCH, steps=STEPS, watch=watch, at=[STEPS])
    return RATES[many.best_rate(nets.table(last[:, 0]))]


def _judged(logits: Tensor, targets: Tensor) -> dict[str, float]:
    right = (logits.argmax(1) == targets).float().mean()
    return {"accuracy": many.rounded(right), "log_loss": many.rounded(F.cross_entropy(logits, targets))}


def _column(judged: list[dict[str, float]], name: str) -> list[float]:
    return [each[name] for each in judged]


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """Accuracy and log loss by the number of thinned networks or of ensemble members."""
    with drawing.picture(folder / "dropout.png", 1, 2, height=3.0) as panels:
        for panel, (column, factor, title) in zip(
            panels, (("accuracy", 100, "test accuracy, %"), ("log_loss", 1, "test log loss")), strict=True
        ):
            ends = []
            panel.set(xscale="log", xlabel="networks averaged")
            lines = (
                ("thinned networks", "sampled", SAMPLES, drawing.ACCENT),
                ("restarts without dropout", "ensembles without", MEMBERS, drawing.ORANGE),
                ("restarts with dropout", "ensembles with dropout", MEMBERS, drawing.VIOLET),
            )
            scaling = factor * statistics.mean(_column(numbers["weight scaling"], column))
            panel.axhline(scaling, color=drawing.INK, linewidth=1, linestyle="--")
            ends.append(drawing.End(scaling, "weight scaling", drawing.INK))
            for name, key, counts, color in lines:
                means = [factor * statistics.mean(_column(numbers[key][str(count)], column)) for count in counts]
                panel.plot(counts, means, color=color, marker="o", markersize=4)
                ends.append(drawing.End(means[-1], name, color))
            panel.set_xlim(0.9, SAMPLES[-1])
            panel.set_xticks(SAMPLES, [str(count) for count in SAMPLES])
            panel.set_title(title)
            drawing.name_lines(panel, ends, gap=0.09)


def _both(judged: list[dict[str, float]]) -> str:
    return f"{words.percent(_column(judged, 'accuracy'))} and {words.spread(_column(judged, 'log_loss'), 3)}"


def _mean(judged: list[dict[str, float]], name: str) -> float:
    return statistics.mean(_column(judged, name))


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    asked = (
        ("thinned networks", "sampled"),
        ("restarts without dropout", "ensembles without"),
        ("restarts with dropout", "ensembles with dropout"),
    )
    lines = [f"| weight scaling | 1 | {_both(numbers['weight scaling'])} |"]
    lines += [f"| {name} | {count} | {_both(judged)} |" for name, key in asked for count, judged in numbers[key].items()]
    return (
        "## Dropout as an average of thinned networks\n\n"
        + words.shown(
            "dropout",
            "Test accuracy and log loss by the number of networks averaged: thinned networks, restarts with and without "
            "dropout, and weight scaling as a line",
            "Weight scaling (dashed) is one pass through the whole network; thinned networks are drawn with dropout on, and "
            "their probabilities averaged. Means of five seeds.",
        )
        + "\n| what is asked | networks | accuracy and log loss |\n|---|---|---|\n"
        + "\n".join(lines)
        + "\n\n"
        + words.table([*_claims_about_sampling(numbers), *_claims_about_dropout(numbers)])
        + "\n"
    )


def _claims_about_sampling(numbers: dict[str, Any]) -> list[words.Claim]:
    sampled, scaling = numbers["sampled"], numbers["weight scaling"]
    most, reached = sampled[str(SAMPLES[-1])], _mean(scaling, "accuracy")
    near = abs(_mean(most, "accuracy") - reached) < 0.01
    enough = next((count for count in SAMPLES if _mean(sampled[str(count)], "accuracy") >= reached - 0.002), None)
    return [
        words.Claim(
            "One pass with scaled weights is about the average of the thinned networks",
            f"digits, {ROWS} rows to learn from, {numbers['test_rows']} to test, 64-{WIDTH}-{WIDTH}-10, dropout {DROPOUT}, "
            f"{STEPS:,} steps, best of {len(RATES)} rates on the validation rows",
            f"accuracy and log loss {_both(scaling)}; {SAMPLES[-1]} samples {_both(most)}",
            words.verdict(near and abs(_mean(most, "log_loss") - _mean(scaling, "log_loss")) < 0.02, near),
        ),
        words.Claim(
            "Sampling needs tens of networks to get as far as weight scaling",
            "accuracy within 0.2 points",
            "not reached" if enough is None else f"reached with {enough} samples; one sample {_both(sampled['1'])}",
            words.verdict(enough is None or enough >= 10, enough == 3),
        ),
    ]


def _claims_about_dropout(numbers: dict[str, Any]) -> list[words.Claim]:
    scaling, (alone, ten) = numbers["weight scaling"], (numbers["ensembles without"][count] for count in ("1", "10"))
    return [
        words.Claim(
            "Dropout helps",
            "one network each",
            f"with dropout {_both(scaling)}; without {_both(alone)}",
            _better(scaling, alone),
        ),
        words.Claim(
            "An ensemble of restarts is better still",
            "ten networks without dropout, of which each is trained",
            f"{_both(ten)}, with weight scaling {_both(scaling)}",
            _better(ten, scaling),
        ),
    ]


def _better(one: list[dict[str, float]], other: list[dict[str, float]]) -> str:
    """Whether one is better by accuracy and by log loss, or by one of them."""
    accuracy = _mean(one, "accuracy") > _mean(other, "accuracy")
    loss = _mean(one, "log_loss") < _mean(other, "log_loss")
    return words.verdict(accuracy and loss, accuracy or loss)
