"""The map of words: which words are on it, that neighbours stay together, and that too few make none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain.word_maps import word_map_png, words_to_map
from leadline.text.word_vectors import WordVectors


def named(count: int) -> list[str]:
    return ["word" + "".join(chr(97 + int(digit)) for digit in str(number)) for number in range(count)]


def test_the_very_commonest_and_short_words_are_passed_over() -> None:
    words = [",", "of", *named(100)]
    vectors = WordVectors(words, np.eye(len(words)))
    assert words_to_map(vectors, 20) == named(100)[60:80]
    assert words_to_map(vectors, 500) == named(100)
    assert words_to_map(WordVectors([",", "of"], np.eye(2))) == ["of"]


def test_it_is_a_picture_with_ink_of_several_colours() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(rng.normal(size=(4, 8)) * 4, 15, axis=0)
    png = word_map_png(WordVectors(named(60), groups + rng.normal(size=groups.shape)))
    assert png is not None
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    ink = picture[(picture.min(axis=1) < 200)]
    assert len(ink) > 500
    assert len(np.unique(ink // 64, axis=0)) >= 4


def test_too_few_words_or_words_all_alike_make_no_map() -> None:
    assert word_map_png(WordVectors(named(11), np.eye(11))) is None
    assert word_map_png(WordVectors(named(20), np.ones((20, 3)))) is None
    with pytest.raises(ArgumentError, match="at least 12"):
        word_map_png(WordVectors(named(20), np.eye(20)), count=3)
