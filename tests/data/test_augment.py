import math

import pytest
import torch
from torch.nn import functional as F

from leadline.data.augment import Augment, uniform
from leadline.errors import ArgumentError

ROWS = torch.arange(64)


def split_mix(value: int) -> int:
    """SplitMix64 in Python's own unbounded integers."""
    mask = (1 << 64) - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def test_draws_equal_the_hash_in_plain_integers() -> None:
    draws = uniform(7, 3, torch.tensor([0, 5, 123456]), 4)
    for row, number in enumerate([0, 5, 123456]):
        state = split_mix((split_mix((split_mix(7) + 3) % 2**64) + number) % 2**64)
        for lane in range(4):
            assert draws[row, lane].item() == (split_mix((state + lane) % 2**64) >> 40) / 2**24


def test_draws_are_uniform_and_uncorrelated() -> None:
    draws = uniform(0, 1, torch.arange(20_000), 3).double()
    assert (draws.mean(0) - 0.5).abs().max() < 0.01
    assert (draws.var(0) * 12 - 1).abs().max() < 0.03
    assert (torch.corrcoef(draws.T) - torch.eye(3)).abs().max() < 0.03
    assert 0 <= draws.min() <= draws.max() < 1


def test_a_row_is_changed_the_same_way_in_any_batch() -> None:
    pictures = torch.randn(64, 1, 9, 9)
    augment = Augment(flip=True, shift=0.2, rotate=20, zoom=0.2, brightness=0.3, contrast=0.3)
    whole = augment(pictures, 1, 2, ROWS)
    part = augment(pictures[10:13], 1, 2, ROWS[10:13])
    torch.testing.assert_close(part, whole[10:13])
    assert not torch.allclose(whole, augment(pictures, 1, 3, ROWS))
    assert not torch.allclose(whole, augment(pictures, 2, 2, ROWS))


def test_a_flip_mirrors_about_half_of_the_pictures_exactly() -> None:
    pictures = torch.randn(64, 2, 6, 7)
    changed = Augment(flip=True)(pictures, 0, 0, ROWS)
    mirrored = [torch.allclose(changed[at], pictures[at].flip(-1), atol=1e-5) for at in range(64)]
    same = [torch.allclose(changed[at], pictures[at], atol=1e-5) for at in range(64)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 18 <= sum(mirrored) <= 46


def test_a_rotation_keeps_its_angle_in_pictures_that_are_not_square() -> None:
    """A dot at a known place goes where trigonometry sends it."""
    height, width = 41, 61
    rows = torch.tensor([4])
    angle = (uniform(0, 0, rows, 7)[0, 1] * 2 - 1).item() * math.radians(40)
    picture = torch.zeros(1, 1, height, width)
    x, y = 14.0, 6.0  # from the middle, right and down
    picture[0, 0, height // 2 + int(y), width // 2 + int(x)] = 1
    turned = Augment(rotate=40)(F.avg_pool2d(picture, 3, 1, 1), 0, 0, rows)[0, 0]
    mass = turned / turned.sum()
    down = (mass.sum(1) * torch.arange(height)).sum() - height // 2
    right = (mass.sum(0) * torch.arange(width)).sum() - width // 2
    # The map goes from output to input, so the picture turns the other way.
    expected = (math.cos(angle) * x + math.sin(angle) * y, -math.sin(angle) * x + math.cos(angle) * y)
    assert right.item() == pytest.approx(expected[0], abs=0.25)
    assert down.item() == pytest.approx(expected[1], abs=0.25)


def test_shifts_stay_within_their_share() -> None:
    picture = torch.zeros(64, 1, 20, 20)
    picture[:, :, 10, 10] = 1
    changed = Augment(shift=0.1)(picture, 0, 0, ROWS)[:, 0]
    centre = (changed.sum(2) * torch.arange(20)).sum(1) / changed.sum((1, 2))
    assert (centre - 10).abs().max() <= 2.01
    assert (centre - 10).abs().max() > 1


@pytest.mark.parametrize("options", [{"shift": 1.0}, {"zoom": -0.1}, {"rotate": -1.0}, {"contrast": 2.0}])
def test_strengths_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        Augment(**options)
