"""Forecasters: networks that begin as the seasonal naive forecast and learn what it misses.

B batch, L steps of the past, H steps to come, C channels: M targets, P past covariates, K that are known of the future.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.initialize import set_forget_bias
from leadline.layers.fast_dropout import FastDropout

ENCODERS = ("linear", "mlp", "gru", "lstm")


def forecaster(
    shape: Sequence[int],
    outputs: int,
    *,
    horizon: int,
    known: int = 0,
    season: int = 1,
    encoder: str = "mlp",
    width: int = 128,
    depth: int = 1,
    dropout: float = 0.1,
) -> nn.Module:
    """The forecast for all H steps at once: what was one season ago, plus what is learned.

    y[h] = n[h] + Σₗ W[h, l] (x[l] − r) + V [k[h], k[h′]] + f(past, h, k[h])

    n is the seasonal naive forecast (the last value without a season), h′ the step that it repeats, r the last value of each
    target, W shared by the targets. f is 0 with encoder "linear". Otherwise the encoder sums the past up in D numbers: "mlp"
    from all of it at once (`FlatEncoder`), "gru" and "lstm" from step after step. One small network answers for each step to
    come, from that sum, the place of the step, and what is known of it and of the step it repeats. W, V and the last layer of f
    begin with 0: before training the answer is the naive forecast, and a level that moves moves the answer with it.

    Shapes: [B, L + H, C], NaN in the last H steps of targets and past covariates, → [B, H, M].

    Args:
        shape: (L + H, C).
        outputs: M, the first channels.
        horizon: H.
        known: K, the last channels.
        season: its steps; where it is longer than L, the last value stands in.
        encoder: "linear", "mlp", "gru" or "lstm".
        width: D, units of a hidden layer.
        depth: hidden layers of the encoder.
        dropout: share of hidden units dropped in training, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or sizes that do not fit together.

    Example:
        >>> network = forecaster((14, 3), 1, horizon=2, known=2, season=4)
        >>> window = torch.arange(14.0).view(1, 14, 1).repeat(1, 1, 3)
        >>> window[:, 12:, 0] = torch.nan
        >>> network.eval()(window)[0, :, 0].tolist()  # untrained: what was four steps before
        [8.0, 9.0]

    Source: Zeng et al. (2023), Are transformers effective for time series forecasting?, for the linear part; Das et al. (2023),
    Long-term forecasting with TiDE, for the network that answers for each step.
    """
    if encoder not in ENCODERS:
        unknown("encoder of series", encoder, ENCODERS)
    length, channels = shape
    least = {"horizon": (horizon, 1), "known": (known, 0), "season": (season, 1), "width": (width, 1), "depth": (depth, 1)}
    for name, (value, lowest) in {**least, "outputs": (outputs, 1)}.items():
        if value < lowest:
            raise ArgumentError("The forecaster cannot be built", expected=f"{name} ≥ {lowest}", got=f"{name} = {value}")
    if not 0 <= dropout < 1:
        raise ArgumentError("The forecaster cannot be built", expected="dropout in [0, 1)", got=f"dropout = {dropout}")
    if length <= horizon or channels < outputs + known:
        raise ArgumentError(
            "The forecaster cannot be built: the windows are too small",
            expected=f"more than {horizon} steps and at least {outputs + known} channels",
            got=f"{length} steps of {channels} channels",
        )
    naive = SeasonalNaive(outputs, length - horizon, horizon, season=season)
    if encoder == "linear":
        return Forecaster(naive, known, None, None)
    lookback = length - horizon
    summary: nn.Module
    if encoder == "mlp":
        others = channels - outputs - known
        summary = FlatEncoder(lookback, horizon, targets=outputs, others=others, width=width, depth=depth, dropout=dropout)
    else:
        summary = RecurrentEncoder(channels, width, cell=encoder, depth=depth, dropout=dropout)
    return Forecaster(naive, known, summary, StepAnswers(width, outputs, horizon, known=2 * known, dropout=dropout))


class SeasonalNaive(nn.Module):
    """The forecast that what comes is what was one season ago: y[h] = x[L + h − s⌈(h + 1)/s⌉].

    Shapes: [B, L + H, C] → [B, H, M].

    Args:
        outputs: M, the first channels.
        lookback: L.
        horizon: H.
        season: s; where it is longer than L, 1: the last value.

    Example:
        >>> SeasonalNaive(1, 4, 3, season=2)(torch.arange(7.0).view(1, 7, 1)).flatten().tolist()
        [2.0, 3.0, 2.0]
    """

    places: Tensor

    def __init__(self, outputs: int, lookback: int, horizon: int, *, season: int = 1) -> None:
        super().__init__()
        self.outputs, self.lookback, self.horizon = outputs, lookback, horizon
        self.season = season if season <= lookback else 1
        places = lookback - self.season + torch.arange(horizon) % self.season
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : self.outputs].index_select(1, self.places)

    def extra_repr(self) -> str:
        return f"season={self.season}, lookback={self.lookback}, horizon={self.horizon}"


class Forecaster(nn.Module):
    """Naive forecast + linear part + what an encoder and its answers add. `forecaster` builds one.

    Shapes: [B, L + H, C] → [B, H, M].

    Args:
        naive: the forecast to begin with.
        known: K, the last channels.
        encoder: the past [B, L, C] → [B, D]; None for the linear part alone.
        answers: [B, D] and what is known of each step [B, H, 2K] → [B, H, M].
    """

    def __init__(self, naive: SeasonalNaive, known: int, encoder: nn.Module | None, answers: StepAnswers | None) -> None:
        super().__init__()
        self.naive, self.known = naive, known
        self.steps = nn.Linear(naive.lookback, naive.horizon)
        self.conditions = nn.Linear(2 * known, naive.outputs, bias=False) if known else None
        self.encoder, self.answers = encoder, answers
        for layer in (self.steps, self.conditions):
            for parameter in layer.parameters() if layer is not None else ():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        lookback, targets = self.naive.lookback, self.naive.outputs
        seen, level = x[:, :lookback, :targets], x[:, lookback - 1 : lookback, :targets]
        change = seen - level
        forecast: Tensor = self.naive(x) + self.steps(change.transpose(1, 2)).transpose(1, 2)
        conditions = self._conditions(x)
        if self.conditions is not None:
            forecast = forecast + self.conditions(conditions)
        if self.encoder is not None and self.answers is not None:
            past = torch.cat([change, x[:, :lookback, targets:]], dim=2)
            forecast = forecast + self.answers(self.encoder(past), conditions)
        return forecast

    def _conditions(self, x: Tensor) -> Tensor:
        """What is known of each step to come beside what was known of the step that the naive forecast repeats: [B, H, 2K]."""
        known = x[:, :, x.shape[2] - self.known :]
        return torch.cat([known[:, self.naive.lookback :], known.index_select(1, self.naive.places)], dim=2)

    def features(self, x: Tensor) -> Tensor:
        """What the encoder sums the past up in, [B, D]; the past of the targets themselves, [B, L·M], where there is none."""
        lookback, targets = self.naive.lookback, self.naive.outputs
        change = x[:, :lookback, :targets] - x[:, lookback - 1 : lookback, :targets]
        if self.encoder is None:
            return change.flatten(1)
        summed: Tensor = self.encoder(torch.cat([change, x[:, :lookback, targets:]], dim=2))
        return summed


class StepAnswers(nn.Module):
    """One small network that answers for every step: W₂ dropout(relu(W₁ u + A k[h] + e[h])).

    Shapes: u [B, D] and k [B, H, K] → [B, H, M].

    Args:
        width: D, and of the hidden layer.
        outputs: M.
        horizon: H, each with a vector e of its own.
        known: K.
        dropout: share of hidden units.

    Example:
        >>> StepAnswers(8, 1, 3, known=2)(torch.ones(5, 8), torch.ones(5, 3, 2)).abs().sum().item()
        0.0
    """

    def __init__(self, width: int, outputs: int, horizon: int, *, known: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.summary = nn.Linear(width, width)
        self.conditions = nn.Linear(known, width, bias=False) if known else None
        self.places = nn.Parameter(torch.randn(horizon, width) * width**-0.5)
        self.dropout = FastDropout(dropout)
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, u: Tensor, k: Tensor) -> Tensor:
        hidden = self.summary(u)[:, None, :] + self.places
        if self.conditions is not None:
            hidden = hidden + self.conditions(k)
        answers: Tensor = self.head(self.dropout(torch.relu(hidden)))
        return answers


class FlatEncoder(nn.Module):
    """Hidden layers over the past at once: all of the targets, and of past covariates the last H steps.

    What was known beforehand of the past is left out: what is known of the future stands beside each answer.

    Shapes: [B, L, C] → [B, D].

    Args:
        lookback: L.
        recent: H, or L where that is shorter.
        targets: M, the first channels.
        others: P, the channels after them.
        width: D.
        depth: hidden layers.
        dropout: share of hidden units.

    Example:
        >>> FlatEncoder(6, 2, targets=1, others=3, width=8)(torch.zeros(5, 6, 7)).shape
        torch.Size([5, 8])
    """

    def __init__(
        self, lookback: int, recent: int, *, targets: int, others: int, width: int, depth: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.targets, self.others, self.recent = targets, others, min(recent, lookback)
        features = lookback * targets + self.recent * others
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(features, width), nn.ReLU(), FastDropout(dropout)]
            features = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        seen = x[:, :, : self.targets].flatten(1)
        beside = x[:, -self.recent :, self.targets : self.targets + self.others].flatten(1)
        hidden: Tensor = self.layers(torch.cat([seen, beside], dim=1))
        return hidden


class RecurrentEncoder(nn.Module):
    """The state of a recurrent network after the last step of the past.

    Shapes: [B, L, C] → [B, D].

    Args:
        channels: C.
        width: D.
        cell: "gru" or "lstm"; the forget gate of an LSTM begins open.
        depth: layers.
        dropout: share of units between layers, and of the state.

    Example:
        >>> RecurrentEncoder(3, 8, cell="lstm")(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 8])
    """

    def __init__(self, channels: int, width: int, *, cell: str = "gru", depth: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        kinds = {"gru": nn.GRU, "lstm": nn.LSTM}
        if cell not in kinds:
            unknown("recurrent cell", cell, kinds)
        between = dropout if depth > 1 else 0.0  # torch warns of a dropout between layers where there is one layer
        self.layers = kinds[cell](channels, width, num_layers=depth, batch_first=True, dropout=between)
        for name, weight in self.layers.named_parameters():
            if name.startswith("weight_hh"):
                for gate in weight.detach().split(width):
                    nn.init.orthogonal_(gate)
        if cell == "lstm":
            set_forget_bias(self.layers)
        self.dropout = FastDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layers(x)
        last: Tensor = self.dropout(states[:, -1])
        return last
