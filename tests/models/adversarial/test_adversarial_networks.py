"""Generators and discriminators: which sizes there are, what is counted, what a class changes, what is refused."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.models.adversarial.adversarial_networks import AdversarialPair, PictureDiscriminator, PictureGenerator, dcgan
from leadline.models.adversarial.adversarial_samples import as_pair, drawn_pictures
from leadline.models.adversarial.adversarial_sizes import SIDES, doubled_map


def test_the_sides_that_can_be_made() -> None:
    assert sorted(SIDES) == [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]


@pytest.mark.parametrize("side", sorted(SIDES))
def test_every_side_is_made_and_judged(side: int) -> None:
    pair = dcgan((1, side, side), latent=3, width=2)
    pictures = pair(torch.randn(2, 3))
    assert pictures.shape == (2, 1, side, side)
    assert pair.judged(pictures, None).shape == (2,)
    assert (pair.generator.start[1], len(pair.generator.layers)) == SIDES[side]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(8, 12), (64, 96), (128, 16), (28, 36)])
def test_oblong_pictures_of_one_to_four_channels(shape: tuple[int, int], channels: int) -> None:
    pair = dcgan((channels, *shape), latent=3, width=2, norm="batch")
    pictures = pair(torch.randn(2, 3))
    assert pictures.shape == (2, channels, *shape)
    assert pictures.abs().max() <= 1
    assert pair.judged(pictures, None).shape == (2,)


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_every_size_is_made_or_refused_with_sizes_that_are(height: int, width: int) -> None:
    try:
        (rows, columns), doublings = doubled_map("dcgan", (1, height, width))
    except ArgumentError as error:
        sizes = re.findall(r"(\d+) × (\d+)", str(error).split("Scale or crop them to")[1])
        assert sizes
        for size in sizes:
            doubled_map("dcgan", (1, *map(int, size)))
        square = int(re.search(r"data.size = (\d+)", str(error))[1])
        doubled_map("dcgan", (1, square, square))
    else:
        assert (rows * 2**doublings, columns * 2**doublings) == (height, width)
        assert min(rows, columns) >= 4
        assert min(rows, columns) < 8


def test_the_published_network_at_64_pixels() -> None:
    """Radford et al.: 100 → 512 × 4 × 4 → 256 → 128 → 64 → 3, and 3 → 64 → 128 → 256 → 512 → 1, batch norm between."""
    pair = dcgan((3, 64, 64), norm="batch")
    filters = [3, 64, 128, 256, 512]
    weights = sum(16 * before * after for before, after in itertools.pairwise(filters))
    norms = 2 * (64 + 128 + 256 + 512)
    assert sum(p.numel() for p in pair.generator.parameters()) == 100 * 512 * 16 + weights + norms + 3
    # The first convolution has a bias where the example has none, as it has no norm behind it.
    assert sum(p.numel() for p in pair.discriminator.parameters()) == weights + (norms - 2 * 64) + 64 + (512 * 16 + 1)
    assert sum(p.numel() for p in dcgan((3, 128, 128)).generator.parameters()) < 2.5 * sum(
        p.numel() for p in pair.generator.parameters()
    )


def test_it_begins_as_published() -> None:
    torch.manual_seed(0)
    pair = dcgan((3, 64, 64), norm="batch")
    for layer in pair.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert pair(torch.randn(4, 100)).abs().mean() < 0.5


@pytest.mark.parametrize("norm", ["spectral", "batch", "layer", "none"])
@pytest.mark.parametrize("classes", [0, 3])
def test_gradients_reach_every_parameter(norm: str, classes: int) -> None:
    torch.manual_seed(0)
    pair = dcgan((1, 16, 16), classes=classes, latent=3, width=2, norm=norm)
    asked = torch.tensor([0, 1, 2, 2]) if classes else None
    pair.judged(pair(torch.randn(4, 3), asked), asked).square().sum().backward()
    assert [name for name, p in pair.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_a_spectral_discriminator_stretches_no_picture_more_than_its_length() -> None:
    torch.manual_seed(0)
    discriminator = PictureDiscriminator((1, 16, 16), width=4)
    x = torch.randn(8, 1, 16, 16, requires_grad=True)
    for _ in range(50):
        scores = discriminator(x)
    (slope,) = torch.autograd.grad(scores.sum(), x)
    # A strided 4×4 convolution meets each pixel four times, so that its norm is at most 2 where its matrix has 1.
    assert slope.flatten(1).norm(dim=1).max() <= 2**2 + 1e-3


def test_a_class_changes_what_is_drawn_and_how_it_is_judged() -> None:
    torch.manual_seed(0)
    pair = dcgan((1, 8, 8), classes=3, latent=4, width=4)
    for norm in pair.generator.norms:
        nn.init.normal_(norm.scale.weight)
    noise = torch.randn(1, 4).expand(3, 4)
    drawn = pair.eval()(noise, torch.arange(3))
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3
    same = drawn[:1].expand(3, -1, -1, -1)
    assert len(pair.judged(same, torch.arange(3)).unique()) == 3


def test_the_projection_is_linear_in_the_features_of_the_picture() -> None:
    torch.manual_seed(0)
    discriminator = PictureDiscriminator((1, 8, 8), classes=3, width=4, norm="none")
    x, classes = torch.randn(5, 1, 8, 8), torch.tensor([0, 2, 1, 1, 0])
    features = discriminator.layers(x).permute(0, 2, 3, 1).flatten(1)
    expected = features @ discriminator.head.weight[0] + discriminator.head.bias
    expected = expected + torch.stack([features[row] @ discriminator.projection.weight[k] for row, k in enumerate(classes)])
    torch.testing.assert_close(discriminator(x, classes), expected)


def test_drawing_is_the_same_for_a_seed_and_leaves_the_network_and_torchs_numbers_alone() -> None:
    pair = dcgan((1, 8, 8), classes=3, latent=4, width=4)
    pair.train()
    before = {name: value.clone() for name, value in pair.state_dict().items()}
    random = torch.get_rng_state()
    one = drawn_pictures(pair, 7, seed=1)
    assert torch.equal(torch.get_rng_state(), random)
    assert pair.generator.norms[0].training
    assert all(torch.equal(value, before[name]) for name, value in pair.state_dict().items())
    torch.testing.assert_close(one, drawn_pictures(pair, 7, seed=1, batch_size=2))
    assert not torch.allclose(one, drawn_pictures(pair, 7, seed=2))
    assert torch.equal(one, drawn_pictures(pair, 7, seed=1, classes=[0, 1, 2, 0, 1, 2, 0]))
    assert not one.is_inference()


def test_own_networks_make_a_pair() -> None:
    generator = nn.Sequential(nn.Linear(2, 25), nn.Tanh(), nn.Unflatten(1, (1, 5, 5)))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(25, 1))
    pair = AdversarialPair(generator, critic, (1, 5, 5), latent=2)
    assert drawn_pictures(pair, 3).shape == (3, 1, 5, 5)
    assert pair.judged(pair(torch.randn(3, 2)), None).shape == (3,)
    wide = AdversarialPair(generator, nn.Sequential(nn.Flatten(), nn.Linear(25, 2)), (1, 5, 5), latent=2)
    with pytest.raises(ArgumentError, match="no logit for each picture"):
        wide.judged(torch.zeros(3, 1, 5, 5), None)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ArgumentError, match="1 to 4 channels"):
        dcgan((5, 28, 28))
    with pytest.raises(ArgumentError, match=r"30 × 30 .* 28 × 28 or 32 × 32"):
        dcgan((1, 30, 30))
    with pytest.raises(ArgumentError, match="Did you mean 'spectral'"):
        dcgan((1, 28, 28), norm="spectrul")
    with pytest.raises(ArgumentError, match="latent is out of range"):
        dcgan((1, 28, 28), latent=0)
    with pytest.raises(ArgumentError, match="classes is out of range"):
        PictureGenerator((1, 28, 28), classes=-1)
    with pytest.raises(ArgumentError, match="no generator"):
        as_pair(nn.Linear(2, 2))


def test_inputs_that_do_not_fit_are_refused() -> None:
    pair = dcgan((1, 8, 8), classes=3, latent=4, width=4)
    with pytest.raises(ArgumentError, match=r"PictureGenerator .* \[B, 4\]"):
        pair(torch.zeros(2, 5), torch.tensor([0, 1]))
    with pytest.raises(ArgumentError, match="got none"):
        pair.generator(torch.zeros(2, 4))
    with pytest.raises(ArgumentError, match="from 0 to 2"):
        pair(torch.zeros(2, 4), torch.tensor([0, 3]))
    with pytest.raises(ArgumentError, match=r"PictureDiscriminator .* \[B, 1, 8, 8\]"):
        pair.discriminator(torch.zeros(2, 1, 8, 9), torch.tensor([0, 1]))
    with pytest.raises(ArgumentError, match="a class for each picture"):
        drawn_pictures(pair, 3, classes=[0, 1])
    with pytest.raises(ArgumentError, match="knows no classes"):
        drawn_pictures(dcgan((1, 8, 8), latent=4, width=4), 3, classes=[0, 1, 2])
    with pytest.raises(ArgumentError, match="count is out of range"):
        drawn_pictures(pair, 0)
