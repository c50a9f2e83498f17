"""Learning from a stream: the state is carried and cut, penalties are what they say, and resuming changes nothing."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.data.tokens.token_streams import TokenStreams
from leadline.errors import ArgumentError
from leadline.models.language_networks import RecurrentLanguage, recurrent_language
from leadline.models.language_steps import LanguageStep, StreamEvaluation, stream_features, stream_surprises
from leadline.models.small_transformers import small_transformer
from leadline.models.window_models import window_language
from leadline.optim import ClipNorm, ClipPercentile
from leadline.optim.averaging_once_stuck import AverageOnceStuck
from leadline.training import run_loop
from leadline.training.callbacks import Callback

V = 20
TEXT = np.random.default_rng(0).integers(1, V, 400)
RHYME = np.tile(np.arange(2, 8), 100)


def lstm(**changes: Any) -> RecurrentLanguage:
    torch.manual_seed(0)
    return recurrent_language(V, **({"embedding": 6, "hidden": 6, "layers": 2} | changes))


def now(batch: int, fraction: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(batch=batch, fraction=fraction, step=batch, epoch=0)


def sgd(model: nn.Module, rate: float = 0.5) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=rate)


def test_the_gradient_is_cut_where_a_window_begins_and_the_state_is_not() -> None:
    model, streams = lstm().double(), TokenStreams(TEXT, 4, length=10)
    step = LanguageStep(model, sgd(model, 0.0))
    windows = list(streams)[:2]
    for number, window in enumerate(windows):
        found = step(window, now(number))["loss"]
    gradients = [parameter.grad for parameter in model.parameters()]
    with torch.no_grad():
        _, state = model.advance(windows[0][0], None)
    logits, _ = model.advance(windows[1][0], state)
    expected = F.cross_entropy(logits.flatten(0, 1), windows[1][1].flatten())
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, list(model.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert found.item() != step(windows[1], now(0))["loss"].item(), "an epoch begins without a state"


def test_penalties_and_their_gradients() -> None:
    model = lstm(dropout=0.3)
    inputs, targets = next(iter(TokenStreams(TEXT, 4, length=10)))
    step = LanguageStep(model, sgd(model, 0.0), penalties=(2.0, 1.5))
    torch.manual_seed(1)
    logs = step((inputs, targets), now(0))
    gradient = model.stack.ahead[0].weight_hh_l0.grad.clone()
    torch.manual_seed(1)
    reading = model.read(inputs, None)
    activation = 2.0 * reading.outputs.pow(2).mean()
    temporal = 1.5 * (reading.raw[:, 1:] - reading.raw[:, :-1]).pow(2).mean()
    loss = F.cross_entropy(model.head(reading.outputs).flatten(0, 1), targets.flatten())
    assert logs["penalty_activation"].item() == pytest.approx(activation.item(), rel=1e-5)
    assert logs["penalty_temporal"].item() == pytest.approx(temporal.item(), rel=1e-5)
    assert logs["loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    (expected,) = torch.autograd.grad(loss + activation + temporal, [model.stack.ahead[0].weight_hh_l0])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_rates_follow_the_schedule_and_the_length_of_the_window() -> None:
    model = lstm()
    step = LanguageStep(model, sgd(model, 0.8), schedule=lambda fraction: 1 - fraction, nominal_length=20)
    inputs, targets = next(iter(TokenStreams(TEXT, 4, length=10)))
    step((inputs, targets), now(0, 0.25))
    assert step.rate == pytest.approx(0.8 * 0.75 * 10 / 20)
    step((inputs[:, :5], targets[:, :5]), now(1, 0.25))
    assert step.rate == pytest.approx(0.8 * 0.75 * 5 / 20)


@pytest.mark.parametrize("family", ["lstm", "window", "transformer", "sampled", "half"])
def test_a_rhyme_is_learned(family: str) -> None:
    torch.manual_seed(0)
    model = {
        "window": lambda: window_language(V, window=2, embedding=8, hidden=16),
        "transformer": lambda: small_transformer(V, width=16, heads=2, blocks=1, context=16, dropout=0.0),
    }.get(family, lambda: recurrent_language(V, embedding=16))()
    step = LanguageStep(
        model,
        torch.optim.Adam(model.parameters(), lr=0.02),
        clip=ClipNorm(1.0),
        samples=4 if family == "sampled" else 0,
        precision=torch.bfloat16 if family == "half" else torch.float32,
    )
    text = RHYME if family == "sampled" else np.concatenate([RHYME[:-1], RHYME[:1]])
    history = run_loop(
        step,
        TokenStreams(text, 4, length=10),
        epochs=5,
        evaluate=StreamEvaluation(model, TokenStreams(RHYME[:120], 2, length=7, whole=True)),
    )
    assert history["valid_perplexity"][-1] < 1.2
    assert history["valid_loss"][-1] < 0.5 * history["valid_loss"][0]


class Pause(Callback):
    def batch_end(self, now: Any) -> str | None:
        return "enough" if now.step == 13 else None


def trained(epochs: int, callbacks: list[Callback], state: Any = None, wrap: Any = None) -> nn.Module:
    """An LSTM with all its dropout, on windows of variable length."""
    model = lstm(dropout=0.2, word_dropout=0.1, weight_drop=0.3)
    step: Any = LanguageStep(
        model,
        torch.optim.Adam(model.parameters(), lr=0.01),
        clip=ClipPercentile(50, window=5, warm_up=2),
        penalties=(1.0, 1.0),
        nominal_length=10,
    )
    evaluation = StreamEvaluation(model, TokenStreams(TEXT[:80], 2, length=10, whole=True))
    if wrap:
        step = wrap(step)
        evaluation.then = step.told
    streams = TokenStreams(TEXT, 4, length=10, variable=True)
    torch.manual_seed(7)
    run_loop(step, streams, epochs=epochs, evaluate=evaluation, callbacks=callbacks, state=state)
    return model


@pytest.mark.parametrize("averaged", [False, True])
def test_resumed_in_the_middle_of_an_epoch_it_comes_out_the_same(tmp_path: Any, averaged: bool) -> None:
    from leadline.training.checkpoints import load, save

    wrap = (lambda step: AverageOnceStuck(step, patience=1)) if averaged else None
    whole = trained(3, [], wrap=wrap)

    class Keep(Pause):
        def batch_end(self, now: Any) -> str | None:
            if now.step == 13:
                save(tmp_path / "state", now.state())
            return super().batch_end(now)

    trained(3, [Keep()], wrap=wrap)
    torch.manual_seed(99)
    resumed = trained(3, [], state=load(tmp_path / "state"), wrap=wrap)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_the_carried_state_is_what_makes_it_so() -> None:
    model = lstm()
    streams = list(TokenStreams(TEXT, 4, length=10))
    step = LanguageStep(model, sgd(model, 0.0))
    step(streams[0], now(0))
    state = copy.deepcopy(step.state())
    expected = step(streams[1], now(1))["loss"]
    again = LanguageStep(lstm(), sgd(model, 0.0))
    again.load(state)
    assert again(streams[1], now(1))["loss"].item() == expected.item()
    state["carried"] = None
    again.load(state)
    assert again(streams[1], now(1))["loss"].item() != expected.item()


def by_hand(model: nn.Module, text: Any) -> Tensor:
    """−log p of every token of a text but the first, read at once."""
    ids = torch.as_tensor(text)
    return F.cross_entropy(model(ids[None, :-1])[0], ids[1:], reduction="none").detach()


def test_evaluation_carries_the_state_through_the_text() -> None:
    model = lstm().eval()
    expected = by_hand(model, TEXT)
    streams = TokenStreams(TEXT, 1, length=7, whole=True)
    torch.testing.assert_close(stream_surprises(model, streams), expected, rtol=1e-4, atol=1e-5)
    columns = StreamEvaluation(model, streams, prefix="test_")()
    assert columns["test_loss"] == pytest.approx(expected.mean().item(), rel=1e-5)
    assert columns["test_perplexity"] == pytest.approx(math.exp(columns["test_loss"]))
    assert columns["test_bits"] == pytest.approx(columns["test_loss"] / math.log(2))


def test_each_of_several_streams_is_a_text_of_its_own() -> None:
    model = lstm().eval()
    streams = TokenStreams(TEXT, 3, length=50, whole=True)  # 399 tokens to foretell, 133 in each
    expected = torch.cat([by_hand(model, TEXT[at : at + 134]) for at in (0, 133, 266)])
    torch.testing.assert_close(stream_surprises(model, streams), expected, rtol=1e-4, atol=1e-5)


def test_features_give_the_surprises() -> None:
    model = lstm().eval()
    streams = TokenStreams(TEXT[:55], 4, length=6, whole=True)
    features = stream_features(model, streams)
    assert features.shape == (54, 6)
    with torch.no_grad():
        surprises = F.cross_entropy(model.head(features), torch.from_numpy(TEXT[1:55]), reduction="none")
    torch.testing.assert_close(surprises, stream_surprises(model, streams), rtol=1e-4, atol=1e-5)


def test_a_transformer_is_evaluated_on_texts_longer_than_its_context() -> None:
    torch.manual_seed(0)
    model = small_transformer(V, width=8, heads=2, blocks=1, context=8).eval()
    assert len(stream_surprises(model, TokenStreams(TEXT, 2, length=30, whole=True))) == 399


def test_the_model_learns_in_its_mode_and_is_judged_in_the_other() -> None:
    model = lstm(dropout=0.5)
    step = LanguageStep(model, sgd(model))
    with step.evaluating():
        assert not model.training
    assert model.training
    assert step.modules() == {"model": model}


def test_careless_arguments() -> None:
    model = lstm()
    with pytest.raises(ArgumentError, match="Linear is no language model"):
        LanguageStep(nn.Linear(2, 2), sgd(nn.Linear(2, 2)))
    with pytest.raises(ArgumentError, match="0 or more"):
        LanguageStep(model, sgd(model), samples=-1)
    with pytest.raises(ArgumentError, match="nothing to judge"):
        StreamEvaluation(model, [])()
    step = LanguageStep(model, sgd(model))
    with pytest.raises(ArgumentError, match="does not know a token"):
        step((torch.full((1, 3), V), torch.ones(1, 3, dtype=torch.long)), now(0))
    with pytest.raises(ArgumentError, match="no word of this vocabulary"):
        step((torch.ones(1, 3, dtype=torch.long), torch.full((1, 3), V)), now(0))
