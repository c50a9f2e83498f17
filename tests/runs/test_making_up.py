"""What is made up a part at a time: parts from seeds of their own, classes that go on, no more memory than a part takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError
from leadline.models import made_inputs, variational_autoencoder
from leadline.models.adversarial.adversarial_networks import dcgan
from leadline.runs.making_up import made_up, made_up_parts, shown_bytes

PICTURES = Schema(Pictures(8, 8, 1, "uint8", (127.5,), (127.5,)), Drawings(("a", "b", "c")))


class Told(nn.Module):
    """Makes up its seed, and keeps how many it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def generate(self, number: int, *, seed: int = 0) -> Tensor:
        self.asked.append(number)
        return torch.full((number, 2), float(seed))


def test_many_are_made_a_thousand_at_a_time_from_different_seeds() -> None:
    network, schema = Told(), Schema(Vectors((0.0, 0.0), (1.0, 1.0)), Drawings())
    rows = made_up(network, schema, 2500, seed=7)
    assert isinstance(rows, np.ndarray)
    assert rows.shape == (2500, 2)
    assert network.asked == [1000, 1000, 500]
    assert (rows[:1000] == 7).all(), "what fits into one part is as it was"
    assert len(np.unique(rows)) == 3
    assert np.array_equal(rows, made_up(network, schema, 2500, seed=7))
    network.asked.clear()
    next(made_up_parts(network, schema, 10**9, seed=7))
    assert network.asked == [1000]


class Classed(nn.Module):
    """Makes up the class that it is asked for."""

    classes = 3

    def generate(self, number: int, *, seed: int = 0, classes: Sequence[int] = ()) -> Tensor:
        assert len(classes) == number
        return torch.tensor(classes).float()[:, None]


def test_classes_go_on_from_one_part_to_the_next() -> None:
    schema = Schema(Vectors((0.0,), (1.0,)), Drawings(("a", "b", "c")))
    rows = made_up(Classed(), schema, 2100)
    assert isinstance(rows, np.ndarray)
    assert rows[:, 0].tolist() == [at % 3 for at in range(2100)]
    rows = made_up(Classed(), schema, 2100, classes=["c", "c", "a"])
    assert isinstance(rows, np.ndarray)
    assert rows[:, 0].tolist() == [2, 2, 0] * 700


def test_few_are_what_the_network_makes_of_the_seed() -> None:
    torch.manual_seed(0)
    pair = dcgan((1, 8, 8), classes=3, latent=4, width=4)
    restored = PICTURES.inputs.restored(made_inputs(pair, 300, seed=5))  # type: ignore[union-attr]
    assert np.array_equal(made_up(pair, PICTURES, 300, seed=5), restored)


def test_a_mistake_is_told_with_the_first_part() -> None:
    network = variational_autoencoder((1, 8, 8), hidden="4", code=2)
    for number, steps in ((0, None), (3, 5)):
        with pytest.raises(ArgumentError):
            next(made_up_parts(network, PICTURES, number, steps=steps))


def test_pictures_become_bytes_in_little_memory() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (4000, 16, 16, 1), dtype=np.uint8)
    tracemalloc.start()
    try:
        shown = shown_bytes(stored, PICTURES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(shown, stored)
    assert peak < 4 * stored.nbytes
