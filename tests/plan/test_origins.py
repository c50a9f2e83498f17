"""Where weights come from is found out before they are read, and the network with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from leadline.data.pictures.pictures import Pictures
from leadline.errors import DataError, PlanError, SourceNotFoundError
from leadline.models import IMAGENET_MEAN, IMAGENET_STD, PUBLISHED, convnet, resnet20, squeezenet, vgg11
from leadline.plan import Plan
from leadline.plan.origins import load_known, origin_of, with_model_of
from leadline.plan.transferred_networks import known_row, pictures_of

COLOUR = Pictures(32, 32, 3, "uint8", (90.0, 100.0, 110.0), (50.0, 60.0, 70.0))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_weights_bring_their_network(name: str) -> None:
    plan = with_model_of(Plan(), origin_of(name), set())
    assert (plan.model.name, dict(plan.model.arguments)) == (PUBLISHED[name].builder, dict(PUBLISHED[name].arguments))


def test_a_published_file_is_known_by_its_name_in_any_folder(tmp_path: Path) -> None:
    (path := tmp_path / "vgg11_bn-6002323d.pth").write_bytes(b"")
    origin = origin_of(str(path))
    assert origin.model is not None
    assert (origin.model.name, origin.model.arguments) == ("vgg11", {"batch_norm": True})
    assert origin.place == path


def test_arguments_of_ones_own_are_kept_where_the_weights_do_not_say(tmp_path: Path) -> None:
    torch.save(resnet20(classes=3, width=4).state_dict(), tmp_path / "mine.pt")
    origin = origin_of(str(tmp_path / "mine.pt"))
    plan = Plan().but({"model": "resnet20", "model.width": 4})
    plan = with_model_of(plan, origin, {"model.name", "model.width"})
    model, (row,) = load_known(origin, plan, COLOUR)
    assert (row["outputs"], row["shape"]) == (3, [3, 32, 32])
    assert model.get_submodule("linear").out_features == 3


def test_the_preparation_is_that_of_the_published_networks_or_of_the_data(tmp_path: Path) -> None:
    plan, grey, path = Plan().but({"model": "resnet20"}), Pictures(16, 16, 1, "uint8", (40.0,), (20.0,)), tmp_path / "a.pt"
    torch.save(resnet20(classes=3).state_dict(), path)
    _, (row,) = load_known(origin_of(str(path)), plan, grey)
    assert row["mean"] == pytest.approx([255 * each for each in IMAGENET_MEAN])
    assert row["std"] == pytest.approx([255 * each for each in IMAGENET_STD])
    other = Plan().but({"model": "convnet", "model.width": 4, "model.stages": 1})
    torch.save(convnet((3, 16, 16), 2, width=4, stages=1).state_dict(), path)
    _, (row,) = load_known(origin_of(str(path)), other, grey)
    assert (row["mean"], row["std"]) == ([40.0] * 3, [20.0] * 3), "nothing is known but the pictures of now"


def test_weights_without_a_last_layer_give_features_all_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {name: value for name, value in squeezenet(classes=9).state_dict().items() if "classifier" not in name}
    torch.save(state, tmp_path / "notop.pt")
    plan = Plan().but({"model": "squeezenet"})
    model, (row,) = load_known(origin_of(str(tmp_path / "notop.pt")), plan, COLOUR)
    assert torch.equal(model.state_dict()["features.0.weight"], state["features.0.weight"])
    assert row["outputs"] == 2


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    torch.save(vgg11(classes=2).state_dict(), tmp_path / "vgg.pt")
    with pytest.raises(PlanError, match="do not fit this network"):
        load_known(origin_of(str(tmp_path / "vgg.pt")), Plan().but({"model": "resnet20"}), COLOUR)
    with pytest.raises(SourceNotFoundError, match="There are no weights 'nowhere'"):
        origin_of("nowhere")
    with pytest.raises(PlanError, match="Expected model.name = resnet18"):
        with_model_of(Plan().but({"model": "resnet34"}), origin_of("resnet18"), {"model.name"})


def test_a_file_with_a_published_name_must_be_the_published_one(tmp_path: Path) -> None:
    path = tmp_path / PUBLISHED["resnet20"].file
    torch.save(resnet20(classes=10).state_dict(), path)
    origin = origin_of(str(path))
    with pytest.raises(DataError, match=r"is not the published file of that name\. Expected SHA-256 .* give it another name"):
        load_known(origin, with_model_of(Plan(), origin, set()), COLOUR)
    own = path.rename(tmp_path / "mine.th")
    model, _ = load_known(origin_of(str(own)), Plan().but({"model": "resnet20"}), COLOUR)
    assert model.get_submodule("linear").out_features == 10


def test_a_row_that_leadline_has_not_written_is_refused() -> None:
    with pytest.raises(PlanError, match="start.known does not describe a network"):
        pictures_of({"shape": [3, 8]})
    assert pictures_of(known_row(COLOUR, 4)) == COLOUR
