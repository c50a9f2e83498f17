import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from leadline.data.pictures.augment import Augment, whole_steps
from leadline.data.pictures.augment_draws import uniform
from leadline.data.pictures.augment_moves import crop_windows
from leadline.errors import ArgumentError

ROWS = torch.arange(64)


COLOURS = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "cutout": 0.3}
KINDS = [
    {"flip": True, "shift": 0.2, "rotate": 20.0, "zoom": 0.2, "crop": 0.5, **COLOURS},
    {"flip": "alternating", "shift": 0.2, "edge": "reflect"},
    *({name: 0.3} for name in ("shift", "rotate", "zoom", "crop", *COLOURS)),
    {"flip": True},
]


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(kinds) if len(kinds) < 3 else "most")
def test_a_row_is_changed_the_same_way_in_any_batch(kinds: dict[str, Any]) -> None:
    pictures, augment = torch.randn(64, 3, 9, 9), Augment(**kinds)
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


def test_alternating_flips_take_turns_from_a_random_side() -> None:
    pictures = torch.randn(400, 1, 4, 6)
    rows = torch.arange(400)
    augment = Augment(flip="alternating")
    shown = [augment(pictures, 5, epoch, rows) for epoch in range(4)]
    assert torch.equal(shown[0], shown[2])
    assert torch.equal(shown[1], shown[3])
    assert torch.equal(shown[0].flip(3), shown[1])
    assert torch.equal(shown[0], Augment(flip=True)(pictures, 5, 0, rows)), "the first epoch is that of random flips"
    first = [bool(torch.equal(one, other)) for one, other in zip(shown[0], pictures, strict=True)]
    assert 160 <= sum(first) <= 240


@pytest.mark.parametrize(("share", "most"), [(0.25, 2), (0.2, 2), (0.01, 1)])
def test_shifts_alone_are_whole_pixels_and_all_equally_often(share: float, most: int) -> None:
    picture = torch.zeros(3000, 1, 8, 8)
    picture[:, :, 4, 3] = 1
    changed = Augment(shift=share)(picture, 0, 0, torch.arange(3000))[:, 0]
    assert set(changed.unique().tolist()) == {0.0, 1.0}
    counts = changed.sum(0)[4 - most : 5 + most, 3 - most : 4 + most]
    assert counts.sum() == 3000
    expected = 3000 / (2 * most + 1) ** 2
    assert (counts - expected).abs().max() < 5 * expected**0.5


def test_whole_steps_have_the_nearest_whole_number_as_their_farthest() -> None:
    draws = torch.linspace(0, 1 - 2**-24, 1000)
    for farthest, most in ((0.0, 0), (0.2, 1), (2.4, 2), (2.6, 3)):
        assert whole_steps(draws, farthest).unique().tolist() == list(range(-most, most + 1))


def test_a_crop_shows_a_part_of_the_picture_enlarged() -> None:
    """Each pixel of a picture that says where it is: the cropped one spans its window."""
    height, width = 40, 60
    y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height)[:, None].expand(height, width)
    x = torch.linspace(-1 + 1 / width, 1 - 1 / width, width)[None, :].expand(height, width)
    place = torch.stack([y, x]).expand(64, 2, height, width)
    shown = Augment(crop=0.3)(place, 0, 0, ROWS)
    tall = (shown[:, 0, -1, 0] - shown[:, 0, 0, 0]) / (2 - 2 / height)
    wide = (shown[:, 1, 0, -1] - shown[:, 1, 0, 0]) / (2 - 2 / width)
    area = tall * wide
    assert area.min() > 0.29
    assert area.max() <= 1.001
    assert area.std() > 0.1
    torch.testing.assert_close(shown[:, 0].std(2).max(), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_a_crop_of_a_turned_picture_is_turned_about_its_own_middle() -> None:
    """Crop, turn and mirror as one map: the product of the three, each by itself a matrix."""
    rows, kinds = torch.tensor([3]), {"crop": 0.4, "rotate": 30.0, "flip": True}
    draws = uniform(0, 0, rows, 21)
    picture = torch.zeros(1, 1, 20, 20)
    found = Augment(**kinds)._maps(draws, torch.tensor([True]), picture)[0]  # type: ignore[arg-type]
    half, middle = (each[0] for each in crop_windows(0.4, draws[:, 10:14]))
    angle = (draws[0, 1].item() * 2 - 1) * math.radians(30)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    crop = torch.tensor([[half[0], 0.0, middle[0]], [0.0, half[1], middle[1]], [0.0, 0.0, 1.0]])
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    torch.testing.assert_close(found, (turn @ crop @ mirror)[:2])


def test_colours_change_by_the_formula_of_each() -> None:
    pictures = torch.randn(64, 3, 5, 5, dtype=torch.float32)
    draws = uniform(2, 1, ROWS, 21)[:, :, None, None, None] * 2 - 1
    brighter = Augment(brightness=0.4)(pictures, 2, 1, ROWS)
    torch.testing.assert_close(brighter, pictures + 0.4 * draws[:, 6])
    torch.testing.assert_close(Augment(contrast=0.4)(pictures, 2, 1, ROWS), pictures * (1 + 0.4 * draws[:, 5]))
    grey = pictures.mean(1, keepdim=True)
    expected = grey + (pictures - grey) * (1 + 0.4 * draws[:, 7])
    torch.testing.assert_close(Augment(saturation=0.4)(pictures, 2, 1, ROWS), expected)


def test_cutout_fills_one_square_with_the_mean() -> None:
    pictures = torch.ones(2000, 2, 10, 16)
    changed = Augment(cutout=0.4)(pictures, 0, 0, torch.arange(2000))
    assert torch.equal(changed[:, 0], changed[:, 1])
    cut = changed[:, 0] == 0
    areas = cut.sum((1, 2))
    assert areas.max() == 16
    assert (areas == 16).float().mean() == pytest.approx((10 - 3) / 10 * (16 - 3) / 16, abs=0.04)  # wholly inside
    assert cut.float().mean(0).min() > 0.02, "every pixel has its turn"


@pytest.mark.parametrize("edge", ["repeat", "reflect", "mean"])
def test_what_is_seen_outside(edge: str) -> None:
    picture = torch.arange(1.0, 9.0).view(1, 1, 1, 8).expand(64, 1, 8, 8)
    changed = Augment(shift=0.4, edge=edge)(picture, 0, 0, ROWS)
    left = [row[0, 0, 0].item() for row in changed if row[0, 0, 3].item() == 2.0]  # moved by 2 to the right
    assert left
    assert set(left) == {{"repeat": 1.0, "reflect": 2.0, "mean": 0.0}[edge]}


@pytest.mark.parametrize(
    "options",
    [
        {"shift": 1.0},
        {"zoom": -0.1},
        {"rotate": -1.0},
        {"contrast": 2.0},
        {"crop": 0.0},
        {"crop": 1.5},
        {"saturation": 1.0},
        {"cutout": math.nan},
        {"mixup": -1.0},
        {"cutmix": math.inf},
        {"shift": "a tenth"},
        {"mixup": None},
    ],
)
def test_strengths_out_of_range(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ArgumentError, match=f"augmentation {name} is out of range"):
        Augment(**options)


def test_words_that_are_no_choice() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'alternating'"):
        Augment(flip="alternate")
    with pytest.raises(ArgumentError, match="no way to flip 'true'. Expected True, False or \"alternating\""):
        Augment(flip="true")
    with pytest.raises(ArgumentError, match="Did you mean 'reflect'"):
        Augment(edge="reflection")


@pytest.mark.parametrize(
    "name", ["shift", "rotate", "zoom", "crop", "brightness", "contrast", "saturation", "cutout", "mixup", "cutmix"]
)
def test_each_strength_makes_it_active(name: str) -> None:
    augment = Augment(**{name: 0.5})  # type: ignore[arg-type]
    assert augment.active
    assert augment.mixes is (name in ("mixup", "cutmix"))
    assert not Augment(edge="reflect").active
