"""Questions about convolutional networks on small pictures."""

from __future__ import annotations

import torch
from asked import Watch, question
from asked_made import digit_pictures, mini_batches, parts, right
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe


class SmallLeNet(nn.Module):
    """Two convolutions, one pooling, two linear layers; what comes at the end is the caller's."""

    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, outputs)

    def features(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        return F.relu(self.fc1(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.features(x))


@question("https://stackoverflow.com/questions/55030217", "head_or_loss_wrong")
def softmax_at_the_end_of_a_convnet(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The forward method ends in a softmax and the loss is cross-entropy, which takes its own."""

    class Net(SmallLeNet):
        def forward(self, x: Tensor) -> Tensor:
            x = self.fc2(self.features(x))
            return x if mended else F.softmax(x, dim=1)

    train, valid, test = parts(*digit_pictures(), 1100, 300, 397)
    loader = DataLoader(TensorDataset(*train), batch_size=16, shuffle=True)
    net, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    with watch(net, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for images, labels in loader:
                optimizer.zero_grad()
                loss = criterion(net(images), labels)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, labels)
    return probe, right(net, *test)


@question("https://example-a.com/answer/55469311", "head_or_loss_wrong")
def sigmoid_under_the_negative_log_likelihood(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The last activation is a sigmoid where the negative log likelihood wants log probabilities."""

    class Net(SmallLeNet):
        def forward(self, x: Tensor) -> Tensor:
            x = self.fc2(F.dropout(self.features(x), 0.1, training=self.training))
            return F.log_softmax(x, dim=1) if mended else torch.sigmoid(x)

    (x, y), _, test = parts(*digit_pictures(), 1300, 0, 497)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    with watch(model, optimizer, loss=F.nll_loss) as probe:
        for _ in range(10):
            model.train()
            for data, target in mini_batches(x, y):
                optimizer.zero_grad()
                loss = F.nll_loss(model(data), target)
                loss.backward()
                optimizer.step()
                probe.step(loss, data, target)
    return probe, right(model, *test)


@question("https://stats.stackexchange.com/questions/372762", "inputs_not_prepared")
def pixels_from_0_to_255(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Bytes go into the network as they are; divided by 255 the same network learns."""
    x, y = digit_pictures()
    x = (x * 255).round()
    if mended:
        x = x / 255
    (x, y), valid, test = parts(x, y, 1100, 300, 397)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for inputs, targets in mini_batches(x, y):
                loss = criterion(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://boohere.com/ru/detail/80265.html", "head_or_loss_wrong")
def one_output_and_a_softmax(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two classes, one output, and a softmax over that one: the answer is 1 for every picture."""
    x, y = digit_pictures()
    (x, y), valid, test = parts(x, (y >= 5).float()[:, None], 1100, 300, 397)
    model = nn.Sequential(SmallLeNet(outputs=1), nn.Sigmoid() if mended else nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    criterion = nn.BCELoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(14):
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    model.eval()
    with torch.no_grad():
        return probe, ((model(test[0]) > 0.5) == test[1].bool()).float().mean().item()


def normed(channels_in: int, channels_out: int, momentum: float = 0.1) -> nn.Sequential:
    """A convolution, batch norm and ReLU."""
    norm = nn.BatchNorm2d(channels_out, momentum=momentum)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), norm, nn.ReLU())


@question("https://discuss.pytorch.org/t/what-does-model-eval-do-for-batchnorm-layer/7146", "mode_mismatch")
def batch_norm_whose_averages_never_arrive(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A momentum of 0.001, as others count it the other way round: in evaluation mode the averages are still the first."""
    momentum = 0.1 if mended else 0.001
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = nn.Sequential(
        normed(1, 16, momentum), nn.MaxPool2d(2), normed(16, 32, momentum), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(8):
            model.train()
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://github.com/pytorch/tutorials/pull/1602", "mode_mismatch")
def evaluation_mode_left_on(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The accuracy is checked before the first epoch, in evaluation mode, and nobody goes back to training mode."""
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = nn.Sequential(
        normed(1, 16), normed(16, 16), normed(16, 16), nn.MaxPool2d(2), normed(16, 32), normed(32, 32),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def validate() -> float:
        return right(model, *valid)

    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        validate()
        for _ in range(8):
            if mended:
                model.train()
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
            validate()
    return probe, right(model, *test)


@question("https://github.com/leftthomas/SRGAN/issues/94", "rate_too_low")
def schedule_stepped_after_every_batch(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """StepLR means epochs, but its step stands in the loop over batches: the rate is nothing after a few dozen of them."""
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = SmallLeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.3)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
                if not mended:
                    scheduler.step()
            if mended:
                scheduler.step()
    return probe, right(model, *test)


@question("https://discuss.pytorch.org/t/cross-entropy-loss-is-not-decreasing/43814", "rate_too_high", "dead_units")
def loss_stays_at_two_point_three(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A rate of 0.05 with Adam kills the ReLU units of a convnet within a few steps, and the loss stays at ln 10."""
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002 if mended else 0.05)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://github.com/BVLC/caffe/issues/1396", "over_regularized")
def weight_decay_that_empties_the_network(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The weight decay is so large that all weights go to zero and every picture gets the same answer."""
    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    model = SmallLeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.0005 if mended else 0.05)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://runebook.dev/en/docs/pytorch/generated/torch.nn.functional.dropout2d", "over_regularized")
def whole_channels_dropped_again_and_again(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Channel dropout with p = 0.8 after every convolution, written as a function with the mode handed on."""

    class Net(SmallLeNet):
        def forward(self, x: Tensor) -> Tensor:
            p = 0.05 if mended else 0.8
            x = F.dropout2d(F.max_pool2d(F.relu(self.conv1(x)), 2), p, self.training)
            x = F.dropout2d(F.relu(self.conv2(x)), p, self.training)
            return self.fc2(F.relu(self.fc1(x.flatten(1))))

    (x, y), valid, test = parts(*digit_pictures(), 1100, 300, 397)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    with watch(net, optimizer, loss=F.cross_entropy, valid=valid) as probe:
        for _ in range(20):
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(net, *test)


@question("https://rocuku.github.io/keras-validation-split-shuffle", "split_mismatch")
def the_last_fifth_of_sorted_pictures(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The pictures lie sorted by class when the last fifth is set aside: the training never sees the last classes."""
    (x, y), test = parts(*digit_pictures(), 1400, 397)
    if not mended:
        order = y.argsort(stable=True)
        x, y = x[order], y[order]
    train, valid = (x[:1120], y[:1120]), (x[1120:], y[1120:])
    model = SmallLeNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(10):
            for inputs, targets in mini_batches(*train):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)


@question("https://py4u.org/questions/73708667/", "split_mismatch", "inputs_not_prepared")
def validation_pictures_not_rescaled(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The training pictures are brought to -1 … 1, those for validation and test stay bytes."""
    x, y = digit_pictures()
    (x, y), valid, test = parts((x * 255).round(), y, 1100, 300, 397)

    def scaled(images: Tensor) -> Tensor:
        return (images / 255 - 0.5) / 0.5

    x = scaled(x)
    if mended:
        valid, test = (scaled(valid[0]), valid[1]), (scaled(test[0]), test[1])
    model = nn.Sequential(normed(1, 16), nn.MaxPool2d(2), normed(16, 32), nn.Flatten(), nn.Linear(512, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(*valid), batch_size=100)
    with watch(model, optimizer, loss=criterion, valid=loader) as probe:
        for _ in range(8):
            model.train()
            for inputs, targets in mini_batches(x, y):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    return probe, right(model, *test)
