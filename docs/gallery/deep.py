"""Thirty layers of sigmoids: the gradient that vanishes on its way to the first, and what textbooks do about it."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gallery import drawing, many, words
from leadline.initialize import initialize_weights
from leadline.models import mlp
from leadline.optim import ClipNorm, Penalties
from leadline.training.population import Candidate

DEPTH, WIDTH, BATCH, STEPS = 30, 32, 64, 400
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
LEARNED = 0.8  # the accuracy from which on a cure is said to hold
AT = list(range(0, STEPS + 1, 25))
PRETRAINING_STEPS, PRETRAINING_RATE = 200, 0.03


class Block(nn.Module):
    """A sigmoid layer to which its own input is added."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sigmoid(self.linear(x))


class Highway(nn.Module):
    """y = g ⊙ sigmoid(Wx + b) + (1 − g) ⊙ x with a gate g = sigmoid(Vx + c) that starts almost shut."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.sigmoid(self.linear(x)) + (1 - gate) * x


def plain(activation: str = "sigmoid", rule: str = "xavier", *, batch_norm: bool = False) -> nn.Module:
    """64-32-…-32-10, thirty hidden layers, started by a rule."""
    model = mlp((64,), 10, width=WIDTH, depth=DEPTH, activation=activation, batch_norm=batch_norm)
    initialize_weights(model, rule)
    return model


def of_blocks(kind: Callable[[], nn.Module]) -> nn.Module:
    """A sigmoid layer, twenty-nine blocks, a head."""
    model = nn.Sequential(nn.Linear(64, WIDTH), nn.Sigmoid(), *(kind() for _ in range(DEPTH - 1)), nn.Linear(WIDTH, 10))
    initialize_weights(model, "xavier")
    for block in model:
        if isinstance(block, Highway):
            nn.init.constant_(block.gate.bias, -2.0)
    return model


def pretrain(models: list[nn.Module]) -> None:
    """Let each hidden layer of each network learn, one after another, to have its input recovered from its output."""
    rows, _ = many.digits()
    x = rows.expand(len(models), *rows.shape)
    for depth in range(DEPTH):
        layers = [[each for each in model.modules() if isinstance(each, nn.Linear)][depth] for model in models]
        coders = [nn.Sequential(layer, nn.Sigmoid(), nn.Linear(WIDTH, layer.in_features)) for layer in layers]
        nets = many.Grid([Candidate(coder, PRETRAINING_RATE) for coder in coders], [PRETRAINING_RATE], list(many.SEEDS))
        learned, _ = many.train(nets, (x, x), batch=BATCH, steps=PRETRAINING_STEPS, optimizer="adam", loss=F.mse_loss)
        with torch.no_grad():
            for number, coder in enumerate(coders):
                learned.write(number, coder)
            x = torch.stack([coder[1](coder[0](part)) for coder, part in zip(coders, x, strict=True)])


class Cure(NamedTuple):
    """A network, what else the training is given, and which of the six ways it belongs to."""

    make: Callable[[], nn.Module]
    way: str
    optimizer: str = "sgd"
    rates: tuple[float, ...] = RATES
    options: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it
    prepare: Callable[[list[nn.Module]], None] | None = None


CURES: dict[str, Cure] = {
    "nothing": Cure(plain, ""),
    "pre-training": Cure(plain, "1 pre-training", prepare=pretrain),
    "clipping": Cure(plain, "2 clipping and penalties", options={"clip": ClipNorm(1.0)}),
    "l2 penalty": Cure(plain, "2 clipping and penalties", options={"penalties": Penalties(l2=1e-4)}),
    "orthogonal penalty": Cure(plain, "2 clipping and penalties", options={"penalties": Penalties(orthogonal=1e-2)}),
    "ReLU": Cure(lambda: plain("relu", "he"), "3 other units"),
    "maxout": Cure(lambda: plain("maxout", "lecun"), "3 other units"),
    "batch norm": Cure(lambda: plain(batch_norm=True), "4 batch norm"),
    "residuals": Cure(lambda: of_blocks(Block), "5 residuals"),
    "gates": Cure(lambda: of_blocks(Highway), "6 gates"),
    "Adam instead": Cure(plain, "", optimizer="adam", rates=(0.001, 0.003, 0.01, 0.03)),
}


def first_to_last(model: nn.Module) -> tuple[float, list[float]]:
    """‖∂L/∂W‖ of the first hidden layer over that of the last, and of every layer, on one batch in float64."""
    inputs, targets = (part[:256] for part in many.digits())
    exact = model.double().train()
    loss = F.cross_entropy(exact(inputs.double()), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    layers = [layer for name, layer in exact.named_modules() if isinstance(layer, nn.Linear) and not name.endswith("gate")]
    norms = [float(layer.weight.grad.norm()) for layer in layers[:-1] if layer.weight.grad is not None]
    return norms[0] / norms[-1], norms


@torch.no_grad()
def signal(model: nn.Module) -> float:
    """How much the outputs of the last hidden layer differ from digit to digit: the mean deviation over the units."""
    assert isinstance(model, nn.Sequential)
    hidden = copy.deepcopy(model[:-1]).double().train()
    return float(hidden(many.digits()[0][:256].double()).std(0).mean())


def measure() -> dict[str, Any]:
    """Gradients at the start, and accuracy over the steps at each one's best rate."""
    found: dict[str, Any] = {}
    rows = many.digits()
    test = many.digits("test")
    for name, cure in CURES.items():
        models = []
        for seed in many.SEEDS:
            torch.manual_seed(seed)
            models.append(cure.make())
        if cure.prepare is not None:
            cure.prepare(models)
        ratios, profiles = zip(*(first_to_last(copy.deepcopy(model)) for model in models), strict=True)
        candidates = [Candidate(model, rate) for rate in cure.rates for model in models]
        nets = many.Grid(candidates, cure.rates, list(many.SEEDS) * len(cure.rates))
        _, curves = many.train(
            nets,
            rows,
            batch=BATCH,
            steps=STEPS,
            optimizer=cure.optimizer,
            watch=lambda population: many.accuracies(population, test),
            at=AT,
            **cure.options,
        )
        curves = nets.table(curves)
        best = many.best_rate(-curves[:, :, -1])
        found[name] = {
            "ratio": many.rounded(ratios, 3),
            "norms": many.rounded(profiles, 3),
            "signal": many.rounded([signal(model) for model in models], 3),
            "rate": cure.rates[best],
            "accuracy": many.rounded(curves[best]),
        }
    return found


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """The gradient by layer at the start, and the accuracy over the steps."""
    colors = {
        "nothing": drawing.INK,
        "pre-training": drawing.PINK,
        "ReLU": drawing.ACCENT,
        "maxout": "#3bc9db",
        "batch norm": drawing.ORANGE,
        "residuals": drawing.VIOLET,
        "gates": drawing.GREEN,
    }
    with drawing.picture(folder / "deep.png", 1, 2, height=3.4) as panels:
        panel, ends = panels[0], []
        panel.set(yscale="log", ylim=(1e-21, 1e2), xlim=(1, DEPTH), xlabel="hidden layer", xticks=[1, 10, 20, 30])
        for name, color in colors.items():
            end = drawing.band(panel, range(1, DEPTH + 1), numbers[name]["norms"], color)
            ends.append(drawing.End(end, name, color))
        panel.set_title("size of the gradient at the start")
        drawing.name_lines(panel, ends, gap=0.065)
        panel, ends = panels[1], []
        panel.set(ylim=(0, 102), xlim=(0, STEPS), xlabel="steps", yticks=[0, 50, 100])
        for name, color in colors.items():
            percents = [[100 * value for value in seed] for seed in numbers[name]["accuracy"]]
            ends.append(drawing.End(drawing.band(panel, AT, percents, color), name, color))
        panel.set_title("test accuracy, %")
        drawing.name_lines(panel, ends, gap=0.065)


class _Measured:
    """What was measured of each network, as words and as means over the seeds."""

    def __init__(self, numbers: dict[str, Any]) -> None:
        self.numbers = numbers

    def last(self, name: str) -> list[float]:
        """The accuracy after the last step, of each seed."""
        return [seed[-1] for seed in self.numbers[name]["accuracy"]]

    def mean(self, name: str) -> float:
        return float(statistics.mean(self.last(name)))

    def ratio(self, name: str) -> float:
        return float(statistics.median(self.numbers[name]["ratio"]))

    def signal(self, name: str) -> str:
        return words.power(float(statistics.median(self.numbers[name]["signal"])))

    def both(self, name: str) -> str:
        return f"gradient first to last {words.power(self.ratio(name))}, accuracy {words.percent(self.last(name))}"

    def claim(self, text: str, setting: str, *names: str) -> words.Claim:
        """That these networks learn."""
        good = [self.mean(name) > LEARNED for name in names]
        told = "; ".join(f"{name}: {self.both(name)}" for name in names)
        return words.Claim(text, setting, told, words.verdict(all(good), any(good)))


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    measured = _Measured(numbers)
    rows = [
        f"| {cure.way or '–'} | {name} | {words.power(measured.ratio(name))} | {measured.signal(name)} | "
        f"{words.percent(measured.last(name))} | {numbers[name]['rate']:g} |"
        for name, cure in CURES.items()
    ]
    return (
        "## Thirty layers of sigmoids\n\n"
        + words.shown(
            "deep",
            "Size of the gradient in each of thirty hidden layers at the start, and test accuracy over the steps, for the "
            "plain sigmoid network and six cures",
            "At the left a line that falls to the left is a gradient that vanishes on its way back; the plain network's "
            f"first layer gets about {words.power(measured.ratio('nothing'))} of what its last one gets, and what reaches its "
            f"last layer is the same for all digits but for {measured.signal('nothing')} (the signal in the table). At the "
            f"right what comes of it in {STEPS} steps of {BATCH} digits, by SGD with momentum. "
            f"Below, a cure holds where the accuracy is above {100 * LEARNED:.0f} % by then; some were still rising.",
        )
        + "\n| way | network | gradient, first to last | signal in the last layer | test accuracy | rate "
        "|\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n" + words.table(_claims(measured)) + "\n"
    )


def _claims(measured: _Measured) -> list[words.Claim]:
    return [
        words.Claim(
            "In thirty sigmoid layers the gradient vanishes, and nothing is learned",
            f"64-{WIDTH}-…-10, xavier",
            measured.both("nothing"),
            words.verdict(measured.ratio("nothing") < 1e-6 and measured.mean("nothing") < 0.2),
        ),
        words.Claim(
            "Layer-wise pre-training cures it",
            f"each layer an autoencoder of the one below, {PRETRAINING_STEPS} steps of Adam each, then all together",
            f"{measured.both('pre-training')}; what reaches the last layer differs by {measured.signal('pre-training')} from "
            f"digit to digit, with batch norm by {measured.signal('batch norm')}",
            words.verdict(measured.mean("pre-training") > LEARNED, measured.ratio("pre-training") > 0.01),
        ),
        measured.claim(
            "Clipping cures it", "norm of the gradient at most 1: it shortens long gradients, and these are short", "clipping"
        ),
        measured.claim(
            "Penalties on the weights cure it",
            "l2 10⁻⁴; ‖WWᵀ − I‖² 10⁻²: W then keeps a gradient's length, but each sigmoid still takes three quarters of it",
            "l2 penalty",
            "orthogonal penalty",
        ),
        measured.claim("ReLU and maxout cure it", "he; lecun", "ReLU", "maxout"),
        measured.claim("Batch norm cures it", "before each sigmoid", "batch norm"),
        measured.claim("Residual connections cure it", "x + sigmoid(Wx + b)", "residuals"),
        measured.claim("Gates cure it", "highway layers whose gates start at σ(−2)", "gates"),
        measured.claim(
            "Adam, which scales each gradient to size, does without a cure",
            "the plain network: in float32 its last layer says the same of all digits",
            "Adam instead",
        ),
    ]
