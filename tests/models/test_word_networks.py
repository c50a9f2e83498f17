"""The network of word2vec: what it answers, and settings that are refused alike by it and by the training."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.language.words.word2vec_settings import Word2vecSettings
from leadline.models.word_networks import WordNetwork, word2vec


def test_a_word_is_answered_with_its_vector() -> None:
    network = WordNetwork(7, 3)
    assert torch.equal(network(torch.tensor([[4], [2]])), network.vectors.weight[[4, 2]])
    assert not network.targets.weight.any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"method": "glove"}, "skip_gram"),
        ({"targets": "softmax"}, "hierarchical_softmax"),
        ({"width": 0}, "width.*1 to 10,000"),
        ({"width": 10_001}, "width.*1 to 10,000"),
        ({"window": True}, "window.*1 to 10,000"),
        ({"negatives": 10_001}, "negatives.*1 to 10,000"),
        ({"negatives": 2.5}, "negatives.*1 to 10,000"),
        ({"subsample": 1.0}, "subsample"),
        ({"subsample": -0.1}, "subsample"),
        ({"subsample": float("nan")}, "subsample"),
    ],
)
def test_what_is_refused_is_refused_by_both(settings: dict[str, Any], says: str) -> None:
    for make in (Word2vecSettings, lambda **given: word2vec(vocabulary=9, **given)):
        with pytest.raises(ArgumentError, match=says):
            make(**settings)
