import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from leadline.data.pictures.augment_moves import EDGES, crop_windows, moved, sampled, window_mask

NUMPY_PADDING = {"repeat": "edge", "reflect": "symmetric", "mean": "constant"}


def in_numpy(picture: np.ndarray, down: int, right: int, mirrored: bool, edge: str) -> np.ndarray:
    """Mirror, pad, and cut out again: the way that recipes describe it."""
    picture = picture[:, :, ::-1] if mirrored else picture
    # Seen through a mirror, what lies to the right comes from the left.
    right = -right if mirrored else right
    height, width = picture.shape[1:]
    margin = max(abs(down), abs(right))
    padded = np.pad(picture, ((0, 0), (margin, margin), (margin, margin)), NUMPY_PADDING[edge])  # type: ignore[call-overload]
    return padded[:, margin + down : margin + down + height, margin + right : margin + right + width]


@settings(max_examples=60)
@given(
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    channels=st.integers(1, 3),
    down=st.integers(-9, 9),
    right=st.integers(-9, 9),
    mirrored=st.booleans(),
    edge=st.sampled_from(EDGES),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_moves_are_those_of_padding_and_cutting(
    height: int, width: int, channels: int, down: int, right: int, mirrored: bool, edge: str, layout: torch.memory_format
) -> None:
    pictures = torch.randn(2, channels, height, width).contiguous(memory_format=layout)
    other = (0, 0, False)
    arguments = (torch.tensor(each) for each in zip(other, (down, right, mirrored), strict=True))
    found = moved(pictures, *arguments, edge)
    assert torch.equal(found[0], pictures[0])
    assert np.array_equal(found[1].numpy(), in_numpy(pictures[1].numpy(), down, right, mirrored, edge))
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("edge", EDGES)
def test_the_look_up_equals_sampling_on_the_same_pixels(edge: str) -> None:
    pictures = torch.randn(64, 3, 11, 14)
    generator = torch.Generator().manual_seed(0)
    down, right = (torch.randint(-4, 5, (64,), generator=generator) for _ in range(2))
    mirrored = torch.rand(64, generator=generator) < 0.5
    sign, zero = torch.where(mirrored, -1.0, 1.0), torch.zeros(64)
    maps = torch.stack([sign, zero, 2 * right / 14, zero, torch.ones(64), 2 * down / 11], dim=1).view(-1, 2, 3)
    torch.testing.assert_close(moved(pictures, down, right, mirrored, edge), sampled(pictures, maps, edge), atol=2e-5, rtol=0)


def test_bytes_move_as_well() -> None:
    pictures = torch.randint(0, 256, (5, 1, 6, 6), dtype=torch.uint8)
    step = torch.ones(5, dtype=torch.long)
    found = moved(pictures, step, step, torch.zeros(5, dtype=torch.bool), "mean")
    assert found.dtype == torch.uint8
    assert torch.equal(found[:, :, :-1, :-1], pictures[:, :, 1:, 1:])
    assert not found[:, :, -1].any()


@given(smallest=st.floats(0.05, 1.0), draws=st.tuples(*[st.floats(0, 1, exclude_max=True, width=32)] * 4))
def test_crops_lie_within_the_picture_and_have_their_area(smallest: float, draws: tuple[float, ...]) -> None:
    half, middle = (each[0].double() for each in crop_windows(smallest, torch.tensor([draws])))
    assert (middle.abs() + half <= 1 + 1e-6).all()
    area, ratio = half.prod().item(), (half[0] / half[1]).item()
    asked = smallest + (1 - smallest) * draws[0]
    assert area <= asked + 1e-6
    if half.max() < 1:
        assert area == pytest.approx(asked, rel=1e-5)
        assert 3 / 4 - 1e-5 <= ratio <= 4 / 3 + 1e-5


def test_a_window_is_where_a_loop_puts_it() -> None:
    draws = torch.rand(30, 2, generator=torch.Generator().manual_seed(1))
    down, across = torch.arange(30) % 6, torch.arange(30) % 9
    found = window_mask(draws, 5, 8, down, across)
    for at, (height, width) in enumerate(zip(down.tolist(), across.tolist(), strict=True)):
        top, left = int(draws[at, 0] * 5) - height // 2, int(draws[at, 1] * 8) - width // 2
        expected = torch.zeros(5, 8, dtype=torch.bool)
        for y, x in itertools.product(range(5), range(8)):
            expected[y, x] = top <= y < top + height and left <= x < left + width
        assert torch.equal(found[at, 0], expected)


@pytest.mark.parametrize(("edge", "padding"), [("repeat", "border"), ("reflect", "reflection"), ("mean", "zeros")])
def test_any_affine_map_is_that_of_torch(edge: str, padding: str) -> None:
    draw = torch.Generator().manual_seed(0)
    pictures = torch.rand(6, 3, 9, 14, generator=draw, dtype=torch.float64)
    maps = torch.randn(6, 2, 3, generator=draw, dtype=torch.float64)
    grid = F.affine_grid(maps, list(pictures.shape), align_corners=False)
    expected = F.grid_sample(pictures, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    assert torch.allclose(sampled(pictures, maps, edge), expected, atol=1e-12)
