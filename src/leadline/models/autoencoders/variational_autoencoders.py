"""Variational autoencoders: a code with a distribution for each input, and a decoder that inputs can be drawn from.

B batch, D units of the code, K draws of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_dropped, check_shape, check_whole
from leadline.models.autoencoders.autoencoders import dense_decoder, dense_layers
from leadline.models.autoencoders.conv_autoencoders import conv_decoder, conv_encoder
from leadline.models.autoencoders.output_distributions import OutputDistribution, output_distribution, read_widths

_AT_ONCE = 256  # codes that are decoded together: the maps of large pictures take megabytes each
_FARTHEST = 15.0  # log σ² of a code beyond it would overflow, or stand for a deviation of 0.0005


def variational_autoencoder(
    shape: Sequence[int],
    *,
    hidden: str = "512-256",
    code: int = 32,
    activation: str = "relu",
    output: str = "bernoulli",
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> VariationalAutoencoder:
    """Hidden layers to the mean and log variance of a normal code, and the same layers in reverse order to the outputs.

    Shapes: [B, *shape] → raw outputs [B, *shape] of the mean code: logits or means.

    Args:
        shape: of one input: (D,) or (C, H, W), which is flattened.
        hidden: widths of the encoder's hidden layers, such as "200-200"; "none" has none.
        code: D.
        activation: of hidden layers, as `layers.activation` reads it.
        output: as `output_distribution` reads it: "bernoulli" for values from 0 to 1; for others "gaussian(learned=True)".
        batch_norm: normalize before each hidden activation.
        dropout: share of hidden units dropped in training, in [0, 1).

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> model = variational_autoencoder((1, 28, 28), hidden="200-200", code=50, activation="tanh")
        >>> mean, log_variance = model.posterior(torch.rand(2, 1, 28, 28))
        >>> mean.shape, log_variance.shape, model.decode(mean).shape
        (torch.Size([2, 50]), torch.Size([2, 50]), torch.Size([2, 1, 28, 28]))

    Source: Kingma and Welling (2014), Auto-encoding variational Bayes.
    """
    check_whole("The variational autoencoder", {"code": code})
    check_dropped("The variational autoencoder", dropout, name="dropout")
    widths, values = read_widths(hidden), math.prod(shape)
    trunk = dense_layers(values, widths, activation, batch_norm=batch_norm, dropout=dropout)
    decoder = dense_decoder(code, widths, shape, activation, batch_norm=batch_norm, dropout=dropout)
    features = widths[-1] if widths else values
    return VariationalAutoencoder(trunk, decoder, output_distribution(output), shape=shape, features=features, code=code)


def conv_variational_autoencoder(
    shape: Sequence[int],
    *,
    width: int = 32,
    stages: int = 3,
    code: int = 64,
    activation: str = "relu",
    output: str = "bernoulli",
    batch_norm: bool = True,
) -> VariationalAutoencoder:
    """The stages of `conv_autoencoder` to the mean and log variance of a normal code, and back.

    Shapes: [B, C, H, W] → raw outputs [B, C, H, W] of the mean code: logits or means.

    Args:
        shape: (C, H, W) of one picture.
        width: filters of the first stage.
        stages: how often the picture is halved.
        code: D.
        activation: of hidden layers, as `layers.activation` reads it.
        output: as `output_distribution` reads it: "bernoulli" for values from 0 to 1; for others "gaussian(learned=True)".
        batch_norm: normalize before each hidden activation.

    Errors: `ArgumentError` for an argument out of range, or pictures that are too small.

    Example:
        >>> model = conv_variational_autoencoder((1, 28, 28), width=8, stages=2, code=10)
        >>> model(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 1, 28, 28])
    """
    check_whole("The convolutional autoencoder", {"width": width, "stages": stages, "code": code})
    trunk, features = conv_encoder(shape, width, stages, activation, batch_norm=batch_norm)
    decoder = conv_decoder(code, shape, width, stages, activation, batch_norm=batch_norm)
    return VariationalAutoencoder(trunk, decoder, output_distribution(output), shape=shape, features=features, code=code)


class VariationalAutoencoder(nn.Module):
    """q(z | x) = N(μ(x), σ²(x)), p(z) = N(0, I), and p(x | z) by a decoder. Its call tells x from the mean code.

    Shapes: [B, *shape] → raw outputs, of which `distribution` makes errors and reconstructions.

    Args:
        trunk: [B, *shape] → [B, features].
        decoder: code → raw outputs.
        distribution: of the inputs given the outputs.
        shape: of one input.
        features: what the trunk gives.
        code: D.

    Errors: `ArgumentError` for inputs of another shape.

    Example:
        >>> model = variational_autoencoder((4,), hidden="8", code=2)
        >>> model.features(torch.zeros(3, 4)).shape, [name for name, _ in model.named_children()]
        (torch.Size([3, 2]), ['trunk', 'mean', 'log_variance', 'decoder', 'distribution'])
    """

    def __init__(
        self,
        trunk: nn.Module,
        decoder: nn.Module,
        distribution: OutputDistribution,
        *,
        shape: Sequence[int],
        features: int,
        code: int,
    ) -> None:
        super().__init__()
        self.shape, self.code = tuple(shape), code
        self.trunk, self.mean, self.log_variance = trunk, nn.Linear(features, code), nn.Linear(features, code)
        self.decoder, self.distribution = decoder, distribution

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code: [B, *shape] → two of [B, D]."""
        check_shape(type(self).__name__, x, ("B", *self.shape))
        trunk = self.trunk(x)
        return self.mean(trunk), self.log_variance(trunk).clamp(-_FARTHEST, _FARTHEST)

    def encode(self, x: Tensor) -> Tensor:
        """The mean code: [B, *shape] → [B, D]."""
        check_shape(type(self).__name__, x, ("B", *self.shape))
        mean: Tensor = self.mean(self.trunk(x))
        return mean

    def decode(self, code: Tensor) -> Tensor:
        """Raw outputs of codes: [B, D] → logits or means."""
        outputs: Tensor = self.decoder(code)
        return outputs

    @property
    def features(self) -> nn.Module:
        """The way to the mean code as a network of its own, with the same weights: the first layers of a classifier."""
        return nn.Sequential(self.trunk, self.mean)

    def generate(self, number: int, *, seed: int = 0) -> Tensor:
        """New inputs, [number, *shape], of codes drawn from the prior; see `generated`."""
        return generated(self, number, seed=seed)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The inputs as the network tells them from the mean code."""
        return self.distribution.reconstruction(self(x))

    def errors(self, x: Tensor) -> Tensor:
        """How far each value is from its reconstruction, with the shape of x and never below 0."""
        return self.distribution.errors(self(x), x)


def generated(model: VariationalAutoencoder, count: int, *, seed: int = 0) -> Tensor:
    """New inputs from codes of the prior: z ~ N(0, I), then what p(x | z) expects, or of rows of a table a draw from it.

    Args:
        model: in the mode in which it is to be used.
        count: how many.
        seed: of the codes, which are the same on every device, and of the values where these are drawn, which are not.

    Returns:
        [count, *shape], or rows of a table [count, W], on the model's device.

    Errors: `ArgumentError` for a count below 1, or a network whose codes have no prior.

    Example:
        >>> generated(variational_autoencoder((4,), hidden="8", code=2).eval(), 3).shape
        torch.Size([3, 4])
    """
    check_whole("The sheet of generated inputs", {"count": count})
    if not hasattr(model, "posterior"):
        raise ArgumentError(
            "The codes of this network have no distribution to draw from",
            expected="a variational autoencoder",
            got=type(model).__name__,
        )
    generator = torch.Generator().manual_seed(seed)
    device, told = model.mean.weight.device, model.distribution
    codes = torch.randn(count, model.code, generator=generator).to(device)
    of_values = torch.Generator(device).manual_seed(seed + 1)
    with torch.inference_mode():
        parts = (model.decode(part) for part in codes.split(_AT_ONCE))  # type: ignore[no-untyped-call]
        return torch.cat([told.made_up(part, of_values) for part in parts])


def active_units(means: Tensor, *, least: float = 0.01) -> Tensor:
    """Which units of a code tell something: those whose mean varies from input to input.

    A unit d is active where Var_x(E[z_d | x]) > 0.01. Where hardly any is, the decoder has learned to do without the code
    (posterior collapse): a smaller β, a warm-up of it, or free bits bring it back.

    Args:
        means: of the codes of many inputs, [N, D].
        least: the variance above which a unit counts.

    Returns:
        bool [D].

    Errors: `ArgumentError` for another shape, or fewer than 2 rows.

    Example:
        >>> active_units(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).tolist()
        [True, False]

    Source: Burda, Grosse and Salakhutdinov (2016), Importance weighted autoencoders.
    """
    if means.ndim != 2 or len(means) < 2:
        raise ArgumentError("These codes do not vary", expected="shape [N, D] with at least 2 rows", got=list(means.shape))
    return means.double().var(dim=0) > least
