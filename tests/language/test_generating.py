"""Writing: what is drawn has the probabilities it should, the state is carried, and the text reads as text."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError
from leadline.language.generating import generate, next_probabilities, write_text
from leadline.models.language_networks import recurrent_language
from leadline.models.small_transformers import small_transformer
from leadline.models.window_models import window_language

V = 12
LOGITS = st.lists(st.floats(-20, 20), min_size=2, max_size=12).map(torch.tensor)


def models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made: dict[str, nn.Module] = {
        "lstm": recurrent_language(V, embedding=6, hidden=6),
        "window": window_language(V, window=3, embedding=6, hidden=6),
        "transformer": small_transformer(V, width=8, heads=2, blocks=2, context=64),
    }
    for model in made.values():
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.7)
    return made


@pytest.mark.parametrize("name", ["lstm", "window", "transformer"])
def test_reading_token_by_token_is_reading_all_anew(name: str) -> None:
    model = models()[name].double()
    written = [3, 4, 5]
    draw = torch.Generator().manual_seed(5)
    model.eval()
    for _ in range(20):
        logits = model(torch.tensor([written]))[0, -1]
        p = next_probabilities(logits, temperature=0.7, top_p=0.9, never=(0, 1))
        written.append(int(torch.multinomial(p, 1, generator=draw)))
    model.train()
    assert list(generate(model, [3, 4, 5], length=20, temperature=0.7, top_p=0.9, seed=5)) == written[3:]
    assert model.training


def test_frequencies_are_the_probabilities() -> None:
    model = models()["lstm"]
    counts = np.bincount([next(generate(model, [3], length=1, seed=seed)) for seed in range(1000)], minlength=V)
    model.eval()
    p = model(torch.tensor([[3]]))[0, -1].detach().double()
    p[:2] = -math.inf
    expected = 1000 * p.softmax(0).numpy()
    assert (counts[:2] == 0).all()
    statistic = ((counts - expected)[2:] ** 2 / expected[2:]).sum()
    assert statistic < 30, "chi-square with 9 degrees of freedom: 0.9996"


@settings(max_examples=60)
@given(LOGITS, st.floats(0.05, 5), st.floats(0.01, 1), st.integers(0, 12))
def test_what_is_left_out(logits: torch.Tensor, temperature: float, top_p: float, top_k: int) -> None:
    plain = (logits.double() / temperature).softmax(0)
    found = next_probabilities(logits, temperature=temperature, top_p=top_p, top_k=top_k)
    assert found.sum().item() == pytest.approx(1)
    order = sorted(range(len(logits)), key=lambda token: (-plain[token].item(), token))
    kept = order[: top_k or len(order)]
    share, fewest = plain[kept] / plain[kept].sum(), []
    for token, each in zip(kept, share.tolist(), strict=True):
        if sum(plain[other].item() for other in fewest) / plain[kept].sum().item() >= top_p - 1e-12 and fewest:
            break
        fewest.append(token)
        del each
    positive = set(found.nonzero().flatten().tolist()) or set()
    # Probabilities that underflow are 0 whether kept or not; where shares end within rounding of top_p one more may be kept.
    assert positive <= set(fewest) | set(kept[len(fewest) : len(fewest) + 1])
    assert {token for token in fewest[:-1] if plain[token] > 1e-300} <= positive
    ratio = found[list(positive)] / plain[list(positive)]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_cold_and_hot() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    assert next_probabilities(logits, temperature=0).tolist() == [0, 1, 0]
    assert next_probabilities(logits, temperature=1e-4).tolist() == [0, 1, 0]
    assert next_probabilities(logits, temperature=1e6).tolist() == pytest.approx([1 / 3] * 3, abs=1e-5)
    assert next_probabilities(logits, never=[1]).tolist() == pytest.approx([1 / (1 + math.e), 0, math.e / (1 + math.e)])


def test_another_model_beside() -> None:
    class Sure:
        seen: ClassVar[list[list[int]]] = []

        def surprises(self, ids: Any) -> Any:
            raise NotImplementedError

        def log_probabilities(self, context: Any) -> Any:
            self.seen.append(context.tolist())
            with np.errstate(divide="ignore"):
                return np.log(np.eye(V)[7])

    model = models()["lstm"]
    assert list(generate(model, [3], length=3, seed=1, beside=(Sure(), 1.0))) == [7, 7, 7]
    assert Sure.seen == [[3], [3, 7], [3, 7, 7]]
    alone = list(generate(model, [3], length=5, seed=1))
    assert list(generate(model, [3], length=5, seed=1, beside=(Sure(), 0.0))) == alone
    halves = [next(generate(model, [3], length=1, seed=seed, beside=(Sure(), 0.5))) for seed in range(300)]
    own = model.eval()(torch.tensor([[3]]))[0, -1].softmax(0).tolist()
    expected = 300 * (0.5 + 0.5 * own[7]) / (1 - 0.5 * (own[0] + own[1]))
    assert abs(halves.count(7) - expected) < 40, "more than four standard deviations"


@pytest.mark.parametrize("by", ["characters", "words", "spaced words"])
def test_pieces_are_the_text(by: str) -> None:
    text = 'He said: "Well, (no) - I don\'t."\nThen\n\nshe left!\n'
    tokens = Tokens.learn([text], by=by)
    model = recurrent_language(len(tokens.vocabulary), embedding=4, hidden=4)
    for prompt in ("", "He said", 'He said: "Well', "Then\n"):
        start = tokens.encode(prompt).tolist() or [tokens.start]
        ids = list(generate(model, start, length=60, seed=2))
        whole = tokens.decode([*(start if prompt else []), *ids])
        pieces = list(write_text(model, tokens, prompt, length=60, seed=2))
        assert len(pieces) == 60
        shown = tokens.decode(start) if prompt else ""
        assert shown + "".join(pieces) == whole


def test_it_streams() -> None:
    assert len(list(islice(generate(models()["lstm"], [3], length=10**9), 3))) == 3


def test_the_seed_decides() -> None:
    model = models()["lstm"]
    torch.manual_seed(1)
    first = list(generate(model, [3], length=30, seed=4))
    torch.manual_seed(2)
    assert list(generate(model, [3], length=30, seed=4)) == first
    assert list(generate(model, [3], length=30, seed=5)) != first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": -1.0}, "temperature ≥ 0"),
        ({"temperature": math.nan}, "temperature ≥ 0"),
        ({"top_p": 0.0}, "top_p in"),
        ({"top_k": -1}, "top_k ≥ 0"),
        ({"length": -1}, "length ≥ 0"),
        ({"ids": []}, "nothing to go on from"),
        ({"ids": [V]}, "does not know a token"),
        ({"never": range(V)}, "No token is left"),
        ({"beside": (None, 2.0)}, "share in"),
    ],
)
def test_careless_arguments(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        generate(models()["lstm"], **({"ids": [3], "length": 1} | changes))


def test_a_vocabulary_that_is_not_the_models() -> None:
    tokens = Tokens.learn(["abc"])
    with pytest.raises(ArgumentError, match="vocabulary does not match the model.*12 tokens; got 5"):
        write_text(models()["lstm"], tokens, "a")
    model = recurrent_language(5, embedding=4, hidden=4)
    with pytest.raises(ArgumentError, match="nothing to go on from"):
        write_text(model, tokens, "")
