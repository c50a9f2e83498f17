"""The receptive field against gradients on random graphs, against published numbers, and against the recursion by hand."""

from __future__ import annotations

import copy
import itertools
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import Branches, measured, networks, positive
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.field_records import Field
from leadline.explain.fields import receptive_field
from leadline.models import convnet, resnet18


def output_shape(network: nn.Module, shape: tuple[int, ...]) -> torch.Size | None:
    """The map that comes out, or None where this input is too small for the network."""
    try:
        return network(torch.zeros(1, *shape)).shape[2:]
    except (RuntimeError, ValueError):
        return None


def compare(network: nn.Module, shape: tuple[int, ...]) -> None:
    map_shape = output_shape(network, shape)
    assume(map_shape is not None and 0 < map_shape.numel() <= 300)
    assert map_shape is not None
    fields = receptive_field(network, shape, axes=range(1, len(shape)))
    units = list(itertools.product(*(range(size) for size in map_shape)))
    truth = measured(positive(copy.deepcopy(network)), shape, units)
    field = fields.rows[-1].field
    assert field is not None
    for unit, spans in zip(units, truth, strict=True):
        mine = field.seen_by(*unit)
        # A unit that reads nothing at all has no span along any axis.
        assert mine == spans or (min(last - first for first, last in mine) < 0 and min(b - a for a, b in spans) < 0), unit


@settings(max_examples=60)
@given(networks(1), st.integers(5, 24))
def test_every_unit_of_a_random_graph_sees_what_its_gradient_says(network: nn.Module, size: int) -> None:
    compare(network, (2, size))


@settings(max_examples=25)
@given(networks(2), st.integers(5, 9), st.integers(5, 9))
def test_every_unit_of_a_random_graph_of_pictures(network: nn.Module, height: int, width: int) -> None:
    compare(network, (2, height, width))


@settings(max_examples=40)
@given(networks(1, shift_invariant=True), st.integers(8, 30))
def test_size_stride_and_centre_are_those_of_units_far_from_any_border(network: nn.Module, size: int) -> None:
    map_shape = output_shape(network, (2, size))
    assume(map_shape is not None and map_shape[0] > 0)
    field = receptive_field(network, (2, size), axes=[1]).rows[-1].field
    assert field is not None
    (extent,), (stride,), (centre,) = field.size, field.stride, field.centre
    assume(stride is not None and centre == centre)
    assert stride is not None
    large = 2400
    far = output_shape(network, (2, large))
    assert far is not None
    assume(all(each.apart < 1.4 for each in network.modules() if isinstance(each, Branches)))
    # Units that many periods from the first one, around the middle.
    middle = far[0] // 2 // 36 * 36
    assume(36 % stride.denominator == 0 and middle >= 36)
    units = [(middle + each,) for each in range(36)]
    spans = [span for (span,) in measured(positive(copy.deepcopy(network)), (2, large), units)]
    assert max(last - first + 1 for first, last in spans) == extent
    assert (spans[0][0] + spans[0][1]) / 2 == centre + float(stride * middle)


def test_the_recursion_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, padding=3), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(8, 8, 3, dilation=2, padding=1)
    )
    rows = receptive_field(network, (3, 64, 64))
    assert [row.field.size[0] for row in rows if row.field] == [7, 7 + 2 * 2, 11 + 2 * 2 * 4]
    assert [row.field.stride[0] for row in rows if row.field] == [2, 4, 4]
    # (F − 1)/2·dilation − padding of each, times the stride before it.
    assert [row.field.centre[0] for row in rows if row.field] == [0, 0, (2 - 1) * 4]


@pytest.mark.parametrize(
    ("layer", "size", "stride"),
    [("conv1", 7, 2), ("maxpool", 11, 4), ("layer1.1.conv2", 43, 4), ("layer2.1.conv2", 99, 8), ("layer3.1.conv2", 211, 16)],
)
def test_resnet18_has_its_published_fields(layer: str, size: int, stride: int) -> None:
    field = receptive_field(resnet18(), (3, 64, 64)).of(layer)
    assert (field.size, field.stride) == ((size, size), (Fraction(stride), Fraction(stride)))


def test_resnet18_ends_at_435_even_where_the_picture_and_the_last_map_are_smaller() -> None:
    fields = receptive_field(resnet18(), (3, 32, 32))
    assert (fields.of("layer4.1.conv2").size, fields.of("layer4.1.conv2").stride) == ((435, 435), (32, 32))
    assert fields.of("avgpool").whole
    assert fields.last.whole


def test_three_3x3_see_as_far_as_one_7x7_with_27_against_49_weights() -> None:
    channels = 8
    three = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3)))
    one = nn.Conv2d(channels, channels, 7, padding=3, bias=False)
    ours, theirs = receptive_field(three, (channels, 32, 32)).last, receptive_field(one, (channels, 32, 32)).last
    assert ours.size == theirs.size == (7, 7)
    assert ours.axes == theirs.axes
    assert sum(each.numel() for each in three.parameters()) == 27 * channels**2
    assert sum(each.numel() for each in one.parameters()) == 49 * channels**2


def test_three_dimensions() -> None:
    network = nn.Sequential(nn.Conv3d(1, 2, (1, 3, 5), padding=(0, 1, 2)), nn.MaxPool3d(2), nn.Conv3d(2, 2, 3))
    field = receptive_field(network, (1, 12, 16, 20)).last
    assert (field.size, field.stride, field.centre) == ((6, 8, 10), (2, 2, 2), (2.5, 2.5, 2.5))


def test_a_global_pool_a_linear_layer_and_attention_see_everything() -> None:
    fields = receptive_field(convnet((1, 16, 16), 10), (1, 16, 16))
    assert fields.rows[-3].kind == "AdaptiveAvgPool2d"
    assert all(row.field and row.field.whole for row in fields.rows[-3:])
    flat = receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)), (1, 8, 8))
    assert flat.of("1").size == (3, 3)  # a flattened map is still a map
    assert flat.last.whole
    assert receptive_field(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)).last.whole


def test_a_recurrent_layer_sees_what_was_before() -> None:
    field = receptive_field(nn.LSTM(3, 4, batch_first=True), (6, 3)).last
    assert [field.seen_by(time) for time in range(6)] == [((0, time),) for time in range(6)]
    both = receptive_field(nn.GRU(3, 4, batch_first=True, bidirectional=True), (6, 3)).last
    assert both.whole


def test_local_layers_made_of_patches() -> None:
    class Local(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(64, 9, 2))

        def forward(self, x: Tensor) -> Tensor:
            patches = nn.functional.unfold(x, 3, padding=1)
            return torch.einsum("bdl,ldk->bkl", patches, self.weight).unflatten(2, (8, 8))

    field = receptive_field(Local(), (1, 8, 8)).last
    assert field.seen_by(0, 3) == ((0, 1), (2, 4))
    assert field.seen_by(5, 7) == ((4, 6), (6, 7))
    assert (field.size, field.stride) == ((3, 3), (1, 1))


@pytest.mark.parametrize(("padding", "stride", "dilation"), [(0, 1, 1), (1, 2, 1), (2, 1, 2)])
def test_patches_laid_together_see_what_their_gradients_say(padding: int, stride: int, dilation: int) -> None:
    options = {"kernel_size": 3, "padding": padding, "stride": stride, "dilation": dilation}

    class Together(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.avg_pool2d(x, 3, 1, 1)
            return nn.functional.fold(nn.functional.unfold(x, **options), x.shape[2:], **options)

    x = torch.rand(1, 2, 9, 7, requires_grad=True)
    outputs, field = Together()(x), receptive_field(Together(), (2, 9, 7)).last
    for row, column in itertools.product(range(9), range(7)):
        (gradient,) = torch.autograd.grad(outputs[0, :, row, column].sum(), x, retain_graph=True)
        places = gradient.abs().sum((0, 1)).nonzero()
        seen = (
            tuple((int(low), int(high)) for low, high in zip(places.amin(0), places.amax(0), strict=True))
            if len(places)
            else None
        )
        assert field.seen_by(row, column) == (seen or ((0, -1), (0, -1)))


def test_statistics_of_a_normalization_are_counted_when_asked_for() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    assert receptive_field(network, (1, 9, 9)).last.size == (5, 5)
    assert receptive_field(network, (1, 9, 9), statistics=True).last.whole
    assert receptive_field(nn.Sequential(nn.InstanceNorm2d(1)), (1, 9, 9), statistics=True).last.whole
    assert receptive_field(nn.Sequential(nn.BatchNorm2d(1)), (1, 9, 9), statistics=True).last.size == (1, 1)
    channels = nn.Sequential(nn.Conv1d(1, 4, 3), Channels(4))
    assert receptive_field(channels, (1, 9), statistics=True).last.size == (3,)


class Channels(nn.Module):
    """Layer normalization over the channels of each place alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


def test_an_axis_can_be_chosen_and_channels_are_one() -> None:
    field = receptive_field(nn.Conv1d(4, 4, 3, groups=2), (4, 9), axes=[0]).last
    assert field.axes[0].first == (0, 0, 2, 2)
    assert field.axes[0].last == (1, 1, 3, 3)


def test_the_table_fits_80_columns_and_tells_each_row() -> None:
    text = str(receptive_field(resnet18(), (3, 32, 32)))
    assert max(map(len, text.splitlines())) <= 80
    assert "layer4.1.conv2 Conv2d" in text
    assert text.splitlines()[-1].split() == ["fc", "Linear", "whole", "—", "15.5"]


def test_the_network_is_left_as_it_was() -> None:
    network = convnet((1, 16, 16), 10, dropout=0.5).train()
    network[1].eval()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    receptive_field(network, (1, 16, 16))
    assert torch.equal(torch.rand(1), expected)
    assert network.training
    assert not network[1].training
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_a_network_that_looks_at_values_is_shown_real_ones() -> None:
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(2, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) if float(x.sum()) == float(x.sum()) else x

    assert receptive_field(Looking(), (2, 9)).last.size == (3,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"shape": (4, 9)}, "cannot take an input of shape [1, 4, 9]. Got at 0 (Conv1d)"),
        ({"shape": (2, 0)}, "cannot have this shape"),
        ({"shape": ()}, "cannot have this shape"),
        ({}, "what the network takes in"),
        ({"shape": (2, 9), "example": torch.zeros(1, 2, 9)}, "what the network takes in"),
        ({"example": []}, "example"),
        ({"shape": (2, 9), "axes": [2]}, "no such axis"),
        ({"shape": (2, 9), "axes": []}, "no such axis"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError) as error:
        receptive_field(nn.Sequential(nn.Conv1d(2, 2, 3)), **arguments)
    assert says in str(error.value)


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'layer1.0.conv1'"):
        receptive_field(resnet18(), (3, 32, 32)).of("layer1.0.conv_1")


def test_a_lazy_layer_has_no_shape_yet() -> None:
    with pytest.raises(ArgumentError, match="without shapes"):
        receptive_field(nn.LazyConv1d(2, 3), (2, 9))


def test_a_field_reads_as_size_and_stride() -> None:
    assert isinstance(receptive_field(nn.Conv2d(1, 1, (3, 1)), (1, 9, 9)).last, Field)
    assert str(receptive_field(nn.Conv2d(1, 1, (3, 1)), (1, 9, 9)).last) == "3×1/1"
