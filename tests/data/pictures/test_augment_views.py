import numpy as np
import pytest
import torch

from leadline import data
from leadline.data import Batches, Dataset
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.augment_views import augmented_views, rows_of_each_class
from leadline.errors import ArgumentError

EVERY = Augment(flip="alternating", shift=0.2, contrast=0.2, saturation=0.3, cutout=0.3, mixup=0.4, cutmix=1.0)


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    random = np.random.default_rng(0)
    return data.load(random.integers(0, 256, (60, 7, 9, 3), dtype=np.uint8), np.arange(60) % 3)


@pytest.mark.parametrize("augment", [EVERY, Augment(rotate=20)])
def test_views_are_what_the_training_is_shown(pictures: Dataset, augment: Augment) -> None:
    rows = [0, 5, 17, 41]
    views = augmented_views(pictures, augment, rows=rows, epochs=3, batch_size=16, seed=4)
    batches = Batches(pictures.train, pictures.schema, 16, seed=4, shuffle=True, augment=augment)
    inputs = pictures.schema.inputs
    for epoch in range(3):
        order = batches.order(epoch).tolist()
        parts = list(batches.epoch(epoch))
        seen = torch.cat([part for part, _ in parts]).permute(0, 2, 3, 1).numpy() * inputs.std + inputs.mean  # type: ignore[union-attr]
        for view in views:
            assert np.allclose(view.after[epoch], seen[order.index(view.row)], atol=1e-3)
            if augment.mixes:
                targets = torch.cat([targets for _, targets in parts])[order.index(view.row)]
                classes = [int(pictures.train.targets[row]) for row in (view.row, view.partner[epoch])]
                expected = torch.zeros(3)
                expected[classes[0]] += view.own[epoch]
                expected[classes[1]] += 1 - view.own[epoch]
                assert torch.allclose(targets, expected, atol=1e-6)
            else:
                assert view.own[epoch] == 1
    assert all(np.array_equal(view.before, pictures.train.inputs[view.row]) for view in views)


def test_the_partner_of_the_first_in_a_short_last_batch_is_its_last(pictures: Dataset) -> None:
    order = Batches(pictures.train, pictures.schema, 16, seed=0, shuffle=True).order(0).tolist()
    assert len(order) == 42
    first, last = order[32], order[41]
    (view,) = augmented_views(pictures, EVERY, rows=[first], epochs=1, batch_size=16)
    assert view.partner == (last,)


def test_shades_fill_the_range_of_what_is_stored() -> None:
    random = np.random.default_rng(0)
    few = data.load(random.integers(0, 17, (30, 5, 5, 1), dtype=np.uint8), np.arange(30) % 2)
    (view,) = augmented_views(few, Augment(brightness=3.0), rows=[3], epochs=4, batch_size=0)
    assert view.shades.shape == (5, 5, 5, 1)
    assert view.shades.dtype == np.uint8
    assert (view.shades[0].min(), view.shades[0].max()) == (0, 255)


def test_rows_of_each_class_come_in_turn(pictures: Dataset) -> None:
    rows = rows_of_each_class(pictures, 7)
    assert [int(pictures.train.targets[row]) for row in rows] == [0, 1, 2, 0, 1, 2, 0]
    assert len(set(rows)) == 7
    shaded = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(5, axis=1).repeat(5, axis=2)
    numbers = data.load(shaded, np.arange(20) / 3)
    assert rows_of_each_class(numbers, 3) == [0, 1, 2]


def test_rows_of_numbers_have_no_views() -> None:
    vectors = data.load(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2)
    with pytest.raises(ArgumentError, match="Only pictures can be augmented"):
        augmented_views(vectors, Augment(shift=0.1), rows=[0], epochs=1, batch_size=8)


@pytest.mark.parametrize(("rows", "epochs"), [([], 2), ([0], 0), ([42], 1), ([-1], 1)])
def test_rows_and_epochs_that_do_not_exist(pictures: Dataset, rows: list[int], epochs: int) -> None:
    with pytest.raises(ArgumentError, match="rows from 0 to 41, and at least one epoch"):
        augmented_views(pictures, EVERY, rows=rows, epochs=epochs, batch_size=8)
