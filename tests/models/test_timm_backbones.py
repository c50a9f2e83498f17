"""Networks of timm by name, where timm is installed; and one paragraph where it is not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leadline import data, models
from leadline.errors import ArgumentError, DownloadError
from leadline.models import timm_backbones
from leadline.models.timm_backbones import BuilderTable, timm_builder
from leadline.plan import build, propose


def timm() -> Any:
    return pytest.importorskip("timm", reason="timm, of the extra hub, is not installed", exc_type=ImportError)


def test_the_table_knows_its_own_names_and_those_of_timm() -> None:
    table = BuilderTable({"linear": nn.Linear})
    assert list(table) == ["linear"]
    assert "timm:anything" in table
    assert "anything" not in table
    assert table["linear"] is nn.Linear
    with pytest.raises(KeyError):
        table["mlp"]


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    timm_builder.cache_clear()
    monkeypatch.setattr(timm_backbones.importlib, "import_module", missing)
    with pytest.raises(ArgumentError, match=r"timm:… need timm.*No module named 'timm'.*pip install 'leadline\[hub\]'"):
        models.MODELS["timm:convnext_tiny"]
    with pytest.raises(ArgumentError, match="need timm"):
        models.load_weights(nn.Linear(1, 1), "timm:convnext_tiny")


@pytest.mark.parametrize("name", ["convnext_atto", "resnet10t", "vit_tiny_patch16_224", "mobilenetv3_small_050.lamb_in1k"])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_ones_of_each_kind(name: str, channels: int) -> None:
    timm()
    builder = models.MODELS[f"timm:{name}"]
    model = builder(outputs=5, shape=(channels, 48, 48), dropout=0.1)
    assert model.training
    assert model(torch.randn(2, channels, 48, 48)).shape == (2, 5)
    last = model.get_submodule(models.last_layer(model))
    assert isinstance(last, nn.Linear)
    assert last.out_features == 5
    assert list(inspect.signature(builder).parameters) == ["shape", "outputs", "dropout", "drop_path"]


def test_a_plan_builds_one_and_its_first_step_learns() -> None:
    timm()
    pictures = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    rows = data.load(pictures, np.resize(["a", "b"], 40))
    plan = propose(rows, {"model": "timm:convnext_atto", "model.drop_path": 0.1, "training.device": "cpu", "training.batch": 8})
    assert plan.model.name == "timm:convnext_atto"
    built = build(plan, rows)
    before = [parameter.detach().clone() for parameter in built.model.parameters()]
    logs = built.step(next(iter(built.batches)), SimpleNamespace(step=3, fraction=0.3))
    assert logs["loss"].isfinite()
    changed = [not torch.equal(old, new) for old, new in zip(before, built.model.parameters(), strict=True)]
    assert sum(changed) > len(changed) // 2


def test_weights_with_a_new_head(tmp_path: Any) -> None:
    timm()
    torch.manual_seed(0)
    builder = models.MODELS["timm:convnext_atto"]
    trained, fresh = builder(outputs=9, shape=(3, 32, 32)), builder(outputs=2, shape=(3, 32, 32))
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    record = models.load_weights(fresh, tmp_path / "w.pt", head="new")
    assert record.new_head == "head.fc"
    assert torch.equal(fresh.get_parameter("stem.0.weight"), trained.get_parameter("stem.0.weight"))


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("convnextt_tiny", (3, 32, 32), "has no network 'convnextt_tiny'.*Did you mean 'timm:convnext_tiny'"),
        (
            "convnext_atto",
            (3, 16, 16),
            "cannot build 'convnext_atto' for pictures of 16 × 16 and 3 channels.*(288|224) pixels",
        ),
        ("convnext_atto", (20,), "needs pictures"),
    ],
)
def test_mistakes_are_one_paragraph(name: str, shape: tuple[int, ...], says: str) -> None:
    timm()
    with pytest.raises(ArgumentError, match=says):
        models.MODELS[f"timm:{name}"](outputs=2, shape=shape)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is asked of timm, in whose place a table of two networks stands: `whole`, and `cut`, which answers with maps."""
    asked: list[dict[str, Any]] = []

    def create_model(name: str, *, pretrained: bool, num_classes: int, in_chans: int, **others: Any) -> nn.Module:
        asked.append({"name": name, "pretrained": pretrained} | others)
        maps = nn.Conv2d(in_chans, num_classes, 3)
        return nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten()) if name == "whole" else maps

    library = SimpleNamespace(
        __version__="0",
        list_models=lambda: ["whole", "cut"],
        get_pretrained_cfg=lambda name: SimpleNamespace(fixed_input_size=True, input_size=(3, 224, 224), tag="in1k"),
        create_model=create_model,
    )
    timm_builder.cache_clear()
    monkeypatch.setattr(timm_backbones, "_timm", lambda: library)
    yield asked
    timm_builder.cache_clear()


def test_what_timm_is_asked_for(stand_in: list[dict[str, Any]]) -> None:
    model = models.MODELS["timm:whole.some_tag"](outputs=5, shape=(1, 20, 30), dropout=0.1, drop_path=0.2)
    assert stand_in == [{"name": "whole", "pretrained": False, "drop_rate": 0.1, "drop_path_rate": 0.2, "img_size": (20, 30)}]
    assert model.training
    assert model(torch.zeros(2, 1, 20, 30)).shape == (2, 5)


def test_what_timm_builds_is_tried_before_it_is_given(stand_in: list[dict[str, Any]]) -> None:
    with pytest.raises(ArgumentError, match="cannot build 'cut' for pictures of 9 × 9 .*no row of logits.*224 pixels"):
        models.MODELS["timm:cut"](outputs=5, shape=(3, 9, 9))
    with pytest.raises(ArgumentError, match="cannot build 'whole' for pictures of 2 × 2"):
        models.MODELS["timm:whole"](outputs=5, shape=(3, 2, 2))
    for name in ("dropout", "drop_path"):
        with pytest.raises(ArgumentError, match=f"timm:whole cannot be built: {name} is out of range"):
            models.MODELS["timm:whole"](outputs=5, shape=(3, 9, 9), **{name: 1.5})
    assert len(stand_in) == 2


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    library = timm()

    def offline(*_: Any, **__: Any) -> nn.Module:
        raise OSError("no connection")

    monkeypatch.setattr(library, "create_model", offline)
    with pytest.raises(
        DownloadError, match=r"timm:resnet10t are not on this machine.*hf download timm/resnet10t\.\w+ model.safe"
    ):
        models.load_weights(nn.Linear(1, 1), "timm:resnet10t")
