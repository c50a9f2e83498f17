"""Autoencoders: an encoder makes a short code of an input, a decoder tells the input from the code alone.

B batch, D units of the code. Sparse and denoising autoencoders are the same networks, trained otherwise: see
`reconstruction_objectives`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening
from leadline.layers.arguments import check_dropped, check_shape, check_whole
from leadline.models.autoencoders.output_distributions import OutputDistribution, output_distribution, read_widths


def autoencoder(
    shape: Sequence[int],
    *,
    hidden: str = "512-256",
    code: int = 32,
    activation: str = "relu",
    code_activation: str = "identity",
    output: str = "gaussian",
    tied: bool = False,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> Autoencoder:
    """Hidden layers down to a code, and the same layers in reverse order up again.

    h₀ = x, hₖ = act(Wₖ hₖ₋₁ + bₖ), z = code_act(W h + b); the decoder mirrors it. Tied, the decoder's matrices are the
    encoder's, transposed, and only its biases are its own.

    Shapes: [B, *shape] → raw outputs [B, *shape]: logits or means.

    Args:
        shape: of one input: (D,) or (C, H, W), which is flattened.
        hidden: widths of the encoder's hidden layers, such as "1000-500-250"; "none" has none.
        code: D.
        activation: of hidden layers, as `layers.activation` reads it; one that narrows (maxout, gated) cannot be tied.
        code_activation: of the code: "identity", or "sigmoid" for a code that is to be sparse.
        output: as `output_distribution` reads it: "gaussian" (squared error), or "bernoulli" for values from 0 to 1.
        tied: the decoder uses the encoder's matrices, transposed.
        batch_norm: normalize before each hidden activation.
        dropout: share of hidden units dropped in training, in [0, 1).

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> model = autoencoder((1, 28, 28), hidden="1000-500-250", code=30, activation="sigmoid", output="bernoulli")
        >>> x = torch.rand(2, 1, 28, 28)
        >>> model(x).shape, model.encode(x).shape, sum(p.numel() for p in model.parameters())
        (torch.Size([2, 1, 28, 28]), torch.Size([2, 30]), 2837314)

    Source: Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    """
    check_whole("The autoencoder", {"code": code})
    check_dropped("The autoencoder", dropout, name="dropout")
    if widening(code_activation) > 1 or (tied and (widening(activation) > 1 or batch_norm)):
        raise ArgumentError(
            "The autoencoder cannot be built",
            expected="a code whose activation keeps its width, and for tied weights hidden ones that do, without batch norm",
            got=f"activation = {activation}, code_activation = {code_activation}, tied = {tied}, batch_norm = {batch_norm}",
        )
    widths = read_widths(hidden)
    encoder = dense_layers(math.prod(shape), widths, activation, batch_norm=batch_norm, dropout=dropout)
    encoder.append(nn.Linear(widths[-1] if widths else math.prod(shape), code))
    encoder.append(activation_layer(code_activation))
    if tied:
        linears = tuple(layer for layer in encoder if isinstance(layer, nn.Linear))
        decoder: nn.Module = TiedDecoder(linears, activation, shape)
    else:
        decoder = dense_decoder(code, widths, shape, activation, batch_norm=batch_norm, dropout=dropout)
    return Autoencoder(encoder, decoder, output_distribution(output), shape=shape)


class Autoencoder(nn.Module):
    """An encoder, a decoder, and what the decoder's outputs say of the input. `autoencoder` and `conv_autoencoder` build one.

    Shapes: [B, *shape] → raw outputs, of which `distribution` makes errors and reconstructions.

    Args:
        encoder: [B, *shape] → code [B, D].
        decoder: code → raw outputs.
        distribution: of the inputs given the outputs.
        shape: of one input.

    Errors: `ArgumentError` for inputs of another shape or type.

    Example:
        >>> model = autoencoder((4,), hidden="none", code=2)
        >>> model.reconstruct(torch.zeros(3, 4)).shape, model.errors(torch.zeros(3, 4)).shape
        (torch.Size([3, 4]), torch.Size([3, 4]))
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, distribution: OutputDistribution, *, shape: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.distribution, self.shape = encoder, decoder, distribution, tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """The code: [B, *shape] → [B, D]."""
        check_shape(type(self).__name__, x, ("B", *self.shape))
        code: Tensor = self.encoder(x)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Raw outputs of codes: [B, D] → logits or means [B, *shape]."""
        outputs: Tensor = self.decoder(code)
        return outputs

    @property
    def features(self) -> nn.Module:
        """The encoder as a network of its own, with the same weights: the first layers of a classifier."""
        return self.encoder

    def reconstruct(self, x: Tensor) -> Tensor:
        """The inputs as the network tells them: [B, *shape] → [B, *shape]."""
        return self.distribution.reconstruction(self(x))

    def errors(self, x: Tensor) -> Tensor:
        """How far each value is from its reconstruction: [B, *shape] → [B, *shape], never below 0."""
        return self.distribution.errors(self(x), x)


class TiedDecoder(nn.Module):
    """The way back through some linear layers by their own matrices, transposed; only the biases are new.

    h_{k−1} = act(Wₖᵀ hₖ + cₖ), the last without activation.

    Shapes: [B, D] → [B, *shape].

    Args:
        linears: in the order in which the encoder calls them; they stay the encoder's.
        activation: after each but the last.
        shape: of one output.

    Example:
        >>> down = nn.Linear(4, 2)
        >>> up = TiedDecoder((down,), "relu", (4,))
        >>> torch.equal(up(torch.eye(2)), down.weight), [name for name, _ in up.named_parameters()]
        (True, ['biases.0'])
    """

    def __init__(self, linears: tuple[nn.Linear, ...], activation: str, shape: Sequence[int]) -> None:
        super().__init__()
        self.linears = linears  # in a tuple, so that their weights are not counted, saved and updated a second time
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(layer.in_features)) for layer in reversed(linears)])
        self.activations = nn.ModuleList([activation_layer(activation) for _ in linears[1:]])
        self.shape = tuple(shape)

    def reset_parameters(self) -> None:
        for bias in self.biases:
            nn.init.zeros_(bias)

    def forward(self, code: Tensor) -> Tensor:
        hidden = code
        for at, (layer, bias) in enumerate(zip(reversed(self.linears), self.biases, strict=True)):
            hidden = nn.functional.linear(hidden, layer.weight.t(), bias)
            if at < len(self.activations):
                hidden = self.activations[at](hidden)
        return hidden.reshape(-1, *self.shape)

    def extra_repr(self) -> str:
        return f"{' → '.join(str(layer.out_features) for layer in reversed(self.linears))} → {list(self.shape)}, tied"


def dense_layers(
    inputs: int, widths: Sequence[int], activation: str, *, batch_norm: bool = False, dropout: float = 0.0
) -> nn.Sequential:
    """Flatten, then for each width linear → batch norm → activation → dropout.

    Shapes: [B, …] → [B, last width], or without widths [B, inputs].

    Args:
        inputs: values of one input.
        widths: of the layers.
        activation: as `layers.activation` reads it.
        batch_norm: normalize before each activation.
        dropout: share of units dropped in training.

    Example:
        >>> dense_layers(6, (4, 3), "relu")(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 3])
    """
    layers: list[nn.Module] = [nn.Flatten()]
    times = widening(activation)
    for before, width in zip((inputs, *widths), widths, strict=False):
        layers.append(nn.Linear(before, times * width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(times * width))
        layers.append(activation_layer(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def dense_decoder(
    code: int,
    widths: Sequence[int],
    shape: Sequence[int],
    activation: str,
    *,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """The layers of an encoder in reverse order, from a code to raw outputs.

    Shapes: [B, code] → [B, *shape].

    Args:
        code: its units.
        widths: of the encoder's hidden layers, in the encoder's order.
        shape: of one output.
        activation: of hidden layers.
        batch_norm: normalize before each activation.
        dropout: share of hidden units dropped in training.

    Example:
        >>> dense_decoder(2, (8, 4), (1, 3, 3), "relu")(torch.zeros(5, 2)).shape
        torch.Size([5, 1, 3, 3])
    """
    up = tuple(reversed(widths))
    layers = dense_layers(code, up, activation, batch_norm=batch_norm, dropout=dropout)
    layers.append(nn.Linear(up[-1] if up else code, math.prod(shape)))
    return layers.append(nn.Unflatten(1, tuple(shape)))


def start_at_means(model: nn.Module, means: Tensor) -> None:
    """Let a network begin by telling the mean of the training inputs, whatever the code: the last bias is set to it.

    Bernoulli outputs begin at log(x̄ / (1 − x̄)), others at x̄; where a channel has one bias, x̄ is its mean. What all inputs share
    need then not be learned first.

    Args:
        model: an autoencoder for vectors or pictures, changed in place.
        means: of the training inputs, with the shape of one.

    Errors: `ArgumentError` for means of another shape, or a decoder without a bias at its end.

    Example:
        >>> model = autoencoder((4,), hidden="8", code=2, output="bernoulli")
        >>> start_at_means(model, torch.tensor([0.5, 0.5, 0.1, 0.9]))
        >>> [round(value, 4) for value in model.decoder[-2].bias.tolist()]
        [0.0, 0.0, -2.1972, 2.1972]
    """
    decoder, distribution = model.get_submodule("decoder"), model.get_submodule("distribution")
    assert isinstance(distribution, OutputDistribution)
    if tuple(means.shape) != model.shape:
        raise ArgumentError("The means do not fit the network", expected=f"shape {model.shape}", got=list(means.shape))
    bias = list(decoder.parameters())[-1].detach()
    values = means.flatten() if bias.shape == (means.numel(),) else means.flatten(1).mean(dim=1) if means.ndim == 3 else None
    if values is None or values.shape != bias.shape:
        raise ArgumentError("The decoder has no bias at its end", got=type(decoder).__name__)
    bias.copy_(distribution.raw(values.to(bias.device)))
