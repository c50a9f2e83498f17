"""A softmax between layers is found, that of an attention is none, and the changes that mend heads and activations."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.checks.loss_graphs import read_graph
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.branching import branch
from leadline.diagnose.trials.function_sites import calls_of
from leadline.diagnose.trials.samples import a_subject

X = torch.randn(8, 5, 6, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    """The weights of an attention share a sum of 1 as they should."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.value, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = F.softmax(self.query(x) @ x.transpose(1, 2), dim=-1)
        return self.last(weights @ self.value(x)).mean(1)


def between(width: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, width), nn.Softmax(-1), nn.Dropout(0.1), nn.Linear(width, 3))


def test_a_softmax_between_layers_is_no_attention() -> None:
    flat = X[:, 0]
    network = between()
    assert read_graph(network(flat).sum(), network, []).softmaxed == ["3"]
    assert read_graph(network(X).sum(), network, []).softmaxed == ["3"]
    attention = Attention()
    assert read_graph(attention(X).sum(), attention, []).softmaxed == []
    assert [(call.name, call.fed) for call in calls_of(network.eval(), flat)] == [("softmax", True), ("dropout", True)]
    assert [call.fed for call in calls_of(attention, X)] == [False]


def test_a_relu_takes_the_place_of_a_softmax_between_layers() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 40), nn.Softmax(1), nn.Linear(40, 40), nn.Softmax(1), nn.Linear(40, 3))
    tried = branch(a_subject(network, rate=0.1, steps=20), "activation", "relu", steps=100, seeds=2)
    assert tried is not None
    assert tried.gain > 0.1


def test_one_output_for_many_numbers_of_classes_becomes_one_a_class() -> None:
    torch.manual_seed(0)
    x = torch.randn(400, 6)
    rows = Rows(x, x[:, :4].argmax(1).float())

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets)

    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    tried = branch(a_subject(network, loss=loss, rows=rows, task="number", rate=0.1), "head", "classes", steps=100, seeds=2)
    assert tried is not None
    assert sum(tried.errors) / 2 < 0.8 < sum(tried.twin_errors) / 2
