"""Networks for texts: tf-idf against scikit-learn, means against a loop, and no network sees padding or its neighbors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.ngrams import hashed_ngrams
from leadline.models.embedding_averages import AveragedEmbeddings, averaged_embeddings
from leadline.models.text_convnets import TextConvnet, text_convnet
from leadline.models.tfidf_networks import TfidfLinear, learn_frequencies, tfidf_linear

WORDS, OUTPUTS = 30, 3
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "tfidf_linear": tfidf_linear,
    "averaged_embeddings": averaged_embeddings,
    "text_convnet": text_convnet,
}
TEXTS = st.lists(st.lists(st.integers(1, WORDS - 1), min_size=1, max_size=12), min_size=2, max_size=5)


def padded(rows: list[list[int]], more: int = 0) -> torch.Tensor:
    longest = max(map(len, rows)) + more
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = BUILDERS[name]((12,), OUTPUTS, vocabulary=WORDS)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    if hasattr(network, "vectors"):
        nn.init.zeros_(network.vectors.weight[0])  # type: ignore[index]
    return network.double().eval()


@pytest.mark.parametrize("name", BUILDERS)
@given(rows=TEXTS, more=st.integers(0, 9))
def test_padding_and_neighbors_change_nothing(name: str, rows: list[list[int]], more: int) -> None:
    network = made(name)
    together = network(padded(rows, more))
    alone = torch.cat([network(torch.tensor([row])) for row in rows])
    assert torch.allclose(together, alone)


@pytest.mark.parametrize("ngrams", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_tfidf_is_that_of_scikit_learn(ngrams: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [random.integers(1, 8, random.integers(1, 15)).tolist() for _ in range(12)]
    texts = [" ".join(f"w{word}" for word in row) for row in rows]
    right = TfidfVectorizer(ngram_range=(1, ngrams), sublinear_tf=True, token_pattern=r"\S+").fit_transform(texts).toarray()
    layer = TfidfLinear(10, 2, ngrams=ngrams, buckets=2**21).double()
    layer.learn_frequencies(padded(part) for part in (rows[:5], rows[5:]))
    features, values = layer.values(padded(rows))
    dense = torch.zeros(len(rows), len(layer.idf), dtype=torch.float64).scatter_add_(1, features, values.double())
    assert np.allclose(dense @ dense.T, right @ right.T, atol=1e-9)
    nn.init.normal_(layer.weight)
    assert torch.allclose(layer(padded(rows)), dense @ layer.weight + layer.bias)


def test_a_mean_is_over_words_and_word_pairs() -> None:
    network = AveragedEmbeddings(WORDS, OUTPUTS, width=5, ngrams=2, buckets=64)
    row = [3, 9, 3, 4]
    features = hashed_ngrams(torch.tensor([row]), 2, first=WORDS, buckets=64)[0]
    assert len(features) == 7
    mean = network.vectors.weight[features].mean(0)
    assert torch.allclose(network(torch.tensor([row])), network.head(mean)[None], atol=1e-6)


def test_a_filter_answers_with_its_largest() -> None:
    network = TextConvnet(WORDS, OUTPUTS, embedding=4, filters=2, widths=(2,), dropout=0).eval()
    row = torch.tensor([7, 8, 9])
    vectors = torch.cat([torch.zeros(1, 4), network.vectors(row)])
    convolution = network.convolutions[0]
    weight, bias = convolution.weight, convolution.bias  # [2, 4, 2]
    seen = [torch.einsum("fek,ke->f", weight, vectors[at : at + 2]) + bias for at in range(3)]  # type: ignore[operator, arg-type]
    right = network.head(torch.stack(seen).relu().amax(0))
    assert torch.allclose(network(row[None])[0], right, atol=1e-6)


def test_only_tfidf_layers_look_at_the_training_texts() -> None:
    batches = [(torch.tensor([[1, 2], [1, 3]]), None)]
    network, other = nn.Sequential(tfidf_linear((2,), 2, vocabulary=5, ngrams=1)), nn.Linear(2, 2)
    learn_frequencies(network, batches)
    learn_frequencies(other, batches)
    assert network[0].idf[1] < network[0].idf[2] < network[0].idf[4]  # type: ignore[index, operator]


@pytest.mark.parametrize("name", BUILDERS)
def test_every_weight_that_is_used_has_a_gradient(name: str) -> None:
    network = made(name).train()
    loss = network(padded([[1, 2, 3], [4, 5, 6, 7]])).square().sum()
    loss.backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert bool(parameter.grad.isfinite().all())
        assert float(parameter.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", BUILDERS)
def test_it_learns_a_word_that_decides(name: str) -> None:
    torch.manual_seed(1)
    ids = torch.randint(2, WORDS, (200, 10))
    targets = torch.arange(200) % 2
    ids[targets == 1, 4] = 1
    network = BUILDERS[name]((10,), 2, vocabulary=WORDS)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(ids), targets).backward()
        optimizer.step()
    assert float((network.eval()(ids).argmax(1) == targets).float().mean()) > 0.98


@pytest.mark.parametrize(
    "build",
    [
        lambda: tfidf_linear((5,), 2, vocabulary=0),
        lambda: averaged_embeddings((5,), 2, vocabulary=9, dropout=1.0),
        lambda: text_convnet((5,), 2, vocabulary=9, widths=(0,)),
        lambda: averaged_embeddings((5,), 2, vocabulary=9, buckets=12)(torch.ones(1, 3).long()),
        lambda: text_convnet((5,), 2, vocabulary=9)(torch.ones(2, 3)),
    ],
)
def test_what_cannot_be_built_or_read_is_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ArgumentError):
        build()
