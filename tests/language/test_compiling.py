"""Compiled functions: kept where there is a place for it, and the same where there is none, it is full or cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import caching

from leadline.language.compiling import compiled
from leadline.language.ngrams.ngram_kernels import slot_kernel
from leadline.language.words import word2vec_draws
from leadline.language.words.word2vec_draws import BREAK, Reading


def one_more(number: int) -> int:
    return number + 1


def failing(error: OSError) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


FULL, UNREADABLE = OSError(28, "No space left on device"), PermissionError(13, "Permission denied")


@pytest.fixture(params=["full", "unreadable"])
def bad_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where code is kept, nothing can be written, or neither written nor read."""
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", failing(FULL))
    load = failing(UNREADABLE) if request.param == "unreadable" else lambda *_: None
    monkeypatch.setattr(caching.IndexDataCacheFile, "load", load)


@pytest.mark.usefixtures("bad_place")
def test_n_grams_are_looked_up_where_the_place_is_bad() -> None:
    codes, slots = np.array([3, 8, 9]), np.full(8, -1, np.int32)
    slot_kernel.__wrapped__()(codes, slots, 61)
    assert sorted(slots[slots >= 0].tolist()) == [0, 1, 2]


@pytest.mark.usefixtures("bad_place")
def test_words_are_drawn_where_the_place_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    # Anew, as what was called before is compiled already.
    monkeypatch.setattr(word2vec_draws, "mixed", compiled(word2vec_draws.mixed.py_func))
    drawn = compiled(word2vec_draws.sub_sampled.py_func)
    kept, reach = np.zeros(4, np.int32), np.zeros(4, np.int32)
    reading = Reading(boundary=0, window=1, negatives=1, skip_gram=True, seed=3)
    count = drawn(np.array([2, 0, 1], np.int32), 0, np.array([0, 1, 1], np.float32), reading, kept, reach)
    assert kept[:count].tolist() == [2, BREAK, 1]


@pytest.mark.usefixtures("bad_place")
def test_a_function_is_compiled_where_the_place_is_bad() -> None:
    assert (compiled(one_more)(2), compiled(one_more, ["int64"])(3)) == (3, 4)


def test_what_is_compiled_for_some_types_takes_no_others() -> None:
    assert compiled(one_more)(0.5) == 1.5
    only = compiled(one_more, ["int64"])
    assert (only(3), only.signatures) == (4, [(numba.types.int64,)])


def test_a_function_stays_plain_where_numba_is_told_not_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert compiled(one_more, ["int64"]) is one_more
