"""Questions about pictures on their way into a network: their scale, how they are turned, what follows a layer."""

from __future__ import annotations

import numpy as np
import torch
from asked import Watch, question
from asked_made import digit_pictures, mini_batches, parts, right
from numpy.typing import NDArray
from question_rows import accuracy, digits
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe

SIDE = 12
SIGNS = torch.tensor(
    [
        [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],
        [[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]],
        [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]],
        [[1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],
    ],
    dtype=torch.float32,
)


def sign_pictures(count: int) -> tuple[Tensor, Tensor]:
    """(N, H, W, 3) in about [0, 1]: a plus, a cross, a frame or a T anywhere, in any colour, on a dim ground."""
    kind = torch.randint(len(SIGNS), (count,))
    x = 0.15 * torch.rand(count, SIDE, SIDE, 3)
    for row in range(count):
        top, left = torch.randint(SIDE - 4, (2,)).tolist()
        colour = 0.4 + 0.6 * torch.rand(3)
        x[row, top : top + 5, left : left + 5] += 0.85 * SIGNS[kind[row], :, :, None] * colour
    return x, kind


def to_tensor(picture: NDArray[np.generic]) -> Tensor:
    """As torchvision has it: bytes are divided by 255, floating-point numbers are taken as they are."""
    tensor = torch.from_numpy(picture)[None]
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()


@question("https://github.com/pytorch/vision/issues/546", "inputs_not_prepared", "non_finite", "rate_too_high", "dead_units")
def floats_that_nobody_divides(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Pictures from 0 to 255 were made floating-point before `to_tensor`, which divides nothing but bytes."""
    raw, y = digit_pictures()
    pictures = (raw[:, 0] * 255).round().numpy().astype(np.uint8 if mended else np.float32)
    x = torch.stack([(to_tensor(picture) - 0.1307) / 0.3081 for picture in pictures])
    train, test = parts(x, y, 1300, 497)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 10, 3)
            self.conv2 = nn.Conv2d(10, 20, 3)
            self.fc1 = nn.Linear(80, 50)
            self.fc2 = nn.Linear(50, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.conv1(x))
            x = F.relu(F.max_pool2d(self.conv2(x), 2))
            x = F.relu(self.fc1(x.view(-1, 80)))
            return F.log_softmax(self.fc2(x), dim=1)

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    with watch(model, optimizer, loss=F.nll_loss) as probe:
        for _ in range(10):
            for data, target in mini_batches(*train):
                optimizer.zero_grad()
                loss = F.nll_loss(model(data), target)
                loss.backward()
                optimizer.step()
                probe.step(loss, data, target)
    return probe, right(model, *test)


@question("https://github.com/choyingw/SynergyNet/issues/19", "inputs_not_prepared")
def standardized_as_though_they_were_bytes(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """127.5 is taken from pixels that lie between 0 and 1 already, so that all of them are about -0.99."""
    x, y = digit_pictures()
    mean, std = (0.5, 0.5) if mended else (127.5, 128.0)
    (x, y), valid, test = parts((x - mean) / std, y, 1100, 300, 397)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3, padding=1), nn.LeakyReLU(),
        nn.Flatten(), nn.Linear(24 * 16, 48), nn.LeakyReLU(), nn.Linear(48, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            model.train()
            for start in range(0, len(x), 25):
                outputs = model(x[start : start + 25])
                loss = criterion(outputs, y[start : start + 25])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, x[start : start + 25], y[start : start + 25])
            right(model, *valid)
    return probe, right(model, *test)


@question(
    "https://datascience.stackexchange.com/questions/71950/artificially-expanding-the-datasets-through-rotation-of-images-in-mnist/72051",
    *("split_mismatch", "over_regularized", "label_noise", "underfitting"),
)
def digits_turned_upside_down(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The augmentation turns and mirrors digits at will, and what was a 6 is a 9."""
    (x, y), valid, test = parts(*digit_pictures(), 1000, 300, 497)

    def augmented(images: Tensor) -> Tensor:
        images = images.roll(int(torch.randint(-1, 2, ())), dims=3)
        if mended:
            return images
        turned = [torch.rot90(image, int(torch.randint(4, ())), dims=(1, 2)) for image in images]
        return torch.stack([image.flip(1) if torch.rand(()) < 0.5 else image for image in turned])

    model = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 40), nn.ReLU(),
        nn.Linear(40, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for images, labels in mini_batches(x, y):
                images = augmented(images)
                optimizer.zero_grad()
                loss = criterion(model(images), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
    return probe, right(model, *test)


class AllConvolutions(nn.Module):
    """Strided convolutions in place of pooling, with or without an activation after each."""

    def __init__(self, *, activated: bool) -> None:
        super().__init__()
        self.steps = nn.ModuleList([nn.Conv2d(3, 16, 5), nn.Conv2d(16, 24, 3, stride=2), nn.Conv2d(24, 24, 3)])
        self.classes = nn.Conv2d(24, 4, 1)
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
            if self.activated:
                x = x.relu()
        return self.classes(x).mean(dim=(2, 3))


@question("https://github.com/getcrest/All-Conv-Keras/issues/6", "no_nonlinearity", "underfitting")
def strides_without_activations(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Pooling was replaced by strided convolutions, and the only thing that was not linear went with it."""
    x, y = sign_pictures(1500)
    (x, y), valid, test = parts(x.permute(0, 3, 1, 2).contiguous() - 0.2, y, 1000, 200, 300)
    net = AllConvolutions(activated=mended)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.004)
    criterion = nn.CrossEntropyLoss()
    with watch(net, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(9):
            for images, labels in mini_batches(x, y, 25):
                loss = criterion(net(images), labels)
                net.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
    return probe, right(net, *test)


@question("https://github.com/yangze0930/NTS-Net/issues/14", "mode_mismatch", "over_regularized")
def dropout_made_on_the_way(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """`forward` makes its dropout itself, which is in training mode whatever the network is in."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 16, 3)
            self.drop = nn.Dropout(0.6)
            self.hidden = nn.Linear(144, 48)
            self.last = nn.Linear(48, 10)

        def forward(self, x: Tensor) -> Tensor:
            drop = self.drop if mended else nn.Dropout(0.6)
            x = F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1)
            return self.last(drop(F.relu(self.hidden(drop(x)))))

    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    net = Net()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    with watch(net, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(18):
            net.train()
            for images, labels in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(net(images), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
            right(net, *valid)
    return probe, right(net, *test)


@question("https://github.com/martinwicke/tf-dev-summit-tensorboard-tutorial/issues/3", "head_or_loss_wrong", "dead_units")
def relu_over_the_scores(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A helper puts a ReLU after each linear layer, and the last one gives the scores of the classes."""
    rows = digits()

    def linear(features_in: int, features_out: int, *, last: bool = False) -> list[nn.Module]:
        return [nn.Linear(features_in, features_out)] if last and mended else [nn.Linear(features_in, features_out), nn.ReLU()]

    model = nn.Sequential(*linear(64, 64), *linear(64, 32), *linear(32, 10, last=True))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.8)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=(rows.xv, rows.yv)) as probe:
        for _ in range(20):
            for inputs, labels in mini_batches(rows.x, rows.y, 25):
                optimizer.zero_grad()
                loss = criterion(model(inputs), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, labels)
    return probe, accuracy(model, rows.xt, rows.yt)
