"""All depths from one pass: what each cut network gives by itself, or None where one pass cannot give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline.data import Classes, Pictures, Schema, Split
from leadline.models import convnet, resnet20, squeezenet
from leadline.transfer.depths import Depth, cut_depths
from leadline.transfer.extracting import Extraction
from leadline.transfer.kept import keep_depths, keep_features
from leadline.transfer.networks import backbone_of
from leadline.transfer.together import depths_together

RANDOM = np.random.default_rng(0)
SHAPE = (3, 32, 32)


def backbones_of(
    network: nn.Module, depths: list[Depth], shape: tuple[int, ...], channels: int | None = None
) -> list[nn.Module]:
    return [backbone_of(network, depth.layer, shape, grid=depth.grid, channels=channels) for depth in depths]


@pytest.mark.parametrize(
    "network", [lambda: convnet(SHAPE, 4, width=4), lambda: resnet20(classes=4), lambda: squeezenet(classes=4)]
)
@pytest.mark.parametrize("channels", [3, 1])
def test_one_pass_gives_what_each_depth_gives(network: Callable[[], nn.Module], channels: int) -> None:
    torch.manual_seed(0)
    model = network().eval()
    depths = cut_depths(model, SHAPE)
    shape = (channels, *SHAPE[1:])
    backbones = backbones_of(model, depths, shape, channels=3)
    together = depths_together(backbones, depths, shape)
    assert together is not None
    x = torch.randn(5, *shape)
    with torch.no_grad():
        expected = torch.cat([each.eval()(x) for each in backbones], 1)
        torch.testing.assert_close(together.eval()(x), expected, rtol=1e-5, atol=1e-6)


def test_a_layer_that_changes_what_was_seen_in_place_does_no_harm() -> None:
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    depths = [Depth("early", "0", (5,)), Depth("late", "before 4", (4,))]
    backbones = backbones_of(network, depths, (6,))
    together = depths_together(backbones, depths, (6,))
    assert together is not None
    x = torch.randn(9, 6)
    with torch.no_grad():
        assert bool((together(x)[:, :5] < 0).any())
        torch.testing.assert_close(together(x), torch.cat([each(x) for each in backbones], 1))


class Twice(nn.Module):
    """Calls its first layer again behind its second one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(self.second(torch.relu(self.first(x)))))


def test_where_one_pass_gives_something_else_it_is_not_taken() -> None:
    depths = [Depth("early", "first", (4,)), Depth("late", "second", (4,))]
    assert depths_together(backbones_of(Twice(), depths, (4,)), depths, (4,)) is None
    assert depths_together([nn.Linear(4, 4)] * 2, depths, (4,)) is None
    assert depths_together(backbones_of(Twice(), depths[:1], (4,)), depths[:1], (4,)) is None


def test_what_is_kept_from_one_pass_is_found_by_each_depth_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    pictures = RANDOM.integers(0, 256, (600, 12, 12, 1)).astype(np.uint8)
    split = Split(pictures, np.zeros(600, np.int64), [str(row) for row in range(600)])
    schema = Schema(Pictures.learn(pictures), Classes(("a", "b")))
    network = convnet((1, 12, 12), 2, width=4, stages=2).eval()
    depths = cut_depths(network, (1, 12, 12))
    backbones = backbones_of(network, depths, (1, 12, 12))
    rows: list[int] = []
    computed = Extraction._computed

    def counting(self: Extraction, prepared: Tensor, numbers: object) -> object:
        rows.append(len(prepared))
        return computed(self, prepared, numbers)  # type: ignore[arg-type]

    monkeypatch.setattr(Extraction, "_computed", counting)
    first = keep_features(backbones[0], split, schema, cache=tmp_path)
    assert sum(rows) == 600
    found = keep_depths(backbones, depths_together(backbones, depths, (1, 12, 12)), split, schema, cache=tmp_path)
    assert sum(rows) == 1200  # one more pass, whatever the number of depths
    assert [kept.reused for kept in found] == [True] + [False] * (len(depths) - 1)
    assert torch.equal(first.rows(), found[0].rows())
    for backbone, kept in zip(backbones, found, strict=True):
        again = keep_features(backbone, split, schema, cache=tmp_path)
        assert again.reused
        assert torch.equal(again.rows(), kept.rows())
        with torch.no_grad():
            expected = backbone.eval()(schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(pictures)))
        torch.testing.assert_close(kept.rows(), expected, rtol=4e-3, atol=4e-3)
    assert sum(rows) == 1200


def test_one_depth_that_half_precision_cannot_hold_does_not_change_the_others(tmp_path: Path) -> None:
    class Explodes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x > 30, torch.exp(x), x)

    inputs = RANDOM.normal(size=(2000, 3)).astype(np.float32)
    first = np.unique(np.linspace(0, 1999, 512).astype(np.int64))
    inputs[int(np.setdiff1d(np.arange(2000), first)[700])] = 40  # not among the rows that centre and scale are learned from
    from leadline.data import Vectors

    split = Split(inputs, np.zeros(2000, np.int64), [str(row) for row in range(2000)])
    schema = Schema(Vectors((0.0,) * 3, (1.0,) * 3), Classes(("a", "b")))
    network = nn.Sequential(nn.Identity(), Explodes(), nn.Identity())
    depths = [Depth("early", "0", (3,)), Depth("late", "2", (3,))]
    backbones = backbones_of(network, depths, (3,))
    kept = keep_depths(backbones, depths_together(backbones, depths, (3,)), split, schema, cache=tmp_path)
    assert [each.copies[0].stored.dtype for each in kept] == [np.float16, np.float32]
    assert not kept[0].note
    assert "single precision" in kept[1].note
    torch.testing.assert_close(kept[0].rows(), torch.from_numpy(inputs), rtol=4e-3, atol=4e-3)
