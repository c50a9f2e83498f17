import numpy as np
import pytest
import torch
from torch import nn

from leadline.data import load
from leadline.errors import ArgumentError, PlanError
from leadline.plan import Plan, build, propose
from leadline.plan.first_weights import check_first_weights

CPU = {"training.device": "cpu", "training.threads": 1}


@pytest.mark.parametrize("text", ["whiten_patches(epsilon=0.01)", "orthogonal * whiten_patches", "whiten_patches * orthogonal"])
def test_the_first_filters_whiten_the_training_pictures(text: str) -> None:
    digits = load("digits")
    built = build(propose(digits, {**CPU, "model": "convnet", "model.width": 9, "start.initialize": text}), digits)
    first = next(module for module in built.model.modules() if isinstance(module, nn.Conv2d))
    prepare = digits.schema.inputs.preparer(torch.device("cpu"))
    pictures = prepare(torch.from_numpy(np.asarray(digits.train.inputs)))
    with torch.no_grad():
        outputs = nn.functional.conv2d(pictures, first.weight).transpose(0, 1).flatten(1)[:9]
    spread = outputs.cov()
    assert spread.diagonal().max() < 1.1
    assert (spread - spread.diagonal().diag()).abs().max() < 0.05
    second = [module for module in built.model.modules() if isinstance(module, nn.Conv2d)][1].weight.flatten(1)
    orthogonal = torch.allclose(second @ second.T, torch.eye(len(second)), atol=1e-4)
    assert orthogonal == ("orthogonal" in text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whiten_patches(epsilon=0)", "epsilon above 0"),
        ("whiten_patches(0.1)", "do not fit"),
        ("whiten_patch", "There is no initialization"),
        ("he * orthogonal", "by one rule"),
        ("he *", "cannot be read"),
    ],
)
def test_what_names_no_first_weights_is_refused(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        check_first_weights(text)
    with pytest.raises(PlanError, match=words):
        Plan().but({"start.initialize": text})


def test_rows_have_no_patches_and_a_perceptron_no_filters() -> None:
    rows = load(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2)
    with pytest.raises(PlanError, match=r"no convolution|Only pictures"):
        build(propose(rows, {**CPU, "start.initialize": "whiten_patches"}), rows)
    digits = load("digits")
    with pytest.raises(PlanError, match="no convolution"):
        build(propose(digits, {**CPU, "model": "mlp", "start.initialize": "whiten_patches"}), digits)
