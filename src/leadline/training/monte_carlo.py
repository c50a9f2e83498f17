"""Monte-Carlo dropout: a network with dropout is many thinned networks, and how they disagree says how sure it is.

S samples, B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers import mean_of_members
from leadline.layers.drop_path import DropPath
from leadline.layers.locked_dropout import LockedDropout
from leadline.layers.peephole import PeepholeLSTM

# What draws a mask in training mode and does nothing else in it. Recurrent layers and attention have a dropout inside; a
# transformer's layer in evaluation may take a short cut past its own dropout layers.
_ALWAYS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    DropPath,
    LockedDropout,
)
_INSIDE = (nn.RNNBase, nn.MultiheadAttention, PeepholeLSTM)
_SHORT_CUTS = (nn.TransformerEncoder, nn.TransformerEncoderLayer)


@contextmanager
def dropout_active(model: nn.Module) -> Iterator[list[str]]:
    """Within the block dropout of every kind draws masks, and the rest of the model, batch norm above all, only evaluates.

    Gives the names of the layers that draw; afterwards each module is in the mode it was in. Dropout that a module's `forward`
    calls as a function, without a layer, cannot be seen.

    Args:
        model: any network.

    Errors: `ArgumentError` when nothing in the model would draw.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).eval()
        >>> with dropout_active(model) as drawing:
        ...     print(drawing, model[1].training, model[2].training)
        ['2'] False True
        >>> model[2].training
        False
    """
    modes = {module: module.training for module in model.modules()}
    drawing = [name for name, module in model.named_modules() if _draws(module)]
    if not drawing:
        raise ArgumentError(
            f"{type(model).__name__} has no dropout that could draw",
            expected="a layer such as nn.Dropout with p above 0",
            do="Train a network with dropout, or ask several networks.",
        )
    try:
        for module in modes:
            # Of this one module, not of those within it, as `train` would.
            module.training = _draws(module) or isinstance(module, _SHORT_CUTS)
        yield drawing
    finally:
        for module, mode in modes.items():
            module.training = mode


class SampledNumbers(NamedTuple):
    """What thinned networks say of numbers: `mean` and `spread` (standard deviation over the samples), each [B, ...].

    Example:
        >>> SampledNumbers(torch.ones(2), torch.zeros(2)).mean
        tensor([1., 1.])
    """

    mean: Tensor
    spread: Tensor


class SampledClasses(NamedTuple):
    """What thinned networks say of classes, in nats.

    `mean` [B, K] is p̄ = 1/S Σ pₛ and `spread` [B, K] the standard deviation; `entropy` [B] = H(p̄) is all the doubt there is,
    and `information` [B] = H(p̄) − 1/S Σ H(pₛ) the part in which the networks contradict each other: the doubt that more data
    would mend. What is left of the entropy is doubt on which they agree.

    Example:
        >>> SampledClasses(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2), torch.zeros(1), torch.zeros(1)).entropy
        tensor([0.])
    """

    mean: Tensor
    spread: Tensor
    entropy: Tensor
    information: Tensor


def sample_numbers(model: nn.Module, inputs: Tensor, *, samples: int = 50, seed: int | None = None) -> SampledNumbers:
    """Ask `samples` thinned networks for numbers: the mean of their answers and how far they differ.

    mean = 1/S Σ yₛ, spread = √(1/(S − 1) Σ (yₛ − mean)²). Kept as running sums, so that memory does not grow with S.

    Shapes: inputs [B, ...] → two of the outputs' shape, float64.

    Args:
        model: with dropout; its mode does not matter and is not changed.
        inputs: a batch.
        samples: S, at least 2.
        seed: makes the answer repeatable and leaves torch's own random state as it was; without one that goes on.

    Errors: `ArgumentError` for fewer than 2 samples or a model without dropout.

    Example:
        >>> found = sample_numbers(nn.Dropout(0.5), torch.ones(1, 2), samples=4000, seed=0)
        >>> found.mean.round(decimals=1).tolist(), found.spread.round(decimals=1).tolist()  # √((2 − 1)² · 0.5 + 1² · 0.5) = 1
        ([[1.0, 1.0]], [[1.0, 1.0]])

    Source: Gal and Ghahramani (2016), Dropout as a Bayesian approximation.
    """
    mean = total = torch.zeros((), dtype=torch.float64, device=inputs.device)
    with _drawing(model, inputs, samples, seed):
        for number in range(1, samples + 1):
            mean, total = _add(mean, total, model(inputs).double(), number)
    return SampledNumbers(mean, (total / (samples - 1)).sqrt())


def sample_classes(model: nn.Module, inputs: Tensor, *, samples: int = 50, seed: int | None = None) -> SampledClasses:
    """Ask `samples` thinned networks for exclusive classes: mean probabilities, and how much of the doubt is theirs.

    p̄ = 1/S Σ softmax(zₛ), entropy = H(p̄), information = H(p̄) − 1/S Σ H(softmax(zₛ)), which is the mutual information of the
    class and the mask.

    Shapes: inputs [B, ...] → logits [B, K] → mean and spread [B, K], entropy and information [B], float64.

    Args:
        model: with dropout, giving logits; its mode does not matter and is not changed.
        inputs: a batch.
        samples: S, at least 2.
        seed: makes the answer repeatable and leaves torch's own random state as it was; without one that goes on.

    Errors: `ArgumentError` for fewer than 2 samples, a model without dropout, or outputs that are not [B, K].

    Example:
        >>> model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3))
        >>> found = sample_classes(model, torch.randn(4, 2), samples=10, seed=0)
        >>> found.mean.shape, bool((found.information <= found.entropy).all())
        (torch.Size([4, 3]), True)

    Source: Gal and Ghahramani (2016), Dropout as a Bayesian approximation; the information: Houlsby et al. (2011), Bayesian
    active learning for classification and preference learning.
    """
    mean = total = doubt = torch.zeros((), dtype=torch.float64, device=inputs.device)
    with _drawing(model, inputs, samples, seed):
        for number in range(1, samples + 1):
            logits = model(inputs).double()
            if logits.ndim != 2:
                raise ArgumentError("The outputs are no logits of classes", expected="shape [B, K]", got=list(logits.shape))
            p = logits.softmax(dim=1)
            mean, total = _add(mean, total, p, number)
            doubt = doubt + _entropy(p) / samples
    entropy = _entropy(mean)
    # Rounding may take a difference of equals below 0.
    return SampledClasses(mean, (total / (samples - 1)).sqrt(), entropy, (entropy - doubt).clamp_min(0))


class Thinned(nn.Module):
    """A network that answers with the mean of `samples` thinned ones, in the form in which it answers itself.

    Where weight scaling asks the one network whose weights stand for all masks, this asks some of them
    (`layers.mean_of_members` averages). The masks are drawn from a seed, so that the same inputs in the same batch get the same
    answer.

    Shapes: those of the network, [B, ...] → [B, K].

    Args:
        model: with dropout; evaluated but for it.
        task: "classes", "labels", "number", "forecast" or "sequence".
        samples: S, at least 2.
        seed: of the masks.

    Errors: `ArgumentError` for fewer than 2 samples, an unknown task or a model without dropout.

    Example:
        >>> network = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 3))
        >>> thinned, x = Thinned(network, "classes", samples=10), torch.randn(4, 2)
        >>> torch.equal(thinned(x), thinned(x))
        True

    Source: Srivastava et al. (2014), Dropout, section 7.5, for both ways side by side.
    """

    def __init__(self, model: nn.Module, task: str, *, samples: int = 50, seed: int = 0) -> None:
        super().__init__()
        if samples < 2:
            raise ArgumentError("There are too few samples to differ", expected="at least 2", got=samples)
        with dropout_active(model):
            pass  # a model without dropout is refused now
        self.model, self.task, self.samples, self.seed = model, task, samples, seed

    def forward(self, x: Tensor) -> Tensor:
        with _drawing(self.model, x, self.samples, self.seed):
            answers = torch.stack([self.model(x) for _ in range(self.samples)], dim=1)
            return answers.mean(dim=1) if self.task in ("forecast", "sequence") else mean_of_members(answers, self.task)


def _draws(module: nn.Module) -> bool:
    p: float = getattr(module, "p", 0.0) if isinstance(module, _ALWAYS) else getattr(module, "dropout", 0.0)
    return isinstance(module, _ALWAYS + _INSIDE) and p > 0


@contextmanager
def _drawing(model: nn.Module, inputs: Tensor, samples: int, seed: int | None) -> Iterator[None]:
    """Dropout draws, from the seed if there is one, and nothing is kept for gradients."""
    if samples < 2:
        raise ArgumentError("There are too few samples to differ", expected="at least 2", got=samples)
    devices = [inputs.device.index] if inputs.is_cuda else []
    with torch.no_grad(), dropout_active(model), nullcontext() if seed is None else torch.random.fork_rng(devices):
        if seed is not None:  # of these generators only: `torch.manual_seed` would seed those of all devices
            torch.default_generator.manual_seed(seed)
            for device in devices:
                torch.cuda.default_generators[device].manual_seed(seed)
        yield


def _add(mean: Tensor, total: Tensor, value: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """One more value into the running mean and the running sum of squared deviations (Welford)."""
    step = value - mean
    moved = mean + step / number
    return moved, total + step * (value - moved)


def _entropy(p: Tensor) -> Tensor:
    surprises: Tensor = torch.special.entr(p)  # −p log p, 0 at 0
    return surprises.sum(dim=1)
