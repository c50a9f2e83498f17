"""Differentiable augmentation against plain loops over pictures, and the gradients that pass through it."""

from __future__ import annotations

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.models.adversarial.differentiable_changes import CHANGES, DRAWS, changed_pictures, named_changes


def given(count: int = 6, channels: int = 3, height: int = 16, width: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64) * 2 - 1
    return pictures, torch.rand(count, DRAWS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 3])
def test_colors_as_published(channels: int) -> None:
    pictures, draws = given(channels=channels)
    found = changed_pictures(pictures, draws, ("color",))
    for picture, draw, changed in zip(pictures, draws.tolist(), found, strict=True):
        expected = picture + draw[0] - 0.5
        if channels == 3:
            mean = expected.mean(dim=0, keepdim=True)
            expected = (expected - mean) * (draw[1] * 2) + mean
        middle = expected.mean()
        expected = (expected - middle) * (draw[2] + 0.5) + middle
        torch.testing.assert_close(changed, expected)


def test_shifts_are_whole_pixels_with_grey_behind() -> None:
    pictures, draws = given(count=400, channels=1, height=16, width=24)
    found = changed_pictures(pictures, draws, ("shift",))
    seen = set()
    for picture, draw, changed in zip(pictures[:, 0], draws.tolist(), found[:, 0], strict=True):
        down, right = int(draw[3] * 5) - 2, int(draw[4] * 7) - 3
        seen.add((down, right))
        for y in range(16):
            for x in range(0, 24, 5):
                inside = 0 <= y + down < 16 and 0 <= x + right < 24
                assert changed[y, x] == (picture[y + down, x + right] if inside else 0)
    assert {each[0] for each in seen} == set(range(-2, 3))
    assert {each[1] for each in seen} == set(range(-3, 4))


def test_the_window_is_half_of_each_side_around_its_middle() -> None:
    pictures, draws = given(channels=2)
    found = changed_pictures(pictures, draws, ("cutout",))
    for picture, draw, changed in zip(pictures, draws.tolist(), found, strict=True):
        top, left = int(draw[5] * 16) - 4, int(draw[6] * 24) - 6
        expected = picture.clone()
        expected[:, max(0, top) : top + 8, max(0, left) : left + 12] = 0
        assert torch.equal(changed, expected)


@pytest.mark.parametrize("change", CHANGES)
def test_gradients_pass(change: str) -> None:
    pictures, draws = given(count=2, height=6, width=6)
    pictures.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: changed_pictures(x, draws, (change,)), pictures)


def test_each_picture_is_changed_by_its_own_draws_alone() -> None:
    pictures, draws = given()
    whole = changed_pictures(pictures, draws, CHANGES)
    alone = changed_pictures(pictures[3:4], draws[3:4], CHANGES)
    torch.testing.assert_close(whole[3:4], alone)
    assert torch.equal(changed_pictures(pictures, draws, ()), pictures)


def test_words_are_read_in_their_order() -> None:
    assert named_changes(" cutout,color ") == ("color", "cutout")
    assert named_changes("") == ()
    with pytest.raises(ArgumentError, match="Did you mean 'cutout'"):
        named_changes("cutuot")
    with pytest.raises(ArgumentError, match="no text"):
        named_changes(None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="draws"):
        changed_pictures(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), ("color",))
