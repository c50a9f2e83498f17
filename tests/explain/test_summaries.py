"""The summary against textbook counts, PyTorch's own counters, and networks that call what they like."""

from __future__ import annotations

import json
import math
import re
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from leadline.errors import ArgumentError
from leadline.explain.summaries import Summary, summary
from leadline.explain.summary_tables import amount, bytes_in_words
from leadline.models import convnet, mlp, resnet18


def three_convolutions() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, filters in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, filters, 2, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Dropout(0.3), nn.Flatten(), nn.Linear(1024, 500), nn.ReLU(), nn.Dropout(0.4), nn.Linear(500, 10)]
    return nn.Sequential(*layers)


def products(network: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds as PyTorch counts them: half its floating-point operations."""
    network.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation, which PyTorch's counter does not know
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            network(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() // 2


def test_the_classic_network_of_528054_parameters() -> None:
    found = summary(three_convolutions(), (3, 32, 32))
    assert [row.parameters for row in found if row.parameters] == [208, 2080, 8256, 512500, 5010]
    assert found.parameters == found.trainable == 528_054
    assert [row.formulas["parameters"] for row in found if row.parameters] == [
        "K·F·F·D_in + K = 16·2·2·3 + 16 = 208",
        "K·F·F·D_in + K = 32·2·2·16 + 32 = 2,080",
        "K·F·F·D_in + K = 64·2·2·32 + 64 = 8,256",
        "K·D + K = 500·1,024 + 500 = 512,500",
        "K·D + K = 10·500 + 10 = 5,010",
    ]
    assert [row.multiply_adds for row in found if row.multiply_adds] == [
        16 * 12 * 32**2, 32 * 64 * 16**2, 64 * 128 * 8**2, 1024 * 500, 500 * 10,
    ]  # fmt: skip
    assert [row.output_shape for row in found][:3] == [(16, 32, 32), (16, 32, 32), (16, 16, 16)]
    # Kernel 2 at strides 1, 2, 4, each before a pool of 2: 1 + 1, + 1, + 2, + 2, + 4, + 4.
    assert [row.field.size[0] for row in found if row.kind in ("Conv2d", "MaxPool2d") and row.field] == [2, 3, 5, 7, 11, 15]
    assert found.parameter_bytes == 4 * 528_054
    assert sum(row.memory for row in found) == found.memory == 4 * sum(
        math.prod(row.output_shape) for row in found if row.kind not in ("Dropout", "Flatten")
    )  # fmt: skip


def test_the_table_of_it_fits_80_columns_and_says_the_formulas_on_request() -> None:
    found = summary(three_convolutions(), (3, 32, 32))
    plain, full = str(found).splitlines(), found.to_text(formulas=True).splitlines()
    assert max(map(len, plain)) <= 80
    assert max(map(len, full)) <= 80
    assert plain[2].split() == ["0", "Conv2d", "16×32×32", "208", "196.6", "k", "64", "KiB", "2/1"]
    assert "528,054" in plain[-2]
    assert any("multiply-adds: K·F·F·D_in·H'·W' = 16·2·2·3·32·32 = 196,608" in line for line in full)
    assert any("output: ⌈H/S⌉ = ⌈32/1⌉ = 32" in line for line in full)
    assert any("R + (F − 1)·D·stride = 3 + (2 − 1)·1·2 = 5" in line for line in full)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, dilation=2, groups=2), (4, 11, 9)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2), (4, 5, 6)),
        (nn.Conv1d(4, 8, 5, groups=4), (4, 20)),
        (nn.Conv3d(2, 3, 2), (2, 5, 6, 7)),
        (nn.Linear(7, 5), (3, 7)),
        (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (6, 16)),
        (resnet18(10), (3, 32, 32)),
        (convnet((1, 16, 16), 10), (1, 16, 16)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_products_are_those_that_pytorch_counts(network: nn.Module, shape: tuple[int, ...]) -> None:
    norms = sum(row.multiply_adds for row in summary(network, shape) if "Norm" in row.kind)
    assert summary(network, shape).multiply_adds - norms == products(network, torch.randn(1, *shape))


@settings(max_examples=40)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2),
    st.integers(1, 2), st.sampled_from([1, 2]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_formulas_of_windows_give_what_comes_out(
    sides: int, kernel: int, stride: int, dilation: int, padding: int, width: int, groups: int, bias: bool, transposed: bool
) -> None:
    kinds = [(nn.Conv1d, nn.Conv2d, nn.Conv3d), (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)][transposed]
    layer = kinds[sides - 1](
        2 * groups, width * groups, kernel, stride, padding=padding, dilation=dilation, groups=groups, bias=bias
    )
    shape = (2 * groups, *(9, 8, 7)[:sides])
    (row,) = summary(layer, shape)
    assert row.output_shape == tuple(layer(torch.zeros(1, *shape)).shape[1:])
    assert row.multiply_adds == products(layer, torch.zeros(1, *shape))
    assert row.parameters == sum(each.numel() for each in layer.parameters())
    for name, number in (("parameters", row.parameters), ("multiply_adds", row.multiply_adds)):
        factors = row.formulas[name].split(" = ")[1]
        assert sum(math.prod(map(int, term.split("·"))) for term in factors.split(" + ")) == number
    # Each size is written as arithmetic, which can be done.
    for size, text in zip(row.output_shape[1:], row.formulas["output"].split(" + 1 = ", 1)[1].split(", "), strict=False):
        written, result = text.rsplit(" = ", 1)
        python = re.sub(r"⌊(.*)⌋", r"(\1)", written).replace("·", "*").replace("−", "-").replace("/", "//")
        assert eval(python) == int(result) == size


def test_recurrent_layers_take_four_or_three_gates_a_step() -> None:
    assert summary(nn.LSTM(3, 5, batch_first=True), (7, 3)).multiply_adds == 7 * 4 * 5 * (3 + 5)
    assert summary(nn.GRU(3, 5, num_layers=2, bidirectional=True, batch_first=True), (7, 3)).multiply_adds == (
        2 * 7 * 3 * 5 * (3 + 5) + 2 * 7 * 3 * 5 * (10 + 5)
    )


def test_attention_takes_two_products_beside_its_four_matrices() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x, x, x)

    assert summary(Own(), (4, 6, 8)).multiply_adds == 4 * 6 * 6 * (8 + 8)
    assert summary(nn.MultiheadAttention(16, 4, batch_first=True), example=[torch.zeros(1, 6, 16)] * 3).multiply_adds == (
        4 * 6 * 16 * 16 + 2 * 6 * 6 * 16
    )


@pytest.mark.parametrize(
    ("layer", "shape", "times"),
    [
        (nn.BatchNorm2d(4), (4, 5, 6), 1),
        (nn.LayerNorm(6), (4, 6), 3),
        (nn.LayerNorm(6, elementwise_affine=False), (4, 6), 2),
        (nn.GroupNorm(2, 4), (4, 5, 6), 3),
        (nn.RMSNorm(6), (4, 6), 3),
        (nn.RMSNorm(6, elementwise_affine=False), (4, 6), 2),
    ],
)
def test_normalization_takes_so_many_a_value(layer: nn.Module, shape: tuple[int, ...], times: int) -> None:
    assert summary(layer, shape).multiply_adds == times * math.prod(shape)


class Everything(nn.Module):
    """A shared layer, functions, branches, a parameter of its own, and a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.frozen = nn.Parameter(torch.ones(8, 2), requires_grad=False)
        self.never = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        left = F.relu(self.conv(x)) * self.scale
        right = self.conv(left)
        both = torch.cat([left + x, right], dim=1)
        return torch.einsum("bchw,ck->bkhw", F.max_pool2d(both, 2), self.frozen)


def test_functions_branches_and_shared_layers_are_seen() -> None:
    found = summary(Everything(), (4, 8, 8))
    assert [(row.name, row.parameters, row.shared, row.is_layer) for row in found] == [
        ("conv", 148, 0, True),
        ("relu", 0, 0, False),
        ("mul", 4, 0, False),
        ("conv", 0, 148, True),
        ("add", 0, 0, False),
        ("cat", 0, 0, False),
        ("max_pool2d", 0, 0, False),
        ("einsum", 16, 0, False),
    ]
    assert found[3].note == "uses 148 parameters again that conv has counted"
    assert found[-1].multiply_adds == 8 * 2 * 4 * 4
    assert found.notes == ("12 parameters are not used on the way: never.bias, never.weight",)
    assert (found.parameters, found.trainable) == (180, 164)
    assert found.parameters == sum(row.parameters for row in found) + 12
    assert found[5].field is not None
    assert found[5].field.size == (5, 5)
    text = str(found)
    assert "shared" in text
    assert "16 of them frozen" in text
    assert "12 parameters are not used" in text


def test_tied_weights_are_counted_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(11, 4), nn.Linear(4, 11, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.embed(x))

    found = summary(Tied(), (6,), dtype=torch.int64)
    assert [(row.parameters, row.shared) for row in found] == [(44, 0), (0, 44)]
    assert found[1].note == "uses 44 parameters again that embed has counted"
    assert (found.parameters, found.multiply_adds) == (44, 6 * 4 * 11)


def test_what_stands_in_place_of_its_input_takes_no_memory() -> None:
    found = summary(
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Unflatten(1, (2, 3)), nn.Identity(), nn.ReLU()), (4,)
    )
    assert [row.memory for row in found] == [24, 0, 0, 0, 24]


def test_half_precision_takes_half_the_memory() -> None:
    full, half = (summary(mlp((8,), 3).to(dtype), (8,)) for dtype in (torch.float32, torch.bfloat16))
    assert (half.memory, half.parameter_bytes) == (full.memory / 2, full.parameter_bytes / 2)


def test_an_input_far_too_large_for_this_machine_is_no_matter() -> None:
    found = summary(nn.Sequential(nn.Linear(10**6, 10**6, device="meta"), nn.Linear(10**6, 2, device="meta")), (10**6, 10**6))
    assert found.multiply_adds == 10**18 + 2 * 10**12


def test_parametrized_and_compiled_layers_are_one_row() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    assert [(row.kind, row.parameters) for row in summary(layer, (4,))] == [("ParametrizedLinear", 3 + 3 * 4 + 3)]
    assert summary(torch.compile(nn.Linear(4, 3), backend="eager"), (4,)).parameters == 15


def test_scripted_and_wrapped_networks_are_told_of() -> None:
    with warnings.catch_warnings(action="ignore"):  # that scripts are on their way out
        scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    found = summary(scripted, (3, 8, 8))
    assert (len(found), found.parameters, found.multiply_adds) == (1, 112, 4 * 27 * 36)
    assert found[0].field is not None
    assert found[0].field.size == (3, 3)
    assert summary(nn.DataParallel(nn.Linear(4, 3)), (4,)).parameters == 15


def test_views_of_parameters_count_where_they_are_used() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.same = nn.Parameter(torch.zeros(1, 1, 4)), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            assert self.token.shape[2] == x.shape[2]  # a look is no use
            return torch.cat([self.token.expand(len(x), -1, -1), self.same(x)], dim=1)

    found = summary(Token(), (3, 4))
    assert [(row.name, row.parameters) for row in found] == [("same", 0), ("cat", 4)]
    assert found.notes == ()


def test_json_and_html_hold_every_row() -> None:
    found = summary(Everything(), (4, 8, 8))
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (record["parameters"], record["multiply_adds"], record["input_shapes"]) == (180, found.multiply_adds, [[4, 8, 8]])
    assert record["rows"][0]["field"] == {"size": [3, 3], "stride": [1.0, 1.0], "centre": [0.0, 0.0], "whole": False}
    page, fragment = found.to_html(), found._repr_html_()
    assert page.startswith("<!doctype html>")
    assert fragment in page
    assert fragment.count("<tr>") == len(found) + 2
    assert fragment.count("<details>") == len(found)
    assert "K·F·F·D_in + K = 4·3·3·4 + 4 = 148" in fragment


def test_names_in_html_are_text() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1

    Odd.__name__ = "<b>Odd</b>"
    assert "<b>Odd" not in summary(Odd(), (3,)).to_html()


def test_the_network_is_left_as_it_was_even_when_it_fails() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 2)).train()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    with pytest.raises(ArgumentError, match=re.escape("Got at 1 (Linear) given an input of shape [1, 3]")):
        summary(network, (3,))
    assert network.training
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_a_summary_is_a_sequence() -> None:
    found = summary(mlp((4,), 2), (4,))
    assert isinstance(found, Summary)
    assert [*found] == list(found.rows)
    assert found[-1].output_shape == (2,)


def test_large_numbers_read_well() -> None:
    assert [amount(each) for each in (0, 999, 1000, 1_234_567, 5 * 10**12)] == ["0", "999", "1 k", "1.235 M", "5 T"]
    assert [bytes_in_words(each) for each in (0, 1023, 1024, 3 * 2**40)] == ["0 B", "1023 B", "1 KiB", "3 TiB"]


def test_an_embedding_sees_its_own_number_and_no_more() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.conv = nn.Embedding(1000, 8), nn.Conv1d(8, 4, 3, stride=2)

        def forward(self, numbers: Tensor) -> Tensor:
            return self.conv(self.embed(numbers).transpose(1, 2))  # type: ignore[no-any-return]

    embed, conv = (row.field for row in summary(Words(), (20,), dtype=torch.int64))
    assert embed is not None
    assert conv is not None
    assert (str(embed), str(conv)) == ("1/1", "3/2")
    assert [embed.seen_by(at) for at in (0, 7)] == [((0, 0),), ((7, 7),)]
    # What comes after sees what it would see of the vectors themselves.
    alone = summary(nn.Conv1d(8, 4, 3, stride=2), (8, 20))[0].field
    assert [conv.seen_by(at) for at in range(9)] == [alone.seen_by(at) for at in range(9)]


class Shortcut(nn.Module):
    """(x + f(f(x))) · 0.5 with f a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.second(self.first(x))) * 0.5  # type: ignore[no-any-return]


def test_arithmetic_between_layers_stands_in_plain_words() -> None:
    found = summary(nn.Sequential(Shortcut(), nn.Flatten(), nn.Linear(4096, 10)), (4, 32, 32))
    lines = [line.split()[:2] for line in str(found).splitlines()]
    assert lines[4:6] == [["0", "sum"], ["0", "product"]]
    assert found[2].formulas["field"] == "what its 2 inputs see together, 5×5, centre 0"
    assert found[3].formulas["field"] == "that of its input, centre 0"
    assert '0 <span class="kind">sum</span>' in found.to_html()
    assert "()" not in str(found)


def test_numbers_in_formulas_have_their_thousands_apart() -> None:
    found = summary(nn.Sequential(nn.Flatten(), nn.Linear(12288, 1000)), (3, 64, 64))
    assert found[1].formulas == {
        "parameters": "K·D + K = 1,000·12,288 + 1,000 = 12,289,000",
        "multiply_adds": "D·K = 12,288·1,000 = 12,288,000",
        "memory": "values·bytes = 1,000·4 = 4,000",
        "field": "every unit sees the whole input",
    }
    wide = summary(nn.Conv2d(1, 1, 2001, stride=2), (1, 4000, 4000))[0].formulas
    assert wide["output"].endswith("⌊(4,000 + 2·0 − 1·(2,001 − 1) − 1)/2⌋ + 1 = 1,000")
