import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.models.ensembles import Ensemble


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_the_answer_is_the_mean_of_the_answers(task: str) -> None:
    networks = [nn.Linear(3, 4) for _ in range(3)]
    x = torch.randn(5, 3)
    finish = {"classes": lambda z: z.softmax(1), "labels": torch.sigmoid, "number": lambda z: z}[task]
    expected = torch.stack([finish(network(x)) for network in networks]).mean(0)
    torch.testing.assert_close(finish(Ensemble(networks, task)(x)), expected)


def test_an_ensemble_of_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match="needs networks"):
        Ensemble([], "classes")


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no task"):
        Ensemble([nn.Linear(1, 2)], "clases")
