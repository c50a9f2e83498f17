"""A network written row by row: what it builds, compared with closed forms and with networks written in Python."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leadline.errors import ArgumentError
from leadline.models.layer_rows import from_rows, row_notes, without_contained
from leadline.models.resnets import BasicBlock
from leadline.models.row_building import WORDS, build_rows
from leadline.models.row_words import ALIASES, PLAIN_WORDS

CIFAR: list[dict[str, Any]] = [
    {"conv": 16, "kernel": 2, "padding": "same", "activation": "relu"},
    {"pool": 2},
    {"conv": 32, "kernel": 2, "padding": "same", "activation": "relu"},
    {"pool": 2},
    {"conv": 64, "kernel": 2, "padding": "same", "activation": "relu"},
    {"pool": 2},
    {"dropout": 0.3},
    {"flatten": True},
    {"dense": 500, "activation": "relu"},
    {"dropout": 0.4},
    {"dense": 10, "activation": "softmax"},
]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def one(row: dict[str, Any], shape: tuple[int, ...]) -> tuple[nn.Sequential, tuple[int, ...]]:
    built = build_rows([row], shape)
    return nn.Sequential(*built.layers.values()).eval(), built.shapes[-1]


def test_the_cifar_net_has_its_528_054_parameters() -> None:
    model = from_rows((3, 32, 32), 10, "classes", rows=CIFAR)
    counts = [parameters(layer) for layer in model if parameters(layer)]
    assert counts == [208, 2080, 8256, 512_500, 5010]
    assert parameters(model) == 528_054
    assert not any("oftmax" in type(layer).__name__ for layer in model.modules())


def test_the_cifar_net_learns_random_pictures_by_heart() -> None:
    torch.manual_seed(0)
    model = from_rows((3, 32, 32), 10, "classes", rows=CIFAR)
    x, y = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.eval()
    before = cross_entropy(model(x), y).item()
    model.train()
    for _ in range(40):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    assert cross_entropy(model(x), y).item() < 0.5 * before


def test_the_cifar_net_is_the_one_written_in_python() -> None:
    rows = from_rows((3, 32, 32), 10, "classes", rows=CIFAR).eval()

    def same(channels: int, filters: int) -> list[nn.Module]:
        # Kernel 2 at stride 1: one pixel of zeros behind, none before.
        return [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, filters, 2), nn.ReLU(), nn.MaxPool2d(2)]

    python = nn.Sequential(
        *same(3, 16), *same(16, 32), *same(32, 64), nn.Flatten(), nn.Linear(1024, 500), nn.ReLU(), nn.Linear(500, 10)
    )
    python.load_state_dict(dict(zip(python.state_dict(), rows.state_dict().values(), strict=True)))
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(rows(x), python(x))


def test_weights_keep_their_names_when_a_row_without_weights_comes_or_goes() -> None:
    with_dropout = from_rows((3, 32, 32), 10, "classes", rows=CIFAR)
    without = from_rows((3, 32, 32), 10, "classes", rows=[row for row in CIFAR if "dropout" not in row])
    assert set(without.state_dict()) == set(with_dropout.state_dict())
    assert list(without.state_dict())[::2] == ["conv1.weight", "conv2.weight", "conv3.weight", "dense1.weight", "head.weight"]
    without.load_state_dict(with_dropout.state_dict())


def test_a_residual_in_rows_is_the_basic_block_of_a_resnet() -> None:
    row = {
        "residual": [
            {"conv": 16, "padding": 1, "stride": 2, "bias": False},
            {"batch_norm": True},
            {"activation": "relu"},
            {"conv": 16, "padding": 1, "bias": False},
            {"batch_norm": True},
        ],
        "shortcut": [{"conv": 16, "kernel": 1, "stride": 2, "padding": "valid", "bias": False}, {"batch_norm": True}],
        "activation": "relu",
    }
    block = BasicBlock(8, 16, stride=2).eval()
    rows, shape = one(row, (8, 9, 12))
    rows.load_state_dict(dict(zip(rows.state_dict(), block.state_dict().values(), strict=True)))
    x = torch.randn(2, 8, 9, 12)
    assert shape == (16, 5, 6)
    torch.testing.assert_close(rows(x), block(x))


@pytest.mark.parametrize(
    ("row", "shape", "kind"),
    [
        ({"residual": [{"conv": 8}]}, (8, 6, 6), nn.Identity),
        ({"residual": [{"conv": 12, "stride": 3}]}, (8, 7, 9), nn.Conv2d),
        ({"residual": [{"dense": 5}]}, (5,), nn.Identity),
        ({"residual": [{"dense": 6}]}, (5,), nn.Linear),
        ({"residual": [{"dense": 6}]}, (2, 3, 3), nn.Sequential),
        ({"residual": [{"dense": 5}], "shortcut": "project"}, (5,), nn.Linear),
    ],
)
def test_the_shortcut_is_a_projection_where_the_shape_changes(
    row: dict[str, Any], shape: tuple[int, ...], kind: type[nn.Module]
) -> None:
    layer, after = one(row, shape)
    x = torch.randn(2, *shape)
    assert type(layer[0].shortcut) is kind
    torch.testing.assert_close(layer(x), layer[0].inner(x) + layer[0].shortcut(x))
    assert layer(x).shape[1:] == after


def test_a_padded_shortcut_takes_every_second_pixel_and_channels_of_zeros() -> None:
    layer, after = one({"residual": [{"conv": 5, "stride": 2}], "shortcut": "pad"}, (3, 5, 6))
    nn.init.zeros_(layer[0].inner.conv1.weight)
    nn.init.zeros_(layer[0].inner.conv1.bias)
    x = torch.randn(2, 3, 5, 6)
    assert after == (5, 3, 3)
    assert torch.equal(layer(x)[:, :3], x[:, :, ::2, ::2])
    assert not layer(x)[:, 3:].any()
    assert parameters(layer[0].shortcut) == 0
    vector, _ = one({"residual": [{"dense": 4}], "shortcut": "pad"}, (3,))
    nn.init.zeros_(vector[0].inner.dense1.weight)
    nn.init.zeros_(vector[0].inner.dense1.bias)
    assert vector(torch.ones(1, 3)).tolist() == [[1.0, 1.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("row", "shape", "count", "after"),
    [
        # A convolution has K·F·F·C/groups weights and K biases.
        ({"conv": 10, "kernel": [3, 5]}, (4, 9, 9), 10 * 15 * 4 + 10, (10, 9, 9)),
        ({"conv": 10, "kernel": 3, "bias": False, "padding": "valid"}, (4, 9, 9), 10 * 9 * 4, (10, 7, 7)),
        ({"conv": 8, "kernel": 3, "groups": 2, "stride": [1, 2]}, (4, 9, 9), 8 * 9 * 2 + 8, (8, 9, 5)),
        ({"conv": 8, "kernel": 3, "dilation": 2, "padding": [2, 0]}, (4, 9, 9), 8 * 9 * 4 + 8, (8, 9, 5)),
        ({"depthwise": True, "kernel": 3}, (4, 9, 9), 4 * 9 + 4, (4, 9, 9)),
        ({"depthwise": 2, "kernel": 3}, (4, 9, 9), 8 * 9 + 8, (8, 9, 9)),
        # Ten filters of 5 × 5 on a colour picture of 32 × 32, each place with its own: 75·32·32·10 + 10.
        ({"local": 10, "kernel": 5}, (3, 32, 32), 75 * 32 * 32 * 10 + 10, (10, 32, 32)),
        ({"local": 2, "kernel": 3, "bias": "unit", "padding": "valid"}, (1, 5, 5), 9 * 9 * 2 + 2 * 9, (2, 3, 3)),
        ({"local": 2, "kernel": 3, "bias": False}, (1, 5, 5), 25 * 9 * 2, (2, 5, 5)),
        ({"dense": 7}, (3, 4, 5), 60 * 7 + 7, (7,)),
        ({"dense": 7, "bias": False}, (3,), 21, (7,)),
        # Maxout takes the largest of so many pieces, a gated unit is one half times the other: the layer before is wider.
        ({"dense": 7, "activation": "maxout(pieces=3)"}, (5,), 5 * 21 + 21, (7,)),
        ({"conv": 6, "kernel": 1, "activation": "swiglu"}, (5, 3, 3), 5 * 12 + 12, (6, 3, 3)),
        ({"depthwise": True, "kernel": 1, "activation": "maxout"}, (5, 3, 3), 5 * 2 + 10, (5, 3, 3)),
        ({"activation": "maxout"}, (6, 3, 3), 0, (3, 3, 3)),
        ({"winner_take_all": 3}, (6, 3, 3), 0, (6, 3, 3)),
        ({"pool": 2}, (3, 7, 7), 0, (3, 3, 3)),
        ({"pool": 2, "padding": "same"}, (3, 7, 7), 0, (3, 4, 4)),
        ({"pool": 3, "stride": 2, "padding": 1}, (3, 7, 7), 0, (3, 4, 4)),
        ({"pool": [1, 7], "kind": "average"}, (3, 7, 7), 0, (3, 7, 1)),
        ({"global_pool": True}, (3, 7, 7), 0, (3,)),
        ({"flatten": True}, (3, 7, 7), 0, (147,)),
        ({"batch_norm": True}, (3, 7, 7), 6, (3, 7, 7)),
        ({"batch_norm": True}, (5,), 10, (5,)),
        ({"layer_norm": True}, (3, 7, 7), 6, (3, 7, 7)),
        ({"layer_norm": True}, (5,), 10, (5,)),
        ({"rms_norm": True}, (5,), 5, (5,)),
        ({"group_norm": 2}, (4, 7, 7), 8, (4, 7, 7)),
        ({"lrn": 5}, (8, 4, 4), 0, (8, 4, 4)),
        ({"local_response_norm": 5}, (8, 4, 4), 0, (8, 4, 4)),
        ({"spatial_dropout": 0.5}, (8, 4, 4), 0, (8, 4, 4)),
    ],
    ids=str,
)
def test_parameters_and_shape_of_a_row(row: dict[str, Any], shape: tuple[int, ...], count: int, after: tuple[int, ...]) -> None:
    layer, inferred = one(row, shape)
    assert parameters(layer) == count
    assert inferred == after
    assert layer(torch.randn(2, *shape)).shape == (2, *after)


def test_every_word_is_tried_above_or_below() -> None:
    tried = {"drop_path", "dropout"}  # in rows of their own further down and in the CIFAR net
    marks = test_parameters_and_shape_of_a_row.pytestmark  # type: ignore[attr-defined]
    tried |= {next(iter(case[0])) for case in marks[0].args[1]}
    assert set(PLAIN_WORDS) <= tried


def values(row: dict[str, Any], x: Tensor) -> Tensor:
    layer, _ = one(row, tuple(x.shape[1:]))
    result: Tensor = layer(x)
    return result


def test_values_of_rows_without_weights() -> None:
    x = torch.randn(2, 4, 6, 6)
    blocks = x.unfold(2, 2, 2).unfold(3, 2, 2)
    assert torch.equal(values({"pool": 2}, x), blocks.amax((-1, -2)))
    torch.testing.assert_close(values({"pool": 2, "kind": "average"}, x), blocks.mean((-1, -2)))
    torch.testing.assert_close(values({"global_pool": "average"}, x), x.mean((2, 3)))
    assert torch.equal(values({"global_pool": "max"}, x), x.amax((2, 3)))
    assert torch.equal(values({"activation": "maxout"}, x), torch.maximum(x[:, :2], x[:, 2:]))
    assert torch.equal(values({"activation": "glu"}, x), x[:, :2] * x[:, 2:].sigmoid())
    assert torch.equal(values({"activation": "leaky_relu(0.5)"}, x), torch.where(x > 0, x, 0.5 * x))
    # Over the whole sample: what one channel has more than another stays.
    apart = x + torch.arange(4.0)[:, None, None]
    centered = apart - apart.mean((1, 2, 3), keepdim=True)
    deviation = (centered.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(values({"layer_norm": True}, apart), centered / deviation)
    # What is padded is no pixel: the mean of a corner is that of the four pixels that are there.
    torch.testing.assert_close(
        values({"pool": 3, "kind": "average", "stride": 1, "padding": 1}, x)[..., 0, 0], x[..., :2, :2].mean((2, 3))
    )
    torch.testing.assert_close(
        values({"pool": 3, "kind": "average", "stride": 1, "padding": "same"}, x)[..., 0, 0], x[..., :2, :2].mean((2, 3))
    )


def test_options_reach_their_layers() -> None:
    norm = one({"batch_norm": True, "momentum": 0.3, "epsilon": 0.01}, (4,))[0][0]
    assert (norm.momentum, norm.eps) == (0.3, 0.01)
    assert one({"group_norm": 2, "epsilon": 0.5}, (4,))[0][0].eps == 0.5
    response = one({"lrn": 3, "alpha": 0.5, "beta": 0.25, "k": 2}, (4, 2, 2))[0][0]
    assert (response.size, response.alpha, response.beta, response.k) == (3, 0.5, 0.25, 2.0)
    assert one({"dropout": 0.25}, (4,))[0][0].p == 0.25
    path = one({"residual": [{"dense": 4}, {"drop_path": 0.25}]}, (4,))[0][0].inner.drop_path1
    assert path.p == 0.25


@pytest.mark.parametrize(
    ("rows", "task", "kept", "says"),
    [
        ([{"dense": 10, "activation": "softmax"}], "classes", [{"dense": 10}], "softmax of row 1"),
        ([{"dense": 10}, {"activation": "softmax"}], "classes", [{"dense": 10}], "softmax of row 2"),
        ([{"dense": 10, "activation": "log_softmax"}], "classes", [{"dense": 10}], "log_softmax of row 1"),
        ([{"dense": 3, "activation": "sigmoid"}], "labels", [{"dense": 3}], "loss of labels contains it"),
        ([{"dense": 3, "activation": "sigmoid"}], "classes", None, ""),
        ([{"dense": 3, "activation": "softmax"}], "labels", None, ""),
        ([{"dense": 3, "activation": "softmax"}], "number", None, ""),
        ([{"dense": 3, "activation": "softmax(2.0)"}], "classes", None, ""),
        ([{"dense": 3, "activation": "softmax"}, {"dense": 3}], "classes", None, ""),
        ([{"dnse": 3}], "classes", None, ""),
    ],
)
def test_what_the_loss_contains_is_taken_out(rows: Any, task: str, kept: Any, says: str) -> None:
    before = [dict(row) for row in rows]
    left, note = without_contained(rows, task)
    assert list(left) == (rows if kept is None else kept)
    assert says in note
    assert bool(note) == bool(says)
    assert rows == before, "what a person wrote stays as it is"


def test_a_missing_head_is_added_and_said() -> None:
    hidden = [{"dense": 64, "activation": "sigmoid"}]
    model = from_rows((8,), 10, "classes", rows=hidden)
    assert isinstance(model.head, nn.Linear)
    assert (model.head.in_features, model.head.out_features) == (64, 10)
    assert row_notes(hidden, 10, "classes") == ["A last layer, {dense = 10}, is added to the network for the 10 classes."]
    pictures = from_rows((1, 8, 8), 3, "labels", rows=[{"conv": 4}, {"pool": 2}])
    assert pictures(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert list(dict(pictures.named_children()))[-2:] == ["head_flatten", "head"]


def test_nothing_is_added_where_the_outputs_are_there() -> None:
    assert row_notes([{"dense": 10}], 10, "classes") == []
    for rows in [{"dense": 10, "activation": "identity"}], [{"dense": 10}, {"activation": "identity"}]:
        assert row_notes(rows, 10, "classes") == []
        assert parameters(from_rows((4,), 10, "classes", rows=rows).head) == 50
    # The softmax says that these are the outputs, though no dense layer gives them.
    convolutional = [{"conv": 10, "kernel": 1}, {"global_pool": "average"}, {"activation": "softmax"}]
    model = from_rows((3, 8, 8), 10, "classes", rows=convolutional)
    assert parameters(model) == 40
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert len(row_notes(convolutional, 10, "classes")) == 1


@pytest.mark.parametrize("rows", [CIFAR, [{"residual": [{"conv": 8}, {"batch_norm": True}]}, {"local": 4}, {"lrn": 3}]])
def test_the_layout_of_memory_changes_nothing(rows: list[dict[str, Any]]) -> None:
    model = from_rows((3, 32, 32), 10, "classes", rows=rows).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = model(x)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(model(x.contiguous(memory_format=torch.channels_last)), expected, atol=1e-5, rtol=1e-4)


def test_all_of_it_runs_in_float64() -> None:
    rows = [{"residual": [{"conv": 8, "activation": "maxout"}, {"drop_path": 0.2}]}, {"global_pool": True}, {"dense": 2}]
    model = from_rows((3, 6, 6), 2, "classes", rows=rows).double()
    assert model(torch.zeros(2, 3, 6, 6, dtype=torch.float64)).dtype == torch.float64


def test_rows_are_needed() -> None:
    with pytest.raises(ArgumentError, match=r"no rows.*Expected rows such as \[\{conv = 16"):
        from_rows((3, 8, 8), 10, "classes")


def test_the_page_has_every_word_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")
    lines = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert set(lines) == set(WORDS)
    assert all(f"`{alias}`" in lines[word] for alias, word in ALIASES.items())
    for name, word in WORDS.items():
        told = lines["conv"] if name == "depthwise" else lines[name]
        assert [option for option in word.options if f"`{option}`" not in told] == [], name
    rows = tomllib.loads(page.split("```toml\n")[1].split("```")[0])["model"]["rows"]
    assert rows == CIFAR
    block = tomllib.loads("row = " + page.split("```toml\n")[2].split("```")[0])["row"]
    assert build_rows([block], (32, 9, 9)).shapes[-1] == (64, 5, 5)
