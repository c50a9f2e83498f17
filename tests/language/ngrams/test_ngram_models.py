"""N-gram models against plain dictionaries, and every way of asking them against the others."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngram_references import BEGIN, END, Gram, KneserNey

from leadline.errors import ArgumentError, DataError
from leadline.language import Mixture, NGramModel, NGramSettings, count_ngrams, fit_mixture, fit_ngrams, perplexities, smooth
from leadline.language.ngrams import ngram_models as module
from leadline.language.ngrams import ngram_smoothing as smoothing_module
from leadline.language.ngrams import ngram_training as training
from leadline.language.ngrams.ngram_smoothing import SMOOTHINGS, added_losses
from leadline.language.ngrams.ngram_storage import MEMORY

V, END_ID = 7, 2
texts = st.lists(st.integers(1, V - 1), min_size=8, max_size=60)


def zipf(count: int, *, seed: int = 0, words: int = 40) -> np.ndarray:
    """A text whose words differ in frequency as those of a language do, with ends of lines, number 2."""
    draw = np.random.default_rng(seed)
    return np.minimum(draw.zipf(1.4, count), words - 3).astype(np.int64) + 1


def asked(past: list[int], boundary: int | None) -> Gram:
    """What the reference knows of some tokens: those since the last boundary."""
    if boundary is None:
        return tuple(past)
    if boundary in past:
        past = past[len(past) - past[::-1].index(boundary) :]
    return (BEGIN, *past)


@pytest.mark.parametrize("boundary", [None, END_ID])
@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "kneser_ney"])
@settings(max_examples=25)
@given(text=texts, order=st.integers(1, 4))
def test_kneser_ney_is_that_of_the_paper(smoothing: str, boundary: int | None, text: list[int], order: int) -> None:
    if boundary is not None:
        text = [*text[: order + 2], *(token for token in text if token != boundary), boundary]
    try:
        model = fit_ngrams(np.array(text), V, boundary=boundary, settings=NGramSettings(order, smoothing)).model
    except DataError:
        return
    reference = KneserNey(text, V - 1, order, boundary, modified=smoothing.startswith("modified"))
    for past in ([], text[:1], text[:3], [6, 6, 6, 6]):
        found = np.exp(model.log_probabilities(np.array(past, np.int64)))
        for word in range(1, V):
            spelled = END if word == boundary else word
            assert found[word] == pytest.approx(reference.p(asked(past, boundary), spelled), rel=2e-6), (past, word)


def test_kneser_ney_is_that_of_the_paper_where_there_is_enough_for_three_discounts() -> None:
    text = zipf(4000)
    model, records = fit_ngrams(text, 40, order=3, boundary=END_ID)
    assert [record["note"] for record in records][1:] == ["", ""]
    reference = KneserNey(text.tolist(), 39, 3, END_ID, modified=True)
    assert records[2]["discounts"] == pytest.approx(reference.discounts[3][1:], abs=1e-6)
    other = zipf(300, seed=1)
    expected = []
    for at, word in enumerate(other.tolist()):
        expected.append(-math.log(reference.p(asked(other[:at].tolist(), END_ID), END if word == END_ID else word)))
    np.testing.assert_allclose(model.surprises(other), expected, rtol=3e-6)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("boundary", [None, END_ID])
@settings(max_examples=15)
@given(text=texts, order=st.integers(1, 4), past=st.lists(st.integers(1, V - 1), max_size=6))
def test_probabilities_sum_to_one(smoothing: str, boundary: int | None, text: list[int], order: int, past: list[int]) -> None:
    counts = count_ngrams(np.array([*text, 3, 4, 5, 6, 2, 2]), V, order=order, boundary=boundary)
    model = smooth(counts, smoothing, k=0.3).model
    log_p = model.log_probabilities(np.array(past, np.int64))
    assert log_p[0] == -math.inf
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(log_p[1:]).all()


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "kneser_ney", "katz"])
def test_probabilities_sum_to_one_where_rare_ngrams_are_left_out(smoothing: str) -> None:
    text = zipf(3000)
    whole = fit_ngrams(text, 40, boundary=END_ID, settings=NGramSettings(4, smoothing)).model
    model = fit_ngrams(text, 40, boundary=END_ID, settings=NGramSettings(4, smoothing, min_count=3)).model
    assert model.sizes[:2] == whole.sizes[:2]
    assert all(few < many for few, many in zip(model.sizes[2:], whole.sizes[2:], strict=True))
    for start in range(0, 200, 7):
        assert np.exp(model.log_probabilities(text[start : start + start % 5])).sum() == pytest.approx(1, abs=1e-6)
    counted = count_ngrams(text, 40, order=4, boundary=END_ID)
    assert model.sizes[3] == (counted.levels[3].counts >= 3).sum()
    kept = set(map(tuple, counted.words(3)[counted.levels[2].counts >= 3].tolist()))
    # The past of a triple is the place of a pair, whose code is two words.
    pairs, triples = model.levels[1].codes, np.divmod(model.levels[2].codes, 40)
    assert {(*divmod(int(pairs[place]), 40), word) for place, word in zip(*triples, strict=True)} == kept


def test_katz_discounts_by_good_and_turing() -> None:
    text = zipf(30_000, words=500)
    model, records = fit_ngrams(text, 500, boundary=END_ID, settings=NGramSettings(2, "katz"))
    counts = count_ngrams(text, 500, order=2, boundary=END_ID)
    pairs, came = counts.words(2), counts.levels[1].counts
    n = [int((came == times).sum()) for times in range(1, 7)]
    assert records[1]["note"] == ""
    first, once, most = 4, 0.0, 6
    while not once:  # the largest k for which Good and Turing's counts make sense
        most -= 1
        above = (most + 1) * n[most] / n[0]
        ratios = [((r + 1) * n[r] / n[r - 1] / r - above) / (1 - above) for r in range(1, most + 1)]
        once = ratios[0] if all(0 < ratio <= 1 for ratio in ratios) else 0.0
    assert most >= 3
    total = came[pairs[:, 0] == first].sum()
    for _, word in pairs[(pairs[:, 0] == first) & (came == 1)].tolist():
        assert math.exp(model.query(word, [first])) == pytest.approx(once / total, rel=1e-5)
    for _, word in pairs[(pairs[:, 0] == first) & (came > 5)].tolist():
        often = came[(pairs[:, 0] == first) & (pairs[:, 1] == word)].item()
        assert math.exp(model.query(word, [first])) == pytest.approx(often / total, rel=1e-5)
    # What never came is foretold in proportion to single words.
    never = sorted(set(range(1, 500)) - set(pairs[pairs[:, 0] == first][:, 1].tolist()))[:2]
    pair, single = ([model.query(word, past) for word in never] for past in ([first], []))
    assert pair[0] - pair[1] == pytest.approx(single[0] - single[1], abs=1e-5)


def test_add_k_is_its_formula_and_its_k_is_chosen_on_other_text() -> None:
    text, other = zipf(2000), zipf(500, seed=1)
    counts = count_ngrams(text, 40, order=2, boundary=END_ID)
    model = smooth(counts, "add_k", k=0.25).model
    pairs, came = counts.words(2), counts.levels[1].counts
    total = came[pairs[:, 0] == 3].sum()
    for word in range(1, 40):
        count = came[(pairs[:, 0] == 3) & (pairs[:, 1] == word)].sum()
        assert math.exp(model.query(word, [3])) == pytest.approx((count + 0.25) / (total + 0.25 * 39), rel=1e-5)
    fitted = fit_ngrams(text, 40, boundary=END_ID, settings=NGramSettings(2, "add_k"), valid=other)
    losses = [smooth(counts, "add_k", k=k).model.surprises(other).mean() for k in (1.0, 0.1, 0.01, fitted.records[-1]["k"])]
    assert losses[-1] == min(losses) == pytest.approx(fitted.records[-1]["valid_loss"])


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("boundary", [None, END_ID])
@pytest.mark.parametrize("memory", [MEMORY, 64 * 300])
def test_the_losses_by_which_k_is_chosen_are_those_of_the_models(
    order: int, boundary: int | None, memory: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text, other, amounts = zipf(2000), np.append(zipf(300, seed=1), [39, 39, 3]), [1.0, 0.1, 1e-3]
    counts = count_ngrams(text, 40, order=order, boundary=boundary, memory=memory, folder=tmp_path)
    losses = [smooth(counts, "add_k", k=k).model.surprises(other).mean() for k in amounts]
    assert added_losses(counts, other, amounts) == pytest.approx(losses, rel=1e-6)
    monkeypatch.setattr(smoothing_module, "_SLICE", 97)
    assert added_losses(counts, other, amounts) == pytest.approx(losses, rel=1e-6)


def test_counts_are_smoothed_once_when_k_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    smoothed = []
    monkeypatch.setattr(training, "smooth", lambda *given, **chosen: smoothed.append(chosen["k"]) or smooth(*given, **chosen))
    fit = fit_ngrams(zipf(500), 40, settings=NGramSettings(2, "add_k"), valid=zipf(100, seed=1))
    assert smoothed == [fit.records[-1]["k"]]


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("boundary", [None, END_ID])
@settings(max_examples=15)
@given(text=texts, other=st.lists(st.integers(1, V - 1), min_size=1, max_size=20), order=st.integers(1, 4))
def test_all_ways_of_asking_agree(smoothing: str, boundary: int | None, text: list[int], other: list[int], order: int) -> None:
    model = smooth(count_ngrams(np.array([*text, 3, 4, 5, 6, 2]), V, order=order, boundary=boundary), smoothing).model
    surprises = model.surprises(np.array(other))
    rows = [model.log_probabilities(np.array(other[:at], np.int64))[word] for at, word in enumerate(other)]
    np.testing.assert_allclose(-surprises, rows, rtol=1e-6)
    state, steps = model.begin(), []
    for word in other:
        log_p, state = model.step(state, word)
        steps.append(log_p)
    np.testing.assert_allclose(-surprises, steps, rtol=1e-6)
    pasts = [[*([boundary] if boundary is not None else []), *other[:at]] for at in range(len(other))]
    np.testing.assert_allclose(
        -surprises, [model.query(word, past) for word, past in zip(other, pasts, strict=True)], rtol=1e-6
    )
    contexts = np.array([[0] * (len(other) + 1 - len(past)) + past for past in pasts])
    np.testing.assert_allclose(-surprises, model.query_batch(np.array(other), contexts), rtol=1e-6)


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "add_k"])
@pytest.mark.parametrize("boundary", [None, END_ID])
def test_slices_and_compiled_code_change_no_bit(smoothing: str, boundary: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = smooth(count_ngrams(zipf(3000), 40, order=4, boundary=boundary), smoothing).model
    other = zipf(1000, seed=1)
    whole, lengths = model.looked_up(other)
    monkeypatch.setattr(module, "_SLICE", 97)
    in_slices, _ = model.looked_up(other)
    np.testing.assert_array_equal(in_slices, whole)
    assert not model._slots
    monkeypatch.setattr(module, "_MANY", 1)
    compiled, again = model.looked_up(other)
    assert model._slots, "the compiled look-up was not taken"
    np.testing.assert_array_equal(compiled, whole)
    np.testing.assert_array_equal(again, lengths)
    batch = model.query_batch(other[3:], np.stack([other[:-3], other[1:-2], other[2:-1]], axis=1))
    fresh = NGramModel(model.levels, 40, boundary=boundary, backs_off=model.backs_off)
    monkeypatch.setattr(module, "_MANY", 10**9)
    np.testing.assert_array_equal(batch, fresh.query_batch(other[3:], np.stack([other[:-3], other[1:-2], other[2:-1]], axis=1)))


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "add_k"])
def test_many_single_questions_are_prepared_for_and_answered_alike(smoothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = smooth(count_ngrams(zipf(3000), 40, order=4, boundary=END_ID), smoothing).model
    other = zipf(400, seed=1).tolist()

    def steps() -> list[float]:
        state, found = model.begin(), []
        for word in other:
            log_p, state = model.step(state, word)
            found.append(log_p)
        return found

    before = steps()
    assert all(table.starts is None for table in model._tables)
    monkeypatch.setattr(module, "_SLICE", 97)
    model._often = model._asked + 1
    assert steps() == before
    for table, below, level in zip(model._tables, model.levels, model.levels[1:], strict=False):
        assert table.starts is not None, "nothing was prepared"
        pasts = level.codes // 40
        assert table.starts.tolist() == [int((pasts < past).sum()) for past in range(len(below.codes) + 1)]
        assert table.starts.itemsize == 4, "what is prepared takes more memory than it has to"
    assert steps() == before
    np.testing.assert_allclose(-model.surprises(np.array(other)), before, rtol=1e-6)


def test_the_longest_match_is_told() -> None:
    model = fit_ngrams(np.array([3, 4, 5, 3, 4, 6]), V, order=3).model
    assert model.looked_up(np.array([3, 4, 5, 5, 4]))[1].tolist() == [1, 2, 3, 1, 1]


def test_perplexity_without_the_unknown_word_and_the_ends() -> None:
    ids, surprises = np.array([3, 1, END_ID, 4, END_ID]), np.log([2.0, 64.0, 2.0, 4.0, 2.0])
    found = perplexities(surprises, ids, boundary=END_ID)
    assert found.all_tokens == pytest.approx(2 ** ((1 + 6 + 1 + 2 + 1) / 5))
    assert found.known_tokens == pytest.approx(2 ** (5 / 4))
    assert found.words == pytest.approx(2 ** (5 / 2))
    assert (found.tokens, found.unknown, found.ends) == (5, 1, 2)
    assert math.isnan(perplexities(surprises[:0], ids[:0]).all_tokens)


def test_it_is_mixed_with_another_model() -> None:
    text, other = (np.where(np.roll(each, 1) % 3 == 0, 5, each) for each in (zipf(3000), zipf(800, seed=1)))
    models = [fit_ngrams(text, 40, order=order, boundary=END_ID).model for order in (1, 3)]
    surprises = np.stack([model.surprises(other) for model in models], axis=1)
    weights = fit_mixture(surprises)
    mixed = Mixture(models, weights.tolist())
    assert 0.01 < weights[0] < 0.99
    assert mixed.surprises(other).mean() < surprises.mean(axis=0).min()
    assert np.exp(mixed.log_probabilities(other[:5])).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("word", [-1, V, 99])
def test_numbers_of_another_vocabulary_are_refused(word: int) -> None:
    model = fit_ngrams(np.array([3, 4, 5]), V, order=2).model
    for ask in (
        lambda: model.surprises(np.array([3, word])),
        lambda: model.log_probabilities(np.array([word])),
        lambda: model.query(word, [3]),
        lambda: model.query(3, [word]),
        lambda: model.step((), word),
        lambda: model.query_batch(np.array([3]), np.array([[word]])),
    ):
        with pytest.raises(ArgumentError, match="numbers of another vocabulary"):
            ask()


def test_a_text_is_one_row_of_whole_numbers() -> None:
    model = fit_ngrams(np.array([3, 4, 5]), V, order=2).model
    with pytest.raises(ArgumentError, match="asked for token numbers. Expected whole numbers; got float64"):
        model.surprises(np.array([3.0, 4.0]))
    with pytest.raises(ArgumentError, match="one row of token numbers"):
        model.surprises(np.array([[3, 4]]))


def test_a_large_model_is_not_prepared_for_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = fit_ngrams(zipf(3000), 40, order=4).model, zipf(100, seed=1)
    expected = model.surprises(other)
    monkeypatch.setattr(module, "_MANY", 1)
    for name, value in (("_GRAMS_A_TOKEN", 1), ("MEMORY", 1000)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            np.testing.assert_array_equal(model.surprises(other), expected)
            assert not model._slots, f"{name} was not kept to"
    model.surprises(other)
    assert model._slots


def test_a_model_that_is_too_large_is_not_prepared_for_single_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = fit_ngrams(zipf(3000), 40, order=4).model, zipf(2100, seed=1)
    monkeypatch.setattr(module, "MEMORY", 4 * sum(len(level.codes) for level in model.levels[:-1]))
    state, found = model.begin(), []
    for word in other.tolist():
        log_p, state = model.step(state, word)
        found.append(log_p)
    assert all(table.starts is None for table in model._tables)
    np.testing.assert_allclose(found, -model.surprises(other), rtol=1e-6)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_that_was_asked_is_copied(copied: Callable[[NGramModel], NGramModel]) -> None:
    model = smooth(count_ngrams(zipf(3000), 40, order=3, boundary=END_ID), "add_k").model
    again, other = copied(model), zipf(50, seed=1)
    np.testing.assert_array_equal(again.surprises(other), model.surprises(other))
    assert again.query(4, [END_ID, 3]) == model.query(4, [END_ID, 3])


def test_a_batch_that_does_not_fit_its_contexts_is_refused() -> None:
    with pytest.raises(ArgumentError, match="do not fit their contexts"):
        fit_ngrams(np.array([3, 4, 5]), V, order=2).model.query_batch(np.array([3, 4]), np.array([[3]]))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"order": 0}, "order of an n-gram model is out of range"),
        ({"smoothing": "katzz"}, "Did you mean 'katz'"),
        ({"k": -1.0}, "k of add-k is out of range"),
        ({"k": 0.5}, "Only add-k has a k"),
        ({"min_count": 0}, "minimum count is out of range"),
        ({"smoothing": "add_k", "min_count": 2}, "leaves no n-gram out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chosen: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        NGramSettings(**chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("minimum", [(2, 1), (0,)])
def test_minimum_counts_that_fall_are_refused(minimum: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="minimum counts cannot be kept to"):
        smooth(count_ngrams(np.array([3, 4, 5]), V, order=2), minimum_counts=minimum)


def test_add_k_has_no_minimum_counts() -> None:
    with pytest.raises(ArgumentError, match="Add-k leaves no n-gram out"):
        smooth(count_ngrams(np.array([3, 4, 5]), V, order=2), "add_k", minimum_counts=[2])


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("text", [[3] * 9, [3, END_ID] * 4, [END_ID] * 5, [3, 4]])
def test_a_vocabulary_of_one_word_and_tiny_texts_work(smoothing: str, text: list[int]) -> None:
    for boundary in (None, END_ID):
        counts = count_ngrams(np.array(text), V, order=2, boundary=boundary)
        model, records = smooth(counts, smoothing, k=0.1)
        assert np.exp(model.log_probabilities(np.array(text[:1]))).sum() == pytest.approx(1, abs=1e-6)
        assert np.isfinite(model.surprises(np.array([3, 4, 5, 6, 1, 2]))).all()
        if "kneser" in smoothing:
            assert "too few" in records[1]["note"]
