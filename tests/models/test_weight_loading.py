"""Weights into networks: all of them or none, and every difference said."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from leadline import models
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError
from leadline.models.weight_loading import LoadedWeights, last_layer, load_weights


def small(classes: int = 10, channels: int = 3) -> nn.Module:
    return models.resnet20(classes, channels, width=2)


def same(one: nn.Module, other: nn.Module) -> list[str]:
    """Names of the tensors that are equal to the bit."""
    first, second = one.state_dict(), other.state_dict()
    return [name for name in first if torch.equal(first[name], second[name])]


def saved(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path


def test_all_weights_come_over(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    for buffer in trained.buffers():
        buffer.add_(1)
    record = load_weights(fresh, saved(trained, tmp_path / "w.pt"))
    assert same(trained, fresh) == list(trained.state_dict())
    assert set(record.loaded) == set(trained.state_dict())
    assert str(record) == f"{len(record.loaded)} tensors from {tmp_path / 'w.pt'}."
    assert record.differences() == []


def test_a_new_head_for_other_classes_and_nothing_else_is_left_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, fresh = small(10), small(4)
    head = copy.deepcopy(fresh.get_submodule("linear").state_dict())
    record = load_weights(fresh, saved(trained, tmp_path / "w.pt"), head="new")
    assert record.new_head == "linear"
    assert "The last layer linear is new." in str(record)
    assert set(record.loaded) == {name for name in fresh.state_dict() if not name.startswith("linear.")}
    assert all(torch.equal(fresh.get_submodule("linear").state_dict()[name], value) for name, value in head.items())
    assert torch.equal(fresh.get_submodule("conv1").weight, trained.get_submodule("conv1").weight)


def test_a_new_head_is_new_also_where_the_old_one_would_fit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, fresh = small(), small()
    load_weights(fresh, saved(trained, tmp_path / "w.pt"), head="new")
    assert set(trained.state_dict()) - set(same(trained, fresh)) == {"linear.weight", "linear.bias"}


def test_other_classes_are_refused_with_the_way_out_and_nothing_is_changed(tmp_path: Path) -> None:
    trained, fresh = small(10), small(4)
    before = copy.deepcopy(fresh)
    with pytest.raises(
        ArgumentError,
        match="linear.weight is 10×8 in the file and 4×8 here.*for 10 classes and this network has 4: .*head='new'",
    ):
        load_weights(fresh, saved(trained, tmp_path / "w.pt"))
    assert same(before, fresh) == list(before.state_dict())


def test_other_channels_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="They are for pictures of 3 channels, and this network takes 1"):
        load_weights(small(channels=1), saved(small(), tmp_path / "w.pt"))


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = saved(models.squeezenet(10), tmp_path / "w.pt")
    for partial in (False, True):
        with pytest.raises(ArgumentError) as caught:
            load_weights(small(), path, partial=partial)
        assert str(caught.value) == (
            f"The weights of {path} do not fit this network: they are of another one. "
            "Expected those of resnet20 with width=2; got what looks like "
            "squeezenet for 10 classes: the file lacks conv1.weight and 96 more; the network has no features.0.weight and 51 "
            "more. Build the network that they are of: models.squeezenet(classes=10)."
        )


def test_weights_of_nobody_we_know_are_refused_as_well(tmp_path: Path) -> None:
    path = saved(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="the file lacks conv1.weight, .* more; the network has no 0.weight.*another"):
        load_weights(small(), path)


WHOSE: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: models.resnet34(7, width=4), "resnet34 with width=4 for 7 classes.*models.resnet34(classes=7, width=4)."),
    (lambda: models.resnet50(7, 1, width=2), "resnet50 with width=2 for 7 classes.*(classes=7, channels=1, width=2)."),
    (lambda: models.resnet56(1), "resnet56 for 1 class:.*models.resnet56(classes=1)."),
    (lambda: models.vgg11(3, width=2, hidden=8), "vgg11 with width=2, hidden=8 for 3.*vgg11(classes=3, width=2, hidden=8)."),
    (
        lambda: models.vgg11(3, width=2, hidden=8, batch_norm=True),
        "vgg11_bn with width=2, hidden=8.*models.vgg11(classes=3, batch_norm=True, width=2, hidden=8).",
    ),
    (lambda: models.alexnet(3, hidden=8), "alexnet with hidden=8 for 3 classes.*models.alexnet(classes=3, hidden=8)."),
    (lambda: models.alexnet_2012(3, hidden=8), "alexnet_2012 with hidden=8.*models.alexnet_2012(classes=3, hidden=8)."),
]


@pytest.mark.parametrize(("make", "says"), WHOSE)
def test_whose_weights_they_are_is_told(make: Callable[[], nn.Module], says: str, tmp_path: Path) -> None:
    looks, call = says.split(".*")
    with pytest.raises(ArgumentError) as caught:
        load_weights(models.resnet18(5, width=2), saved(make(), tmp_path / "w.pt"))
    text = str(caught.value)
    assert "Expected those of resnet18 with width=2; got what looks like " + looks in text
    assert text.endswith(call)
    with pytest.raises(ArgumentError, match=f"Expected the names and shapes of this one; got what looks like {looks}"):
        load_weights(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), tmp_path / "w.pt")


def test_relatives_and_families_elsewhere_are_told(tmp_path: Path) -> None:
    state = models.resnet50(3, width=2).state_dict()
    state["layer1.0.conv2.weight"] = torch.ones(4, 2, 3, 3)  # as a ResNeXt has them
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="looks like a relative of resnet50, with the same names and layers of other sizes"):
        load_weights(models.resnet50(3, width=2), tmp_path / "w.pt")
    torch.save({"features.denseblock1.denselayer1.conv1.weight": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="looks like a DenseNet: .*Build the network that they are of.$"):
        load_weights(small(), tmp_path / "w.pt")


def test_another_width_of_the_same_network_is_told(tmp_path: Path) -> None:
    path = saved(models.resnet20(width=4), tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="those of resnet20 with width=2; got what looks like resnet20 with width=4"):
        load_weights(small(), path)


def test_a_prefix_on_one_side_is_found(tmp_path: Path) -> None:
    state = {f"backbone.{name}": value for name, value in small().state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(
        ArgumentError, match="begin with 'backbone.' and are the same without it: save (.*), and load that"
    ) as it:
        load_weights(small(), tmp_path / "w.pt")
    taken_off = re.search("save ({.*}), and load", str(it.value))
    assert taken_off is not None
    torch.save(eval(taken_off.group(1), {"state": state}), tmp_path / "w.pt")  # what it advises does it
    load_weights(small(), tmp_path / "w.pt")
    wrapped = nn.ModuleDict({"net": small()})
    with pytest.raises(ArgumentError, match="names of the network begin with 'net.'.*load them into its part 'net'"):
        load_weights(wrapped, tmp_path / "w.pt")
    load_weights(wrapped["net"], tmp_path / "w.pt")


def test_weights_without_a_last_layer_get_a_new_one(tmp_path: Path) -> None:
    state = {name: value for name, value in small().state_dict().items() if not name.startswith("linear.")}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="The file has no last layer linear: leave .* with head='new'"):
        load_weights(small(), tmp_path / "w.pt")
    assert load_weights(small(), tmp_path / "w.pt", head="new").new_head == "linear"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "got a NoneType"),
        ("", "got an empty text"),
        ({"a": torch.ones(1)}, "got a dict. What is read already goes in by model.load_state_dict"),
    ],
)
def test_what_is_no_source_is_refused(source: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=f"There are no weights to load. Expected a file.*{says}"):
        load_weights(small(), source)


def test_a_name_almost_right_gets_the_nearest(tmp_path: Path) -> None:
    state = small().state_dict()
    state["layer2.0.conv_1.weight"] = state.pop("layer2.0.conv1.weight")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="Is the file's 'layer2.0.conv_1.weight' the network's 'layer2.0.conv1.weight'"):
        load_weights(small(), tmp_path / "w.pt")


def test_partial_takes_what_fits_and_lists_the_rest(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, fresh = small(10), small(4)
    state = trained.state_dict()
    state["extra"] = torch.ones(2)
    del state["bn1.weight"]
    fresh.get_parameter("bn1.weight").data.fill_(7)
    torch.save(state, tmp_path / "w.pt")
    record = load_weights(fresh, tmp_path / "w.pt", partial=True)
    assert record.missing == ("bn1.weight",)
    assert record.unexpected == ("extra",)
    assert [name for name, _, _ in record.other_shapes] == ["linear.weight", "linear.bias"]
    assert fresh.get_parameter("bn1.weight").unique().item() == 7
    assert len(record.loaded) == len(state) - 3
    assert "The file lacks bn1.weight. The network has no extra." in str(record)


def test_counters_of_batches_may_be_missing_as_in_old_files(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    torch.save({k: v for k, v in trained.state_dict().items() if "num_batches" not in k}, tmp_path / "w.pt")
    assert load_weights(fresh, tmp_path / "w.pt").missing == ()


def test_numbers_that_are_not_finite_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    before = copy.deepcopy(fresh)
    trained.get_parameter("layer3.2.conv2.weight").data[0, 0, 0, 0] = torch.nan
    with pytest.raises(DataError, match="layer3.2.conv2.weight holds numbers that are not finite"):
        load_weights(fresh, saved(trained, tmp_path / "w.pt"))
    assert same(before, fresh) == list(before.state_dict())


def test_half_precision_becomes_the_networks_own(tmp_path: Path) -> None:
    trained, fresh = small(), small()
    torch.save({name: value.half() for name, value in trained.state_dict().items()}, tmp_path / "w.pt")
    load_weights(fresh, tmp_path / "w.pt")
    assert fresh.get_parameter("conv1.weight").dtype == torch.float32
    assert torch.equal(fresh.get_parameter("conv1.weight"), trained.get_parameter("conv1.weight").half().float())


def test_frozen_weights_are_loaded_and_stay_frozen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, fresh = (models.fast_convnet((3, 8, 8), 2, width=2) for _ in range(2))
    load_weights(fresh, saved(trained, tmp_path / "w.pt"))
    assert torch.equal(fresh.get_parameter("0.weight"), trained.get_parameter("0.weight"))
    assert not fresh.get_parameter("0.weight").requires_grad


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("resnet81", SourceNotFoundError, "There are no weights 'resnet81'.*Did you mean 'resnet18'"),
        ("weights/none.pth", SourceNotFoundError, "There are no weights at weights/none.pth"),
        (Path("resnet18x"), SourceNotFoundError, "There are no weights at resnet18x"),
        (".", SourceNotFoundError, "a folder with model.safetensors"),
    ],
)
def test_sources_that_lead_nowhere(source: Path | str, error: type[Exception], says: str, workplace: Path) -> None:
    with pytest.raises(error, match=says):
        load_weights(small(), source)


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    trained, fresh = small(), small()
    saved(trained, tmp_path / "w.pt")
    load_weights(fresh, "~/w.pt")
    assert same(trained, fresh) == list(trained.state_dict())


def test_an_unknown_word_for_the_head(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="There is no head 'news'.*Did you mean 'new'"):
        load_weights(small(), tmp_path, head="news")


def test_a_network_without_a_last_layer_cannot_have_a_new_one(tmp_path: Path) -> None:
    norm = nn.Sequential(nn.BatchNorm1d(3))
    path = saved(norm, tmp_path / "w.pt")
    with pytest.raises(ArgumentError, match="no last layer that could stay new"):
        load_weights(norm, path, head="new")
    assert len(load_weights(norm, path).loaded) == 5


def test_a_network_without_weights(tmp_path: Path) -> None:
    with pytest.raises(LeadlineError, match="do not fit this network"):
        load_weights(nn.ReLU(), saved(small(), tmp_path / "w.pt"))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (lambda: models.vgg11(3, width=2, hidden=4), "classifier.6"),
        (lambda: models.resnet18(3, width=2), "fc"),
        (lambda: models.resnet20(3, width=2), "linear"),
        (lambda: models.squeezenet(3), "classifier.1"),
        (lambda: models.fast_convnet((1, 8, 8), 3, width=2), "23"),
        (lambda: nn.ReLU(), ""),
    ],
)
def test_the_last_layer(model: object, name: str) -> None:
    assert last_layer(model()) == name  # type: ignore[operator]


def test_a_long_record_counts_what_it_does_not_list() -> None:
    record = LoadedWeights("w", ("a",), missing=tuple("bcdefgh"))
    assert str(record) == "1 tensor from w. The file lacks b, c, d, e and 3 more."
