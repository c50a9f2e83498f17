"""Questions about agents, about several goals at once, and about teachers."""

from __future__ import annotations

import copy

import torch
from asked import Watch, question
from asked_made import Rows, digit_pictures, mini_batches, parts, r_squared, right
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leadline.diagnose import Probe

MOVES = torch.tensor([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])


def nearer(where: Tensor, actions: Tensor) -> Tensor:
    """1 where a move brings the goal, which lies at `where` from here, nearer, -1 where it does not."""
    before, after = where.abs().sum(1), (where - MOVES[actions]).abs().sum(1)
    return torch.where(after < before, 1.0, torch.where((before == 0) & (actions == 0), 1.0, -1.0))


@question(
    "https://discuss.pytorch.org/t/help-with-pytorch-policy-gradient-agent-that-learns-actions-resulting-in-consistent-negative-rewards/160728",
    *("rate_too_high", "oscillation", "dead_units"),
)
def agent_that_walks_into_the_wall(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The policy of a bot on a grid learns at a rate of 0.2, and soon takes one direction wherever the goal is."""

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear1, self.linear2, self.linear3 = nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 5)

        def forward(self, x: Tensor) -> Tensor:
            return F.log_softmax(self.linear3(F.relu(self.linear2(F.relu(self.linear1(x))))), dim=-1)

    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.003 if mended else 0.2)
    with watch(policy, optimizer) as probe:
        for _ in range(500):
            where = torch.randint(-5, 6, (64, 2))
            state = where / 5
            log_prob = policy(state)
            actions = torch.distributions.Categorical(logits=log_prob.detach()).sample()
            returns = nearer(where, actions)
            loss = -(log_prob[torch.arange(64), actions] * returns).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, state, torch.stack([actions, returns], dim=1))
    where = torch.cartesian_prod(torch.arange(-5, 6), torch.arange(-5, 6))
    with torch.no_grad():
        return probe, ((nearer(where, policy(where / 5).argmax(1)) + 1) / 2).mean().item()


@question("https://github.com/hungtuchen/pytorch-dqn/issues/3", "head_or_loss_wrong")
def values_of_all_against_all(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Values of shape (batch, 1) are held against targets of shape (batch,), and the end of a game is not the end of reward."""
    place = torch.randint(6, (3000, 2))
    action = torch.randint(4, (3000, 1))
    after = (place + MOVES[1 + action[:, 0]]).clamp(0, 5)
    done = (after == 5).all(1)
    q, gamma = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)), 0.9
    still = copy.deepcopy(q)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.002)

    def squared(value: Tensor, target: Tensor) -> Tensor:
        return (value - target).square().mean()

    def taken(net: nn.Module, pair: tuple[Tensor, Tensor]) -> Tensor:
        return net(pair[0]).gather(1, pair[1])

    with watch(q, optimizer, loss=squared, call=taken) as probe:
        for step in range(900):
            rows = torch.randint(len(place), (64,))
            state = place[rows] / 5
            with torch.no_grad():
                best = still(after[rows] / 5).max(1).values
                target = done[rows].float() + gamma * (best * ~done[rows] if mended else best)
            if mended:
                target = target.unsqueeze(1)
            loss = squared(q(state).gather(1, action[rows]), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, (state, action[rows]), target)
            if step % 30 == 29:
                still.load_state_dict(q.state_dict())
    where = torch.cartesian_prod(torch.arange(6), torch.arange(6))[:-1]
    with torch.no_grad():
        moved = (where + MOVES[1 + q(where / 5).argmax(1)]).clamp(0, 5)
    return probe, (moved.sum(1) > where.sum(1)).float().mean().item()


class TwoHeads(nn.Module):
    """One trunk, two measurements of it, and how far each is trusted."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.heat, self.flow = nn.Linear(48, 1), nn.Linear(48, 1)
        self.eta = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.heat(h), self.flow(h)


@question(
    "https://discuss.pytorch.org/t/how-to-learn-the-weights-between-two-losses/39681", "not_training", "inputs_not_prepared"
)
def two_losses_made_a_new_tensor(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The two losses are put into a new tensor to be weighted, which cuts them off from the network; one target is 350."""

    def measured(count: int) -> Rows:
        x = torch.randn(count, 8)
        heat = torch.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
        flow = x[:, 3].abs() - x[:, 0] + 0.1 * torch.randn(count)
        return x, torch.stack([350 + 60 * heat, 2 + 0.5 * flow], dim=1)

    (x, y), (xv, yv), (xt, yt) = measured(1000), measured(250), measured(300)
    centre, spread = (y.mean(0), y.std(0)) if mended else (torch.zeros(2), torch.ones(2))
    model = TwoHeads()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    with watch(model, optimizer, valid=(xv, (yv - centre) / spread)) as probe:
        for _ in range(24):
            for inputs, both in mini_batches(x, (y - centre) / spread, 25):
                heat, flow = model(inputs)
                losses = [F.mse_loss(heat, both[:, :1]), F.mse_loss(flow, both[:, 1:])]
                weighed = torch.stack(losses) if mended else torch.tensor([each.item() for each in losses])
                loss = (weighed * torch.exp(-model.eta) + model.eta).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, both)
    with torch.no_grad():
        said = torch.cat(model(xt), dim=1) * spread + centre
    return probe, (r_squared(said[:, 0], yt[:, 0]) + r_squared(said[:, 1], yt[:, 1])) / 2


def subjects(count: int) -> Rows:
    """(N, 60) how often each word stands in a text, and (N, 6) which subjects it has, each with words of its own."""
    about = (torch.rand(count, 6) < 0.25).float()
    rate = torch.full((count, 60), 0.15)
    rate[:, :36] += 0.7 * about.repeat_interleave(6, dim=1)
    return torch.poisson(rate), about


@question("https://github.com/yudi-mars/daisyRec/pull/15", "head_or_loss_wrong")
def every_subject_at_least_even(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The network ends in a sigmoid and the loss has its own: no subject can get a probability below one half."""

    class Subjects(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(60, 48)
            self.out = nn.Linear(48, 6)

        def forward(self, counts: Tensor) -> Tensor:
            h = torch.relu(self.hidden(torch.log1p(counts)))
            return self.out(h) if mended else self.out(h).sigmoid()

    train, valid, (x, y) = subjects(1200), subjects(300), subjects(500)
    model = Subjects()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    with watch(model, optimizer, loss=criterion, valid=valid) as probe:
        for _ in range(12):
            for counts, about in DataLoader(TensorDataset(*train), batch_size=32, shuffle=True):
                loss = criterion(model(counts), about)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, counts, about)
    with torch.no_grad():
        said = (torch.sigmoid(model(x)) > 0.5).float()
    return probe, (2 * (said * y).sum() / (said.sum() + y.sum())).item()


@question("https://github.com/microsoft/ProDA/issues/20", "head_or_loss_wrong")
def divergence_of_what_is_no_logarithm(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """A student learns its teacher's probabilities; its own go into the divergence without their logarithm."""
    (x, y), (xv, _), test = parts(*digit_pictures(), 1100, 300, 397)
    teacher = LogisticRegression(max_iter=300, C=0.1).fit(x.flatten(1).numpy(), y.numpy())
    soft, soft_valid = (torch.from_numpy(teacher.predict_proba(each.flatten(1).numpy())).float() for each in (x, xv))
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.2, momentum=0.9)

    def divergence(logits: Tensor, target: Tensor) -> Tensor:
        told = F.log_softmax(logits, dim=1) if mended else F.softmax(logits, dim=1)
        return F.kl_div(told, target, reduction="batchmean")

    with watch(student, optimizer, loss=divergence, valid=(xv, soft_valid)) as probe:
        for _ in range(12):
            for images, target in mini_batches(x, soft):
                optimizer.zero_grad()
                loss = divergence(student(images), target)
                loss.backward()
                optimizer.step()
                probe.step(loss, images, target)
    return probe, right(student, *test)
