"""The networks of the programs, as people write them: some of modules in a row, some with functions in `forward`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import torch
from recipe import Recipe
from sources import WORDS, earlier_digits
from torch import Tensor, nn
from torch.nn import functional as F

Function = Callable[[Tensor], Tensor]
FUNCTIONS: dict[str, Function] = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu,
                                  "leaky": F.leaky_relu, "none": lambda x: x}  # fmt: skip
MODULES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU,
                                       "leaky": nn.LeakyReLU}  # fmt: skip
HEADS: dict[str, Function] = {
    "": lambda x: x,
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "softmax over rows": lambda x: F.softmax(x, 0),
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "tanh": torch.tanh,
    "flat": lambda x: x.squeeze(1),
}
HEAD_MODULES: dict[str, Callable[[], nn.Module]] = {
    "softmax": lambda: nn.Softmax(1),
    "log_softmax": lambda: nn.LogSoftmax(1),
    "softmax over rows": lambda: nn.Softmax(0),
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "flat": lambda: nn.Flatten(0),
}


def linear(recipe: Recipe) -> nn.Module:
    return nn.Sequential(nn.Linear(columns(recipe), recipe.outputs), *ends(recipe))


def columns(recipe: Recipe) -> int:
    return recipe.arrays.train[0].shape[1]


def ends(recipe: Recipe) -> list[nn.Module]:
    return [HEAD_MODULES[recipe.head]()] if recipe.head else []


class Detach(nn.Module):
    """What someone leaves behind who wanted only to look at a value."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


def perceptron(recipe: Recipe) -> nn.Module:
    """Modules in a row."""
    parts: list[nn.Module] = []
    size = columns(recipe)
    for _ in range(recipe.depth):
        parts.append(nn.Linear(size, recipe.width))
        parts += [nn.BatchNorm1d(recipe.width)] if recipe.normalize else []
        parts += [MODULES[recipe.activation]()] if recipe.activation != "none" else []
        parts += [nn.Dropout(recipe.dropout)] if recipe.dropout else []
        size = recipe.width
    parts += [Detach()] if recipe.detach == "features" else []
    return nn.Sequential(*parts, nn.Linear(size, recipe.outputs), *ends(recipe))


class Perceptron(nn.Module):
    """The same with functions."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        sizes = [columns(recipe)] + [recipe.width] * recipe.depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(recipe.width) for _ in self.hidden) if recipe.normalize else None
        self.out = nn.Linear(recipe.width, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        act = FUNCTIONS[self.recipe.activation]
        for number, layer in enumerate(self.hidden):
            x = layer(x)
            x = act(self.norms[number](x) if self.norms else x)
            x = F.dropout(x, self.recipe.dropout, self.training) if self.recipe.dropout else x
        x = x.detach() if self.recipe.detach == "features" else x
        return HEADS[self.recipe.head](self.out(x))


class Convolution(nn.Module):
    """Two convolutions with pooling, one hidden layer."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        width, kernel = recipe.width, recipe.kernel
        self.conv1 = nn.Conv2d(1, width, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(width, 2 * width, kernel, padding=kernel // 2)
        self.norm1 = nn.BatchNorm2d(width) if recipe.normalize else nn.Identity()
        self.norm2 = nn.BatchNorm2d(2 * width) if recipe.normalize else nn.Identity()
        self.fc1 = nn.Linear(2 * width * 4, 48)
        self.fc2 = nn.Linear(48, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        act = FUNCTIONS[self.recipe.activation]
        x = F.max_pool2d(act(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(act(self.norm2(self.conv2(x))), 2)
        x = x.flatten(1).detach() if self.recipe.detach == "features" else x.flatten(1)
        x = act(self.fc1(x))
        x = F.dropout(x, self.recipe.dropout, self.training) if self.recipe.dropout else x
        return HEADS[self.recipe.head](self.fc2(x))


class Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int, activation: str, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, kernel, stride, kernel // 2, bias=False)
        self.conv2 = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.short = nn.Conv2d(before, width, 1, stride, bias=False) if before != width or stride > 1 else nn.Identity()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        act = FUNCTIONS[self.activation]
        out = act(self.norm1(self.conv1(x)))
        return act(self.norm2(self.conv2(out)) + self.short(x))


class ResNet(nn.Module):
    """A stem, `depth` residual blocks, global average pooling."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        width, act, kernel = recipe.width, recipe.activation, recipe.kernel
        self.stem = nn.Conv2d(3, width, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks = [Block(width, 2 * width, 2, act, kernel)]
        blocks += [Block(2 * width, 2 * width, 1, act, kernel) for _ in range(recipe.depth - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(2 * width, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(FUNCTIONS[self.recipe.activation](self.norm(self.stem(x)))).mean((2, 3))
        x = x.detach() if self.recipe.detach == "features" else x
        x = F.dropout(x, self.recipe.dropout, self.training) if self.recipe.dropout else x
        return HEADS[self.recipe.head](self.fc(x))


CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
REACH = 3  # steps after which a truncated program forgets where its hidden state came from


class Recurrent(nn.Module):
    """An embedding where there are tokens, a recurrent layer, a linear layer on its last state."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        x = recipe.arrays.train[0]
        self.embedding = None if x.is_floating_point() else nn.Embedding(8, 8)
        self.cells = CELLS[recipe.cell](8 if self.embedding else x.shape[2], recipe.width, batch_first=True)
        self.out = nn.Linear(recipe.width, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedding(x) if self.embedding else x
        if self.recipe.detach == "hidden":
            state = None
            for part in x.split(REACH, 1):
                values, state = self.cells(part, state)
                state = tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach()
        else:
            values, _ = self.cells(x)
        last = values[:, -1].detach() if self.recipe.detach == "features" else values[:, -1]
        last = F.dropout(last, self.recipe.dropout, self.training) if self.recipe.dropout else last
        return HEADS[self.recipe.head](self.out(last))


class Bag(nn.Module):
    """The mean of the words' vectors, one hidden layer."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, recipe.width)
        self.hidden = nn.Linear(recipe.width, recipe.width)
        self.out = nn.Linear(recipe.width, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = FUNCTIONS[self.recipe.activation](self.hidden(self.embedding(x).mean(1)))
        x = x.detach() if self.recipe.detach == "features" else x
        x = F.dropout(x, self.recipe.dropout, self.training) if self.recipe.dropout else x
        return HEADS[self.recipe.head](self.out(x))


def autoencoder(recipe: Recipe) -> nn.Module:
    act = [] if recipe.activation == "none" else [MODULES[recipe.activation]]
    size, width = columns(recipe), recipe.width
    encoder = nn.Sequential(nn.Linear(size, width), *[each() for each in act], nn.Linear(width, 12))
    decoder = nn.Sequential(nn.Linear(12, width), *[each() for each in act], nn.Linear(width, size), *ends(recipe))
    middle = [Detach()] if recipe.detach == "features" else []
    return nn.Sequential(encoder, *middle, decoder)


@cache
def backbone_weights() -> dict[str, Tensor]:
    """Convolutions that have learned the digits zero to four."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = body_of_digits()
        net = nn.Sequential(body, nn.Linear(32 * 4, 5))
        x, y = earlier_digits()
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(12):
            for rows in torch.randperm(len(x)).split(32):
                optimizer.zero_grad()
                F.cross_entropy(net(x[rows]), y[rows]).backward()
                optimizer.step()
    return body.state_dict()


def body_of_digits() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten())  # fmt: skip


class Transfer(nn.Module):
    """A kept body that is not trained, and a new head."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.body = body_of_digits()
        if recipe.pretrained:
            self.body.load_state_dict(backbone_weights())
        for parameter in self.body.parameters():
            parameter.requires_grad = False
        self.fc1 = nn.Linear(32 * 4, recipe.width)
        self.fc2 = nn.Linear(recipe.width, recipe.outputs)
        self.recipe = recipe.but(arrays=None)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = FUNCTIONS[self.recipe.activation](self.fc1(self.body(x)))
        x = x.detach() if self.recipe.detach == "features" else x
        x = F.dropout(x, self.recipe.dropout, self.training) if self.recipe.dropout else x
        return HEADS[self.recipe.head](self.fc2(x))
