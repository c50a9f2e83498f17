"""Filters, templates, feature maps, patches and the plane of features against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.boxes import Box
from leadline.explain.filters import class_templates, first_filters
from leadline.explain.passes import feature_maps
from leadline.explain.patches import exciting_patches
from leadline.explain.planes import feature_plane
from leadline.models import convnet, linear, mlp, resnet18


def test_filters_are_the_weights_of_the_first_layer() -> None:
    network = convnet((3, 16, 16), 4, width=6)
    assert np.array_equal(first_filters(network, (3, 16, 16)), network[0].weight.detach().numpy())
    dense = mlp((2, 3, 4), 5, width=7)
    assert first_filters(dense, (2, 3, 4)) == pytest.approx(dense[1].weight.detach().reshape(7, 2, 3, 4).numpy())
    with pytest.raises(ArgumentError, match="no filters to look at.*got Linear"):
        first_filters(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 2)), (1, 8, 8))
    with pytest.raises(ArgumentError, match="no layer with weights"):
        first_filters(nn.Flatten(), (1, 8, 8))


def test_templates_are_what_a_linear_model_multiplies_with_whatever_it_is_made_of() -> None:
    torch.manual_seed(0)
    model, x = linear((2, 4, 5), 3), torch.randn(6, 2, 4, 5)
    outputs = model(x).detach().numpy()
    told = np.einsum("kchw,bchw->bk", class_templates(model, (2, 4, 5)), x.numpy()) + model[1].bias.detach().numpy()
    assert told == pytest.approx(outputs, abs=1e-5)
    deep = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3 * 2 * 3, 4), nn.Dropout(0.5), nn.Linear(4, 3)).train()
    templates = class_templates(deep, (2, 4, 5))
    rest = deep.eval()(x).detach().numpy() - np.einsum("kchw,bchw->bk", templates, x.numpy())
    assert rest == pytest.approx(np.broadcast_to(rest[:1], rest.shape), abs=1e-5)  # the bias, the same for all
    with pytest.raises(ArgumentError, match="not linear"):
        class_templates(mlp((1, 4, 4), 3), (1, 4, 4))
    with pytest.raises(ArgumentError, match="no outputs to tell apart"):
        class_templates(nn.Conv2d(1, 1, 3), (1, 4, 4))


class Constant(nn.Module):
    """Answers the same whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.answer.expand(len(x), 2)


def test_of_a_network_that_looks_at_nothing_the_templates_are_zero() -> None:
    assert not class_templates(Constant(), (1, 2, 2)).any()


def test_a_deep_network_is_refused_before_there_is_a_pass_for_each_of_its_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch.autograd, "grad", never)
    for network in (mlp((1, 8, 8), 100), convnet((1, 8, 8), 100, width=4), nn.Sequential(nn.Flatten(), nn.Tanh())):
        with pytest.raises(ArgumentError, match="not linear|with a gradient"):
            class_templates(network, (1, 8, 8))


def test_feature_maps_are_what_comes_out_of_the_layer() -> None:
    network, x = resnet18(classes=2).eval(), torch.randn(2, 3, 32, 32)
    stem = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    assert feature_maps(network, x, layer="maxpool") == pytest.approx(stem.detach().numpy(), abs=1e-5)
    # What a residual block adds to is written over in place; the map is what the layer itself gave.
    expected = network.layer1[0].bn2(
        network.layer1[0].conv2(network.layer1[0].relu(network.layer1[0].bn1(network.layer1[0].conv1(stem))))
    )
    assert feature_maps(network, x, layer="layer1.0.bn2") == pytest.approx(expected.detach().numpy(), abs=1e-4)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4), st.sampled_from([1, 3, 7]))
def test_patches_are_the_largest_of_all_pictures_and_what_their_unit_sees(seed: int, top: int, batch: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU())
    pictures = torch.randn(7, 1, 15, 13)
    found = exciting_patches(network, pictures.split(batch), layer="2", top=top)
    values = network[2](network[1](network[0](pictures))).detach()
    for channel, patches in enumerate(found):
        best, place = values[:, channel].flatten(1).max(1)
        order = [at for at in best.argsort(descending=True, stable=True).tolist() if best[at] > 0][:top]
        assert [patch.picture for patch in patches] == order
        for patch, at in zip(patches, order, strict=True):
            assert patch.value == pytest.approx(best[at].item(), abs=1e-5)
            # Unit (r, c) sees places 2r − 1 … 2r + 5, cut off at the border.
            row, column = divmod(int(place[at]), values.shape[3])
            assert patch.box == Box(max(0, 2 * row - 1), max(0, 2 * column - 1), min(15, 2 * row + 6), min(13, 2 * column + 6))


def test_outside_of_its_box_a_picture_may_change_and_the_patch_stays() -> None:
    torch.manual_seed(0)
    network, pictures = convnet((1, 16, 16), 3, width=4, stages=2).eval(), torch.randn(5, 1, 16, 16)
    patch = exciting_patches(network, [pictures], layer="5", top=1)[0][0]
    top, left, bottom, right = (int(each) for each in patch.box)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    changed = torch.where(inside, pictures[patch.picture], torch.randn(1, 16, 16))[None]
    assert feature_maps(network, changed, layer="5")[0, 0].max() >= patch.value - 1e-5


def test_a_block_has_the_field_of_its_last_part_and_silence_has_no_patch() -> None:
    network = resnet18(classes=2)
    found = exciting_patches(network, [torch.randn(2, 3, 64, 64)], layer="layer1", top=2)
    assert len(found) == 64
    sizes = {each.bottom - each.top for patches in found for _, _, each in patches}
    assert max(sizes) <= 43  # see tests of receptive fields: layer1 of ResNet-18 sees 43 pixels
    silent = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    nn.init.constant_(silent[0].weight, -1.0)
    nn.init.zeros_(silent[0].bias)
    assert exciting_patches(silent, [torch.ones(1, 1, 5, 5)]) == [[], []]
    with pytest.raises(ArgumentError, match="no pictures"):
        exciting_patches(silent, [])
    with pytest.raises(ArgumentError, match="at least 1"):
        exciting_patches(silent, [torch.ones(1, 1, 5, 5)], top=0)
    with pytest.raises(ArgumentError, match=r"differ in size.*\[1, 5, 5\].*\[1, 5, 6\]"):
        exciting_patches(silent, [torch.ones(1, 1, 5, 5), torch.ones(1, 1, 5, 6)])


def test_padding_alone_is_no_patch() -> None:
    network = nn.Conv2d(1, 1, 1, padding=2)
    nn.init.constant_(network.weight, -1.0)
    nn.init.ones_(network.bias)
    assert exciting_patches(nn.Sequential(network), [torch.ones(1, 1, 4, 4)]) == [[]]  # 1 in the padding, 0 on the picture


def groups(rows: int = 40, width: int = 20) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(0)
    centres = 6 * drawn.normal(size=(3, width))
    label = np.arange(3 * rows) % 3
    return centres[label] + drawn.normal(size=(3 * rows, width)), label


def test_neighbours_stay_neighbours_on_the_plane() -> None:
    features, label = groups()
    plane = feature_plane(features)
    distance = np.linalg.norm(plane.points[:, None] - plane.points[None], axis=2) + 1e9 * np.eye(len(label))
    nearest = np.argsort(distance, axis=1)[:, :5]
    assert (label[nearest] == label[:, None]).mean() > 0.99
    assert 0.9 < plane.kept <= 1 + 1e-9
    assert np.array_equal(feature_plane(features).points, plane.points)


def test_many_rows_are_sampled_and_few_or_flat_ones_still_mapped() -> None:
    features, _ = groups()
    plane = feature_plane(features, rows=30)
    assert plane.points.shape == (30, 2)
    assert len(set(plane.rows.tolist())) == 30
    assert feature_plane(features[:4]).points.shape == (4, 2)
    line = feature_plane(np.linspace(0, 1, 12)[:, None] * np.ones((1, 3)))
    assert np.isfinite(line.points).all()
    assert np.isfinite(feature_plane(1e30 * features[:20]).points).all()


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((3, 2)), "at least 4 rows"),
        (np.ones((9, 2)), "same in all rows"),
        (np.full((9, 2), np.nan), "not finite"),
        (np.zeros(9), "no features to map"),
    ],
)
def test_what_cannot_be_mapped_is_said(features: np.ndarray, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        feature_plane(features)


class Twice(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x)).flatten(1)  # type: ignore[no-any-return]


def test_of_a_layer_called_twice_the_last_call_counts() -> None:
    network, x = Twice(), torch.randn(1, 1, 5, 5)
    assert feature_maps(network, x, layer="layer")[0, 0].ravel() == pytest.approx(network(x)[0].detach().numpy(), abs=1e-6)
