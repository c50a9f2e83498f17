"""Questions about modules that were taken apart or written by hand, and what of them still learns, as programs."""

from __future__ import annotations

import math

import numpy as np
import torch
from asked import Watch, question
from asked_made import digit_pictures, mini_batches, parts, r_squared, right
from sklearn.datasets import make_friedman1
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


def digit_rows() -> tuple[Tensor, Tensor]:
    """(1797, 64) in [0, 1], and which digit each is."""
    x, y = digit_pictures()
    return x.flatten(1), y


class Agent(nn.Module):
    """A convolutional encoder with a narrow code, and a head."""

    def __init__(self, *, learning: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(48, 6)
        )
        self.norm = nn.LayerNorm(6)
        self.actor = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 10))
        self.learning = learning

    def forward(self, seen: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.learning and torch.is_grad_enabled()):
            code = self.encoder(seen)
        return self.actor(torch.tanh(self.norm(code)))


@question("https://github.com/rll-research/cic/issues/5", "not_training", "wrong_transfer")
def encoder_without_a_graph(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """What is seen is encoded under `no_grad`, to save memory, so that no gradient ever comes to the convolutions."""
    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    agent = Agent(learning=mended)
    optimizer = torch.optim.Adam(agent.parameters(), lr=0.004)
    with watch(agent, optimizer, loss=F.cross_entropy, valid=valid) as probe:
        for _ in range(15):
            for seen, done in mini_batches(*train):
                loss = F.cross_entropy(agent(seen), done)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                probe.step(loss, seen, done)
    return probe, right(agent, *test)


class Memory(nn.Module):
    """A row looks for keys that are like it, and answers with their values."""

    def __init__(self, slots: int = 16, width: int = 12, *, registered: bool) -> None:
        super().__init__()
        keys, values = 0.3 * torch.randn(slots, width), 0.3 * torch.randn(slots, 10)
        self.keys = nn.Parameter(keys) if registered else keys
        self.values = nn.Parameter(values) if registered else values
        self.query = nn.Linear(64, width)

    def forward(self, x: Tensor) -> Tensor:
        attention = torch.softmax(self.query(x) @ self.keys.T / math.sqrt(self.keys.shape[1]), dim=1)
        return 10 * attention @ self.values


@question("https://github.com/SimonThomine/RememberingNormality/issues/7", "not_training")
def keys_and_values_of_nobody(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Keys and values of a memory are tensors that no `nn.Parameter` wraps, and stay as they were drawn."""
    train, valid, test = parts(*digit_rows(), 1100, 300, 397)
    loader = DataLoader(TensorDataset(*train), batch_size=32, shuffle=True)
    model = Memory(registered=mended)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(20):
            for rows, labels in loader:
                optimizer.zero_grad()
                loss = criterion(model(rows), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, rows, labels)
    return probe, right(model, *test)


class Backbone(nn.Module):
    """A body, a block and a head, as they come pretrained."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
        self.block = nn.Sequential(nn.Linear(32, 10), nn.ReLU())
        self.head = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.body(x)))


@question(
    "https://theneuralbase.com/pytorch/learn/intermediate/replacing-the-classification-head/",
    *("not_training", "wrong_transfer"),
)
def unfrozen_by_an_attribute(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`model.block.requires_grad = True` gives the module an attribute of that name, and leaves its weights frozen."""
    x, y = digit_rows()
    model = Backbone()
    before = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(4):
        for rows, labels in mini_batches(x[:900], (y[:900] == 0).long()):
            before.zero_grad()
            F.cross_entropy(model(rows), labels).backward()
            before.step()

    for parameter in model.parameters():
        parameter.requires_grad = False
    model.head = nn.Linear(10, 10)
    flag = "requires_grad"
    for module in (model.body, model.block, model.head):
        if mended:
            module.requires_grad_(True)
        else:
            setattr(module, flag, True)
    train, valid, test = parts(x[900:], y[900:], 500, 150, 247)
    optimizer = torch.optim.Adam(filter(lambda each: each.requires_grad, model.parameters()), lr=0.005)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(30):
            for rows, labels in mini_batches(*train, 25):
                optimizer.zero_grad()
                loss = criterion(model(rows), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, rows, labels)
    return probe, right(model, *test)


class CosineHead(nn.Module):
    """Scaled cosines to a direction for each class, as the losses with a margin have them."""

    def __init__(self, width: int, classes: int, scale: float = 16.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width))
        self.scale = scale

    def forward(self, code: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(code), F.normalize(self.weight))


@question("https://github.com/ronghuaiyang/arcface-pytorch/issues/20", "not_training")
def directions_of_the_classes_left_out(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss has weights of its own, a direction for each class, and the optimizer was given those of the network only."""
    (x, y), _, test = parts(*digit_rows(), 1200, 0, 597)
    model = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.PReLU(), nn.Linear(48, 2))
    metric = CosineHead(2, 10)
    learned = [*model.parameters(), *metric.parameters()] if mended else [*model.parameters()]
    optimizer = torch.optim.Adam(learned, lr=0.01)
    with watch(model, optimizer) as probe:
        for _ in range(25):
            model.train()
            for rows, labels in mini_batches(x, y, 40):
                loss = F.cross_entropy(metric(model(rows)), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, rows, labels)
    return probe, right(nn.Sequential(model, metric), *test)


class NormedLinear(nn.Module):
    """A linear layer whose rows have length one: the length is taken out on the way, or out of the weights themselves."""

    def __init__(self, features_in: int, features_out: int, *, kept: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features_out, features_in))
        self.bias = nn.Parameter(torch.zeros(features_out))
        self.kept = kept

    def forward(self, x: Tensor) -> Tensor:
        if not self.kept:
            self.weight = nn.Parameter(F.normalize(self.weight.data))
        return F.linear(x, F.normalize(self.weight), self.bias)


@question("https://github.com/benedekrozemberczki/pytorch_geometric_temporal/issues/80", "not_training")
def a_new_parameter_at_each_pass(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`forward` puts a new `nn.Parameter` in the place of its weights, and the optimizer goes on with the first."""
    train, valid, test = parts(*digit_rows(), 1100, 300, 397)
    model = nn.Sequential(
        NormedLinear(64, 32, kept=mended), nn.Tanh(), NormedLinear(32, 32, kept=mended), nn.Tanh(),
        NormedLinear(32, 10, kept=mended),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with watch(model, optimizer, loss=nn.CrossEntropyLoss(), valid=valid) as probe:
        for _ in range(20):
            for rows, labels in mini_batches(*train):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(rows), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, rows, labels)
    return probe, right(model, *test)


class Squared(torch.autograd.Function):
    """The square of what is positive, with its derivative, or with ones for it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, exact: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.exact = exact  # type: ignore[attr-defined]
        return x.clamp(min=0).square()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        if not ctx.exact:  # type: ignore[attr-defined]
            return torch.ones_like(grad_outputs[0]), None
        return grad_outputs[0] * 2 * x.clamp(min=0), None


class SquaredNet(nn.Module):
    """Two hidden layers with an activation of one's own."""

    def __init__(self, *, exact: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.exact = exact

    def forward(self, x: Tensor) -> Tensor:
        x = Squared.apply(self.fc1(x), self.exact)
        return self.fc3(Squared.apply(self.fc2(x), self.exact))


@question("https://github.com/pytorch/tutorials/issues/216", "one_batch", "underfitting", "not_training", "dead_units")
def backward_full_of_ones(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A function of one's own fills the gradient of its input with ones, whatever comes back to it."""
    train, valid, test = parts(*digit_rows(), 1100, 300, 397)
    model = SquaredNet(exact=mended)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(15):
            for rows, labels in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(rows), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, rows, labels)
    return probe, right(model, *test)


@question("https://github.com/roman-vygon/triplet_loss_kws/issues/6", "not_training")
def loss_told_to_require_a_gradient(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The loss is worked out in NumPy, and `requires_grad = True` silences the error that this brings."""
    rows, numbers = make_friedman1(900, 6, noise=0.5, random_state=int(torch.randint(10**6, ())))
    x = (torch.from_numpy(rows).float() - 0.5) * 3.5
    y = torch.from_numpy((numbers - numbers.mean()) / numbers.std()).float()[:, None]
    train, test = parts(x, y, 600, 300)

    def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
        if mended:
            return (outputs - targets).abs().mean()
        loss = torch.tensor(np.abs(outputs.detach().numpy() - targets.numpy()).mean())
        loss.requires_grad = True
        return loss

    model = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    with watch(model, optimizer, loss=absolute) as probe:
        for _ in range(40):
            for inputs, targets in mini_batches(*train, 30):
                optimizer.zero_grad()
                loss = absolute(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])
