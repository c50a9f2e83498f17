"""What the report shows of the data: pictures before and after, as the training was shown them."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from leadline import data
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.augment_views import augmented_views
from leadline.plan.record import TrainingPlan
from leadline.runs.examples import find_examples


def shades(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_the_first_epochs_are_shown_with_what_was_mixed_in() -> None:
    random = np.random.default_rng(0)
    rows = data.load(random.integers(0, 256, (80, 6, 6, 3), dtype=np.uint8), np.array(["cat", "dog"])[np.arange(80) % 2])
    training = TrainingPlan(batch=16, epochs=4, seed=3, augment=Augment(flip="alternating", shift=0.2, cutmix=1.0))
    values = np.full((len(rows.test), 2), 0.5)
    augmented = find_examples(rows, values, training)["augmented"]
    assert len(augmented) == 6
    ids = [rows.train.ids.index(row["id"]) for row in augmented]
    views = augmented_views(rows, training.augment, rows=ids, epochs=4, batch_size=16, seed=3)
    for row, view in zip(augmented, views, strict=True):
        assert np.array_equal(shades(row["before"]), view.shades[0])
        assert all(np.array_equal(shades(uri), after) for uri, after in zip(row["after"], view.shades[1:], strict=True))
        for text, own, other in zip(row["mixed"], view.own, view.partner, strict=True):
            name = ("cat", "dog")[int(rows.train.targets[other])]
            assert text == (f"{100 * (1 - own):.0f} % {name}" if own < 0.995 else "")
    assert any(text for row in augmented for text in row["mixed"])


def test_nothing_is_shown_where_nothing_is_changed() -> None:
    rows = data.load(np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1), dtype=np.uint8), np.arange(60) % 2)
    values = np.full((len(rows.test), 2), 0.5)
    training = dataclasses.replace(TrainingPlan(), augment=Augment())
    assert "augmented" not in find_examples(rows, values, training)
