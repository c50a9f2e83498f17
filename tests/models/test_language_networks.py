"""Language models: the same read at once or in pieces, blind to what comes after, and each as its formula says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.language_networks import LanguageDropout, ReadsOn, RecurrentLanguage, recurrent_language
from leadline.models.small_transformers import small_transformer
from leadline.models.window_models import window_language

V = 30
FAMILIES: dict[str, Callable[..., Any]] = {
    "lstm": lambda: recurrent_language(V, embedding=6, hidden=7, layers=2),
    "gru": lambda: recurrent_language(V, cell="gru", embedding=6, hidden=7, tied=False),
    "rnn": lambda: recurrent_language(V, cell="rnn", embedding=6),
    "peephole": lambda: recurrent_language(V, cell="peephole", embedding=6),
    "window": lambda: window_language(V, window=3, embedding=4, hidden=9),
    "direct window": lambda: window_language(V, window=1, embedding=4, hidden=9, direct=True, activation="relu"),
    "rotary": lambda: small_transformer(V, width=8, heads=2, blocks=2, context=24),
    "learned": lambda: small_transformer(V, width=8, heads=2, blocks=2, context=24, positions="learned"),
}
EACH = pytest.mark.parametrize("name", FAMILIES)


def made(name: str) -> ReadsOn:
    torch.manual_seed(0)
    model = FAMILIES[name]()
    for parameter in model.parameters():  # far from 0, so that whatever is read differs
        torch.nn.init.normal_(parameter, std=0.5)
    assert isinstance(model, ReadsOn)
    return model.double().eval()


def ids(seed: int, rows: int = 3, steps: int = 12) -> Tensor:
    return torch.randint(1, V, (rows, steps), generator=torch.Generator().manual_seed(seed))


@EACH
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), cuts=st.sets(st.integers(1, 11)))
def test_read_in_pieces_is_read_at_once(name: str, seed: int, cuts: set[int]) -> None:
    model, text, state = made(name), ids(seed), None
    pieces = []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True):
        logits, state = model.advance(text[:, begin:end], state)
        pieces.append(logits)
        state = model.detached(state)
    whole = model(text)
    assert whole.shape == (3, 12, V)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)


@EACH
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), place=st.integers(1, 11))
def test_nothing_is_foretold_from_what_comes_after_or_from_other_rows(name: str, seed: int, place: int) -> None:
    model, text = made(name), ids(seed)
    changed = text.clone()
    changed[:, place:] = ids(seed + 1)[:, place:]
    torch.testing.assert_close(model(changed)[:, :place], model(text)[:, :place])
    changed = text.clone()
    changed[1:] = ids(seed + 2)[1:]
    torch.testing.assert_close(model(changed)[0], model(text)[0])


@EACH
def test_padding_behind_a_row_changes_nothing(name: str) -> None:
    model, text = made(name), ids(0)
    padded = torch.cat([text, torch.zeros(3, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(padded)[:, :12], model(text))


@EACH
def test_what_was_read_matters(name: str) -> None:
    model, text = made(name), ids(0)
    changed = text.clone()
    changed[:, 9] = changed[:, 9] % (V - 1) + 1  # within reach of all but the smallest window
    reach = 10 if name == "direct window" else 11
    assert not torch.allclose(model(changed)[:, 9:reach], model(text)[:, 9:reach])
    assert (model(changed)[:, 9] != model(text)[:, 9]).any()


@EACH
def test_gradients_reach_every_parameter(name: str) -> None:
    model = made(name).train()
    torch.nn.functional.cross_entropy(model(ids(0)).flatten(0, 1), ids(1).flatten()).backward()
    unreached = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert unreached == []


@EACH
def test_careless_ids(name: str) -> None:
    model = made(name)
    with pytest.raises(ArgumentError, match=rf"does not know a token.*0 to {V - 1}; got {V}"):
        model(torch.tensor([[1, V]]))
    with pytest.raises(ArgumentError, match=r"word numbers \[B, T\]"):
        model(torch.zeros(2, 3))
    with pytest.raises(ArgumentError, match=r"word numbers \[B, T\]"):
        model(torch.ones(3, dtype=torch.long))


def test_tied_weights_are_one_tensor() -> None:
    tied = recurrent_language(V, embedding=6)
    assert tied.head.weight is tied.embedding.weight
    assert sum(each.numel() for each in tied.parameters()) == V * 6 + V + 4 * (6 * 6 * 2 + 6 * 2)
    apart = recurrent_language(V, embedding=6, hidden=5, tied=False)
    assert apart.head.weight.shape == (V, 5)
    with pytest.raises(ArgumentError, match="6 units in the last recurrent layer.*got 5"):
        RecurrentLanguage(V, 6, sizes=(7, 5))


def test_a_word_without_its_vector_is_so_wherever_it_stands() -> None:
    torch.manual_seed(0)
    model = RecurrentLanguage(1000, 4, sizes=(4,), dropout=LanguageDropout(words=0.3))
    text = torch.arange(1000).repeat(2, 1)
    vectors = model._vectors(text)
    gone = (vectors == 0).all(dim=2)
    assert torch.equal(gone[0], gone[1])
    assert abs(gone.double().mean().item() - 0.3) < 0.06
    kept = vectors[~gone] / model.embedding.weight[text[~gone]]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.7))
    assert torch.equal(model.eval()._vectors(text), model.embedding.weight[text])


def test_dropout_has_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    model = recurrent_language(V, embedding=64, dropout=0.5, word_dropout=0.0)
    reading = model.read(ids(0), None)
    gone = reading.outputs == 0
    assert (gone == gone[:, :1]).all()
    assert 0.3 < gone.double().mean() < 0.7
    torch.testing.assert_close(reading.outputs[~gone], 2 * reading.raw[~gone])


def test_weight_drop_changes_what_is_read_in_training_alone() -> None:
    torch.manual_seed(0)
    model = recurrent_language(V, embedding=8, weight_drop=0.5)
    assert not torch.equal(model(ids(0)), model(ids(0)))
    assert torch.equal(model.eval()(ids(0)), model(ids(0)))


def test_the_window_by_its_formula() -> None:
    model = made("window")
    assert hasattr(model, "hidden")
    text = ids(0, rows=1)
    table, hidden, head = model.embedding.weight, model.hidden, model.head  # type: ignore[union-attr]
    x = torch.cat([table[text[0, 5]], table[text[0, 4]], table[text[0, 3]]])  # type: ignore[index]
    expected = head.weight @ torch.tanh(hidden.weight @ x + hidden.bias) + head.bias  # type: ignore[operator]
    torch.testing.assert_close(model(text)[0, 5], expected)
    x = torch.cat([table[text[0, 0]], torch.zeros(8, dtype=torch.float64)])  # type: ignore[index]
    expected = head.weight @ torch.tanh(hidden.weight @ x + hidden.bias) + head.bias  # type: ignore[operator]
    fresh = window_language(V, window=3, embedding=4, hidden=9)
    assert (fresh.embedding.weight[0] == 0).all(), "what stands before the beginning has the vector 0"
    with torch.no_grad():
        model.embedding.weight[0] = 0  # type: ignore[index,operator]
    torch.testing.assert_close(model(text)[0, 0], expected)


def test_a_block_by_its_formula() -> None:
    model = small_transformer(V, width=8, heads=2, blocks=1, context=24).double().eval()
    block = model.blocks[0]
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    normed = block.before_attention(x)
    q, k, v = block.together(normed).chunk(3, dim=-1)
    mixed = []
    for head in range(2):
        at = slice(4 * head, 4 * head + 4)

        def turned(vectors: Tensor) -> Tensor:
            """As complex numbers: each pair times e^{i · place · speed}."""
            pairs = torch.complex(vectors[..., :2], vectors[..., 2:])
            speeds = torch.tensor([1.0, 0.01], dtype=torch.float64)
            pairs = pairs * torch.polar(torch.ones(5, 2, dtype=torch.float64), torch.arange(5.0).double()[:, None] * speeds)
            return torch.cat([pairs.real, pairs.imag], dim=-1)

        scores = turned(q[0, :, at]) @ turned(k[0, :, at]).T / 2
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        mixed.append(scores.softmax(1) @ v[0, :, at])
    expected = x + block.out(torch.cat(mixed, dim=1)[None])
    expected = expected + block.units(block.before_units(expected))
    torch.testing.assert_close(block(x, model.turns[:5], None)[0], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_a_transformer_reads_on_beyond_its_context_with_half_of_it_at_least(positions: str) -> None:
    torch.manual_seed(0)
    model = small_transformer(V, width=8, heads=2, blocks=2, context=8, positions=positions).double().eval()
    text = ids(0, rows=2, steps=30)
    with pytest.raises(ArgumentError, match="longer than the transformer can see.*at most 8 tokens; got 30"):
        model.read(text, None)
    logits, state = model.advance(text, None)
    assert torch.equal(logits, model(text))
    assert logits.shape == (2, 30, V)
    assert state.ids.shape[1] <= 8
    one_by_one, state = [], None
    for step in range(30):
        step_logits, state = model.advance(text[:, step : step + 1], state)
        one_by_one.append(step_logits)
    torch.testing.assert_close(torch.cat(one_by_one, dim=1), logits)
    # After 8 tokens the last 4 are read again, so token 9 is foretold from tokens 5 to 9.
    torch.testing.assert_close(logits[:, 8], model(text[:, 4:9])[:, -1])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: recurrent_language(V, layers=0), "layers is out of range"),
        (lambda: recurrent_language(1), "vocabulary is out of range"),
        (lambda: recurrent_language(V, cell="lstn"), "Did you mean 'lstm'"),
        (lambda: recurrent_language(V, dropout=1.0), "probability in"),
        (lambda: window_language(V, window=0), "window is out of range"),
        (lambda: small_transformer(V, width=10, heads=4), "does not divide among the heads"),
        (lambda: small_transformer(V, width=12, heads=4), "even number of features"),
        (lambda: small_transformer(V, positions="rotory"), "Did you mean 'rotary'"),
        (lambda: window_language(V, window=3).read(ids(0), torch.ones(2, 2)), "cannot read on from this state"),
    ],
)
def test_what_cannot_be_built(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        build()
