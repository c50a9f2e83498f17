"""What the outputs of a decoder say of an input: the distribution of its values, given the code.

Each turns raw outputs into a surprise, −log p(x | z) in nats, into an error for each value, and into a reconstruction. B batch,
W values of a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero
from leadline.losses import checks
from leadline.losses.reconstruction import bernoulli_nll, gaussian_nll
from leadline.spelling import make


class OutputDistribution(nn.Module):
    """What is asked of every distribution of outputs. Its parameters, where it has any, are trained with the network.

    Shapes: raw outputs [B, …] and inputs x [B, …] of one shape; rows of a table: outputs [B, O] and x [B, W].
    """

    def nll(self, outputs: Tensor, x: Tensor) -> Tensor:
        """−log p(x) of each row: [B], in nats."""
        raise NotImplementedError

    def errors(self, outputs: Tensor, x: Tensor) -> Tensor:
        """How far each value is from what it was told to be, with the shape of x and never below 0."""
        raise NotImplementedError

    def reconstruction(self, outputs: Tensor) -> Tensor:
        """The expected values, with the shape of x: of a category the code that is most likely."""
        raise NotImplementedError

    def raw(self, means: Tensor) -> Tensor:
        """The outputs that stand for these expected values: where a decoder's last bias may start."""
        raise NotImplementedError

    def made_up(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Inputs of a code that is drawn, with the shape of x: the expected values, or a draw where these would not do."""
        raise NotImplementedError


class BernoulliOutputs(OutputDistribution):
    """Each value is on with probability σ(l): for pixels from 0 to 1.

    −log p(x) = Σᵢ softplus(lᵢ) − xᵢ lᵢ; the error of a value is its term less the smallest that it can be, KL(xᵢ ‖ σ(lᵢ)), so
    that a grey pixel told exactly has none.

    Shapes: logits [B, …], x [B, …] from 0 to 1.

    Errors: `ArgumentError` for values outside [0, 1] (on the CPU), or shapes that differ.

    Example:
        >>> outputs = BernoulliOutputs()
        >>> outputs.nll(torch.zeros(1, 2), torch.ones(1, 2)).round(decimals=4), outputs.reconstruction(torch.zeros(1, 2))
        (tensor([1.3863]), tensor([[0.5000, 0.5000]]))
    """

    def nll(self, outputs: Tensor, x: Tensor) -> Tensor:
        return bernoulli_nll(outputs, x, reduction="none")

    def errors(self, outputs: Tensor, x: Tensor) -> Tensor:
        outputs, x = checks.alike(outputs, x)
        surprise = F.binary_cross_entropy_with_logits(outputs, x, reduction="none")
        return (surprise + torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).clamp(min=0)

    def reconstruction(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def raw(self, means: Tensor) -> Tensor:
        return torch.logit(means.float(), eps=1e-3)  # a pixel that was never on may be on once

    def made_up(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        return self.reconstruction(outputs)


class GaussianOutputs(OutputDistribution):
    """Each value is normal around its output, with one deviation for all, given or learned.

    −log p(x) = Σᵢ ½ ((xᵢ − μᵢ)/σ)² + log σ + ½ log 2π; the error of a value is (xᵢ − μᵢ)². With σ = 1 training is by half the
    squared error. A learned σ becomes the root of the mean squared error, which weighs errors against the code as the bound
    asks for: with a σ that is far too large a variational autoencoder learns nothing.

    Shapes: means [B, …], x [B, …].

    Args:
        deviation: σ, or where it starts, above `floor`.
        learned: whether σ is trained.
        floor: σ never comes below it; above 0: a value told exactly would have an infinite density.

    Errors: `ArgumentError` for an argument out of range, or shapes that differ.

    Example:
        >>> outputs = GaussianOutputs()
        >>> outputs.errors(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]))
        tensor([[1., 9.]])

    Source: the learned deviation: Rybkin, Daniilidis and Levine (2021), Simple and effective VAE training with calibrated
    decoders.
    """

    def __init__(self, deviation: float = 1.0, *, learned: bool = False, floor: float = 0.01) -> None:
        super().__init__()
        check_above_zero("The gaussian output", {"deviation": deviation, "floor": floor})
        self.learned = learned
        if learned:
            self.spread: Spread | None = Spread(1, deviation, floor)
        else:
            self.spread, self.deviation = None, deviation

    def log_deviation(self) -> Tensor | float:
        """log σ: a number, or where it is learned [1]."""
        return math.log(self.deviation) if self.spread is None else self.spread()

    def nll(self, outputs: Tensor, x: Tensor) -> Tensor:
        return gaussian_nll(outputs, x, log_deviation=self.log_deviation(), reduction="none")

    def errors(self, outputs: Tensor, x: Tensor) -> Tensor:
        outputs, x = checks.alike(outputs, x)
        return (outputs - x).square()

    def reconstruction(self, outputs: Tensor) -> Tensor:
        return outputs

    def raw(self, means: Tensor) -> Tensor:
        return means.float()

    def made_up(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        return self.reconstruction(outputs)

    def extra_repr(self) -> str:
        return "" if self.learned else f"deviation={self.deviation:g}"


class Spread(nn.Module):
    """Learned deviations that stay above a floor, smoothly: log σ = log floor + softplus(s).

    Shapes: → [count].

    Args:
        count: of deviations.
        start: where all begin, above the floor.
        floor: below which none comes, above 0.

    Errors: `ArgumentError` for a start that is not above the floor.

    Example:
        >>> Spread(2, 1.0, 0.01)().exp().round(decimals=4).tolist()
        [1.0, 1.0]
    """

    def __init__(self, count: int, start: float, floor: float) -> None:
        super().__init__()
        if not start > floor:
            raise ArgumentError("A learned deviation starts too low", expected=f"above its floor of {floor:g}", got=start)
        self.count, self.start, self.floor = count, start, floor
        self.bias = nn.Parameter(torch.empty(count))  # so called, for it is not to be decayed towards 0 as weights are
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.bias, math.log(math.expm1(math.log(self.start / self.floor))))

    def forward(self) -> Tensor:
        return math.log(self.floor) + F.softplus(self.bias.float())

    def extra_repr(self) -> str:
        return f"{self.count}, start={self.start:g}, floor={self.floor:g}"


OUTPUTS: dict[str, Callable[..., OutputDistribution]] = {"bernoulli": BernoulliOutputs, "gaussian": GaussianOutputs}


def output_distribution(text: str) -> OutputDistribution:
    """The distribution of outputs that a text names, with the arguments it gives.

    Args:
        text: "bernoulli", "gaussian", "gaussian(0.1)" or "gaussian(learned=True)".

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> output_distribution("gaussian(0.5)")
        GaussianOutputs(deviation=0.5)
    """
    made: OutputDistribution = make(text, OUTPUTS, "output")
    return made


def repeated(x: Tensor, times: int) -> Tensor:
    """Each row as often as there are draws of its code, one behind the other: [B, …] → [B · times, …]."""
    return x if times == 1 else x.repeat_interleave(times, dim=0)


def read_widths(text: str, *, what: str = "hidden") -> tuple[int, ...]:
    """The widths of layers from a text such as "1000-500-250"; none from "" or "none".

    Args:
        text: whole numbers with "-" between them.
        what: the name of the argument, for the error.

    Errors: `ArgumentError` for anything else.

    Example:
        >>> read_widths("1000-500-250"), read_widths("none")
        ((1000, 500, 250), ())
    """
    parts: Sequence[str] = [] if not isinstance(text, str) or text.strip() in ("", "none") else text.replace(" ", "").split("-")
    if not isinstance(text, str) or any(not part.isdecimal() or int(part) < 1 for part in parts):
        raise ArgumentError(
            f"The widths of the layers cannot be read: {what}", expected='such as "1000-500-250", or "none"', got=repr(text)
        )
    return tuple(int(part) for part in parts)
