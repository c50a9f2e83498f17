import pytest
import torch
from torch.nn import functional as F

from leadline.data.pictures.augment import Augment
from leadline.data.pictures.augment_draws import uniform
from leadline.data.pictures.augment_mixing import blended, cutmix, mixup
from leadline.errors import ArgumentError

ROWS = torch.arange(256)


def test_mixup_is_the_line_between_two_pictures() -> None:
    one, other, draws = torch.randn(256, 3, 4, 5), torch.randn(256, 3, 4, 5), uniform(0, 0, ROWS, 2)
    mixed, own = mixup(one, other, 1.0, draws)
    share = own[:, None, None, None]
    torch.testing.assert_close(mixed, share * one + (1 - share) * other, atol=1e-5, rtol=1e-5)
    assert own.min() < 0.05
    assert own.max() > 0.95


@pytest.mark.parametrize("size", [(16, 16), (9, 24)])
def test_cutmix_pastes_a_rectangle_and_counts_its_pixels(size: tuple[int, int]) -> None:
    ones = torch.ones(256, 1, *size)
    mixed, own = cutmix(ones, 0 * ones, 1.0, uniform(0, 0, ROWS, 4))
    torch.testing.assert_close(mixed.mean((1, 2, 3)), own)
    for picture in mixed[:, 0] == 0:
        rows, columns = picture.any(1), picture.any(0)
        assert torch.equal(picture, rows[:, None] & columns), "not a rectangle"
        for line in (rows.int(), columns.int()):
            assert (line.diff() > 0).sum() + line[0] <= 1, "not in one piece"
    assert 0.4 < own.mean() < 0.8  # half the area, less what lies outside


def test_labels_are_blended_like_numbers() -> None:
    labels, own = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([0.75, 0.5, 1.0])
    expected = torch.tensor([[1.0, 0.25], [0.5, 0.5], [1.0, 1.0]])
    torch.testing.assert_close(blended(labels, own, 0), expected)


def test_classes_are_blended_as_distributions() -> None:
    targets, own = torch.randint(0, 7, (256,)), torch.rand(256)
    expected = own[:, None] * F.one_hot(targets, 7) + (1 - own)[:, None] * F.one_hot(targets.roll(1), 7)
    torch.testing.assert_close(blended(targets, own, 7), expected)


@pytest.mark.parametrize("kinds", [{"mixup": 0.3}, {"cutmix": 1.0}, {"mixup": 0.3, "cutmix": 1.0}])
def test_a_picture_and_its_target_are_mixed_alike(kinds: dict[str, float]) -> None:
    """Pictures of their own target: the mean of a mixed one is what its target says."""
    targets = torch.randn(256, 1)
    pictures = targets[:, :, None, None].expand(-1, 1, 12, 12)
    mixed, answers = Augment(**kinds).mix(pictures, targets, 1, 2, ROWS)  # type: ignore[arg-type]
    torch.testing.assert_close(mixed.mean((2, 3)), answers, atol=1e-5, rtol=1e-5)
    assert (mixed.std((2, 3)) > 1e-3).any() == ("cutmix" in kinds)
    apart = torch.minimum((answers - targets).abs(), (answers - targets.roll(1, 0)).abs()) > 1e-3
    flat = ((mixed.std((2, 3)) < 1e-4) & apart).flatten()
    assert flat.any() == ("mixup" in kinds)
    if len(kinds) == 2:
        assert 0.2 < flat.float().mean() < 0.6


def test_how_much_depends_on_the_row_and_the_partner_on_the_batch() -> None:
    augment, pictures, targets = Augment(mixup=1.0), torch.randn(64, 1, 3, 3), torch.arange(64)
    _, whole = augment.mix(pictures, targets, 0, 4, ROWS[:64], 64)
    _, part = augment.mix(pictures[10:20], targets[10:20], 0, 4, ROWS[10:20], 64)
    torch.testing.assert_close(part[1:], whole[11:20])
    assert part[0].nonzero().flatten().tolist() == [10, 19]
    _, later = augment.mix(pictures, targets, 0, 5, ROWS[:64], 64)
    assert not torch.allclose(later, whole)


def test_what_mixes_nothing_is_not_asked_to() -> None:
    with pytest.raises(ArgumentError, match="does not mix pictures. Expected mixup or cutmix above 0"):
        Augment(flip=True).mix(torch.zeros(2, 1, 3, 3), torch.tensor([0, 1]), 0, 0, ROWS[:2], 2)


def test_a_batch_of_one_row_is_mixed_with_itself() -> None:
    picture = torch.randn(1, 3, 8, 8)
    mixed, targets = Augment(mixup=1.0, cutmix=1.0).mix(picture, torch.tensor([1]), 0, 0, torch.tensor([5]), 3)
    torch.testing.assert_close(mixed, picture)
    torch.testing.assert_close(targets, torch.tensor([[0.0, 1.0, 0.0]]))
