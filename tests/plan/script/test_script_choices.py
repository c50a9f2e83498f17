"""Every choice of a training that a script must follow: it gives the same weights to the bit, and holds nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scripted import assert_same_weights, by_leadline, dataset, plan_for

from leadline import data, losses
from leadline.losses import LOSSES
from leadline.optim import OPTIMIZERS
from leadline.plan import propose

MLP = {"model": "mlp", "model.width": 16, "training.batch": 16}
TASK_OF = {"classes": "vectors classes", "labels": "vectors labels", "number": "vectors number"}

CHOICES: list[tuple[str, dict[str, Any], str]] = [
    ("classes", {"training.average": ""}, ""),
    ("classes", {"training.average": "ema(0.9)"}, "follow(average, model, 1 - min(0.9"),
    ("classes", {"training.average": "swa(0.5)"}, "(step + 1) % STEPS == 0"),
    ("classes", {"training.average": "swa(0.3, every=3)"}, "late % 3 == 0"),
    ("classes", {"training.average": "lookahead(3, share=0.6)"}, "slow.lerp_(fast, 0.6)"),
    ("classes", {"training.clip": "norm(0.1)"}, "clip_grad_norm_(parameters, 0.1)"),
    ("classes", {"training.clip": "value(0.01)"}, "clip_grad_value_(parameters, 0.01)"),
    ("classes", {"training.clip": "percentile(50, warm_up=2)"}, "clip(parameters)"),
    ("classes", {"training.accumulate": 3}, "tensor_split"),
    ("classes", {"training.batch": 0}, "BATCH = 140"),
    ("classes", {"training.batch": 139}, "order[:-1]"),
    (
        "classes",
        {"training.batch": 46, "training.patience": 1, "training.min_change": 0.01, "training.epochs": 9},
        "waited == 1",
    ),
    ("classes", {"training.label_smoothing": 0.2}, "label_smoothing=0.2"),
    ("classes", {"training.class_weights": "balanced", "training.entropy_bonus": 0.05}, 'class_weights=data["class_weights"]'),
    ("labels", {"training.class_weights": "balanced", "training.label_smoothing": 0.1}, "targets * (1 - 0.1)"),
    ("classes", {"training.penalties.l1": 1e-3, "training.penalties.orthogonal": 1e-3}, "penalties(model)"),
    ("classes", {"start.initialize": "he(mode='fan_out')", "model.dropout": 0.3}, "set_rng_state"),
    ("classes", {"training.schedule": "step_drops([1, 2], factor=0.3) * warm_up(0.3)"}, "step_drops(done) * warm_up(done)"),
    ("classes", {"training.schedule": "cosine", "training.warm_up": 0.2}, "cosine(done) * warm_up(done)"),
    (
        "classes",
        {"training.schedule": "plateau(factor=0.5, patience=1) * warm_up(0.3) * cosine", "training.epochs": 9},
        "plateau.update",
    ),
    ("classes", {"training.schedule": "constant", "training.monitor": "loss"}, "train_loss < best"),
    ("classes", {"training.monitor": "valid_accuracy"}, "score > best"),
    ("labels", {"training.monitor": "valid_average_precision"}, "labels_average_precision"),
    ("number", {"training.monitor": "valid_mae"}, "in_units(outputs)"),
    ("classes", {"training.precision": "bfloat16"}, "torch.autocast"),
    ("classes", {"training.optimizer": "lbfgs", "training.batch": 0, "training.penalties.l2": 1e-3}, "optimizer.step(closure)"),
    ("classes", {"training.seed": 7}, "SEED = 7"),
]


@pytest.mark.parametrize(("task", "changes", "part"), CHOICES, ids=lambda value: str(value)[:50])
def test_a_choice_is_followed(task: str, changes: dict[str, Any], part: str, tmp_path: Path) -> None:
    name = TASK_OF[task]
    text = assert_same_weights(plan_for(name, MLP | changes), dataset(name), tmp_path)
    assert part in text


def test_a_plan_without_them_has_none_of_these_parts(tmp_path: Path) -> None:
    bare = MLP | {"training.average": "", "training.schedule": "constant", "training.patience": 0, "model.dropout": 0.0}
    text = assert_same_weights(plan_for("vectors classes", bare), dataset("vectors classes"), tmp_path)
    assert not [part for _, _, part in CHOICES if part and part in text]
    assert len(text.splitlines()) < 115


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_pictures_are_varied_and_laid_out(layout: str, tmp_path: Path) -> None:
    varied = {f"training.augment.{name}": 0.1 for name in ("shift", "zoom", "brightness", "contrast")}
    varied |= {"training.augment.flip": True, "training.augment.rotate": 10.0, "training.layout": layout}
    plan = plan_for("digits classes", {"model": "convnet", "model.width": 8, "training.epochs": 2, **varied})
    text = assert_same_weights(plan, dataset("digits classes"), tmp_path)
    assert "augment(prepare(" in text
    assert ("model.to(memory_format=torch.channels_last)" in text) is (layout == "channels_last")


AUGMENTED: list[tuple[str, dict[str, Any], str]] = [
    ("classes", {"flip": "alternating", "shift": 0.2, "rotate": 0, "zoom": 0, "edge": "reflect"}, "epoch % 2"),
    ("classes", {"flip": False, "crop": 0.4, "saturation": 0.3, "cutout": 0.3, "edge": "mean"}, "def crop_windows("),
    ("classes", {"flip": False, "cutmix": 1.0}, "def cutmix("),
    ("labels", {"flip": False, "mixup": 0.3}, "def mixup("),
    ("number", {"flip": False, "cutmix": 1.0, "mixup": 0.3}, "def cutmix("),
]


@pytest.mark.parametrize(("task", "kinds", "part"), AUGMENTED, ids=lambda value: str(value)[:40])
def test_every_way_to_vary_pictures(task: str, kinds: dict[str, Any], part: str, tmp_path: Path) -> None:
    chosen = {f"training.augment.{name}": value for name, value in kinds.items()}
    small = {"model": "convnet", "model.width": 8, "training.epochs": 2}
    name = f"pictures {task}"
    text = assert_same_weights(plan_for(name, small | chosen), dataset(name), tmp_path)
    assert part in text
    others = {"def crop_windows(", "def mixup(", "def cutmix(", "epoch % 2"} - {part}
    others -= {"def mixup("} if "mixup" in kinds else set()
    assert not [other for other in others if other in text], "what is not asked for is not written"


@pytest.mark.parametrize("optimizer", [*sorted(OPTIMIZERS), "lbfgs(iterations=3)", "adam(beta2=0.9, amsgrad=True)"])
def test_every_optimizer(optimizer: str, tmp_path: Path) -> None:
    plan = plan_for("vectors classes", MLP | {"training.optimizer": optimizer, "training.weight_decay": 0.02})
    assert_same_weights(plan, dataset("vectors classes"), tmp_path)


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"perceptron"}))
def test_every_loss(loss: str, tmp_path: Path) -> None:
    for task in set(LOSSES[loss].tasks) - {"pairs", "forecast"}:  # whose trainings are not written as scripts
        (folder := tmp_path / task).mkdir()
        changes = MLP | {"training.loss": loss, "training.epochs": 2}
        text = assert_same_weights(plan_for(TASK_OF[task], changes), dataset(TASK_OF[task]), folder)
        assert "ArgumentError" not in text
    assert callable(losses.get(loss))


def test_weights_to_begin_with_come_along(tmp_path: Path) -> None:
    plan, rows = plan_for("vectors classes", MLP), dataset("vectors classes")
    save_file(by_leadline(plan, rows), tmp_path / "before.safetensors")
    again = plan.but({"start.weights": str(tmp_path / "before.safetensors"), "training.seed": 3})
    text = assert_same_weights(again, rows, tmp_path)
    assert "before.safetensors" not in text, "the script needs no file but its own"
    assert "set_rng_state" not in text, "the network is built as before, so the random numbers come as before"


def test_skewed_targets_are_bent_as_the_schema_bends_them(tmp_path: Path) -> None:
    import polars as pl

    generator = np.random.default_rng(1)
    numbers = generator.normal(size=(160, 2))
    frame = pl.DataFrame({"a": numbers[:, 0], "b": numbers[:, 1], "y": np.exp(4 * numbers[:, 0] + generator.normal(size=160))})
    rows = data.load(frame, target="y", task="number", transform="log")
    settled = {"training.device": "cpu", "training.threads": 1, "training.epochs": 2, "training.layout": "contiguous"}
    plan = propose(rows, settled | {"training.monitor": "valid_mae", "model.members": 2})
    text = assert_same_weights(plan, rows, tmp_path)
    assert "torch.asinh" in text
    assert "torch.sinh" in text


def test_two_seeds_give_two_networks(tmp_path: Path) -> None:
    one, two = (
        by_leadline(plan_for("vectors classes", MLP | {"training.seed": seed}), dataset("vectors classes")) for seed in (0, 1)
    )
    assert not torch.equal(one["1.weight"], two["1.weight"]), "or else equal weights would say nothing"
