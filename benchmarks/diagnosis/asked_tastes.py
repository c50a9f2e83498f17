"""Questions about likeness, tastes and agents: contrastive losses, recommenders, a policy, pictures that come out white."""

from __future__ import annotations

import torch
from asked import Probe, Watch, question
from asked_made import digit_pictures, mini_batches, parts, r_squared
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F


@question(
    "http://pullrequest.ru/9188682/pochemu-etot-avtoenkoder-sostoyaschii-vseh-svertok-prodolzhaet-vyvodit-izobrazhenie-chistoe-beloe-izobrazhenie",
    *("head_or_loss_wrong", "inputs_not_prepared", "rate_too_low", "saturation", "stopped_too_early"),
)
def pictures_that_come_out_white(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: tanh gives at most 1 where pixels go to 255, and the rate is 0.00001."""
    pictures, y = digit_pictures()
    x = 2 * pictures - 1 if mended else 255 * pictures
    (x, _), (xv, _), (xt, _) = parts(x, y, 1000, 300, 497)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh()),
    )
    mse = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3 if mended else 1e-5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 15, gamma=0.2)
    with watch(model, optimizer, loss=mse, valid=(xv, xv)) as probe:
        for _ in range(20):
            model.train()
            for some in torch.randperm(1000).split(50):
                batch = x[some]
                optimizer.zero_grad()
                loss = mse(model(batch), batch)
                loss.backward()
                optimizer.step()
                probe.step(loss, batch, batch)
            schedule.step()
    model.eval()
    with torch.no_grad():
        return probe, r_squared(model(xt), xt)


@question(
    "https://github.com/google-research/simclr/issues/141",
    *("rate_too_high", "dead_units", "oscillation", "exploding_gradient"),
)
def two_views_at_a_rate_of_a_tenth(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The contrastive loss of two views stays near the logarithm of the batch: the steps are far too long."""
    (x, y), _, (xt, _) = parts(*digit_pictures(), 1200, 0, 597)
    encoder = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 96),
        nn.ReLU(),
        nn.Linear(96, 96),
        nn.ReLU(),
        nn.Linear(96, 96),
        nn.ReLU(),
        nn.Linear(96, 32),
    )
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3 if mended else 1e-1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)

    def seen(pictures: Tensor) -> Tensor:
        moved = pictures.roll(int(torch.randint(-1, 2, ())), 3)
        return moved * (torch.rand_like(moved) < 0.9) + 0.05 * torch.randn_like(moved)

    def alike(first: Tensor, second: Tensor) -> Tensor:
        logits = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T / 0.2
        same = torch.arange(len(logits))
        return (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2

    with watch(
        encoder, optimizer, call=lambda model, views: torch.stack([model(view) for view in views.unbind(1)], 1)
    ) as probe:
        for _ in range(40):
            for pictures, labels in mini_batches(x, y, 60):
                one, other = seen(pictures), seen(pictures)
                loss = alike(encoder(one), encoder(other))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, torch.stack([one, other], 1), labels)
            schedule.step()
    with torch.no_grad():
        one, other = F.normalize(encoder(seen(xt)), dim=1), F.normalize(encoder(seen(xt)), dim=1)
        ranks = (one @ other.T).argsort(1, descending=True)[:, :10]
    return probe, (ranks == torch.arange(len(xt))[:, None]).any(1).float().mean().item()


@question("https://github.com/KevinMusgrave/pytorch-metric-learning/issues/504", "head_or_loss_wrong")
def margins_of_a_distance_for_a_likeness(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Margins of 0 and 1 are meant for distances; of cosines they ask little of like pairs, and of unlike ones nothing."""
    (x, y), _, (xt, yt) = parts(*digit_pictures(), 1200, 0, 597)
    x, xt = x.flatten(1), xt.flatten(1)
    like, unlike = (1.0, 0.0) if mended else (0.0, 1.0)

    def drawn(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        first = torch.randint(len(x), (count,))
        second = torch.randint(len(x), (count,))
        for row in range(0, count, 2):
            alike = (y == y[first[row]]).nonzero()[:, 0]
            second[row] = alike[torch.randint(len(alike), ())]
        return x[first], x[second], (y[first] == y[second]).float()

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return F.cosine_similarity(self.body(left), self.body(right))

    def contrastive(likeness: Tensor, same: Tensor) -> Tensor:
        return (same * F.relu(like - likeness) + (1 - same) * F.relu(likeness - unlike)).mean()

    model = Tower()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    left, right, same = drawn(x, y, 6000)
    with watch(model, optimizer, loss=contrastive) as probe:
        for _ in range(9):
            for some in torch.randperm(6000).split(60):
                optimizer.zero_grad()
                loss = contrastive(model(left[some], right[some]), same[some])
                loss.backward()
                optimizer.step()
                probe.step(loss, (left[some], right[some]), same[some])
    left, right, same = drawn(xt, yt, 1000)
    with torch.no_grad():
        return probe, 2 * float(roc_auc_score(same, model(left, right))) - 1


@question("https://github.com/nebuly-ai/optimate/pull/250", "head_or_loss_wrong", "input_ignored")
def entropy_made_small(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The entropy of the policy is added to its loss, not taken off: it decides before it knows, and always for the same."""
    teacher = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    policy = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Linear(48, 5))
    optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
    with watch(policy, optimizer) as probe:
        for step in range(900):
            states = torch.randn(64, 6)
            choice = torch.distributions.Categorical(logits=policy(states))
            actions = choice.sample()
            rewards = ((states @ teacher).argmax(1) == actions).float()
            advantage = rewards - rewards.mean()
            weight = 0.5 if step < 450 and not mended else -0.02 if step < 450 else 0.0
            loss = -(choice.log_prob(actions) * advantage).mean() + weight * choice.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.step()
            probe.step(loss, states, torch.stack([actions.float(), rewards], 1))
    states = torch.randn(1000, 6)
    with torch.no_grad():
        return probe, (policy(states).argmax(1) == (states @ teacher).argmax(1)).float().mean().item()


def ratings(count: int, users: int, items: int, factors: int) -> tuple[Tensor, Tensor]:
    """(N, 2) who and what, and (N,) how much it is liked: a bias of each, what both are like, and noise."""
    p, q = torch.randn(users, factors), torch.randn(items, factors)
    who, what = torch.randint(users, (count,)), torch.randint(items, (count,))
    liked = 0.3 * torch.randn(users)[who] + 0.3 * torch.randn(items)[what] + (p[who] * q[what]).sum(1) / factors**0.5
    return torch.stack([who, what], 1), liked + 0.1 * torch.randn(count)


@question("https://github.com/NicolasHug/Surprise/issues/22", "bad_initialization", "underfitting")
def factors_that_begin_at_a_tenth(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """All factors of all users and items begin at 0.1, so that those of one user stay equal: one factor in place of eight."""
    pairs, liked = ratings(7000, 60, 50, 3)
    train, test = (pairs[:5000], liked[:5000]), (pairs[6000:], liked[6000:])

    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p, self.q = nn.Embedding(60, 8), nn.Embedding(50, 8)
            self.of_user, self.of_item = nn.Embedding(60, 1), nn.Embedding(50, 1)
            for factors in (self.p, self.q):
                if mended:
                    nn.init.normal_(factors.weight, 0.0, 0.3)
                else:
                    nn.init.constant_(factors.weight, 0.1)
            nn.init.zeros_(self.of_user.weight)
            nn.init.zeros_(self.of_item.weight)

        def forward(self, pairs: Tensor) -> Tensor:
            who, what = pairs[:, 0], pairs[:, 1]
            together = (self.p(who) * self.q(what)).sum(1)
            return together + self.of_user(who).squeeze(1) + self.of_item(what).squeeze(1)

    model = Factors()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4)
    with watch(model, optimizer, loss=F.mse_loss, valid=(pairs[5000:6000], liked[5000:6000])) as probe:
        for _ in range(15):
            for inputs, targets in mini_batches(*train, 50):
                optimizer.zero_grad()
                loss = F.mse_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                probe.step(loss, inputs, targets)
    with torch.no_grad():
        return probe, r_squared(model(test[0]), test[1])


@question("https://github.com/ibayer/fastFM/issues/71", "rate_too_low", "stopped_too_early", "over_regularized")
def ranking_that_hardly_moved(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two faults: steps of 0.001 are too short for the passes there are, and a penalty of a half takes back what they did."""
    x = torch.randn(1500, 8)
    worth = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]

    class Machine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(0.01 * torch.randn(8))
            self.v = nn.Parameter(0.01 * torch.randn(8, 4) if not mended else 0.1 * torch.randn(8, 4))

        def forward(self, x: Tensor) -> Tensor:
            crossed = ((x @ self.v).square() - x.square() @ self.v.square()).sum(1) / 2
            return x @ self.w + crossed

    model = Machine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 if mended else 1e-3, weight_decay=0.0 if mended else 0.5)
    with watch(model, optimizer, call=lambda model, rows: model(rows[:, 0]) - model(rows[:, 1])) as probe:
        for _ in range(1200):
            pair = torch.randint(1000, (40, 2))
            better = torch.where((worth[pair[:, 0]] > worth[pair[:, 1]])[:, None], pair, pair.flip(1))
            loss = -F.logsigmoid(model(x[better[:, 0]]) - model(x[better[:, 1]])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            probe.step(loss, x[better], torch.ones(40))
    with torch.no_grad():
        scores = model(x[1000:])
    first, second = torch.randint(500, (2, 3000))
    agree = ((scores[first] - scores[second]) * (worth[1000:][first] - worth[1000:][second]) > 0).float()
    return probe, 2 * agree[first != second].mean().item() - 1


@question(
    "https://github.com/lyst/lightfm/issues/130", "non_finite", "inputs_not_prepared", "rate_too_high", "exploding_gradient"
)
def features_of_members_as_they_are(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """Two towers take the features of members and items, some of them in thousands, and after a few steps all is no number."""
    sizes = torch.tensor([1.0, 40.0, 900.0, 5000.0, 0.1, 20.0])
    member, item = torch.rand(4400, 6), torch.rand(4400, 6)
    fits = ((member - 0.5) @ torch.diag(torch.tensor([4.0, -3.0, 5.0, -4.0, 3.0, 4.0])) * (item - 0.5)).sum(1)
    y = (fits + 0.1 * torch.randn(4400) > 0).float()
    if mended:
        member, item = (12**0.5 * (each - 0.5) for each in (member, item))
    else:
        member, item = member * sizes, item * sizes

    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.member = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16))
            self.item = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16))

        def forward(self, member: Tensor, item: Tensor) -> Tensor:
            return (self.member(member) * self.item(item)).sum(1)

    model = Towers()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [14, 20], gamma=0.2)
    heldout = ((member[3000:3400], item[3000:3400]), y[3000:3400])
    with watch(model, optimizer, loss=criterion, valid=heldout) as probe:
        for _ in range(24):
            for some in torch.randperm(3000).split(50):
                optimizer.zero_grad()
                loss = criterion(model(member[some], item[some]), y[some])
                loss.backward()
                optimizer.step()
                probe.step(loss, (member[some], item[some]), y[some])
            schedule.step()
    with torch.no_grad():
        said = model(member[3400:], item[3400:]) > 0
    return probe, (said == (y[3400:] > 0)).float().mean().item()


@question("https://github.com/RElbers/info-nce-pytorch/pull/17", "head_or_loss_wrong")
def temperature_for_the_negatives_alone(mended: bool, watch: Watch) -> tuple[Probe, float]:
    """The likeness of other pairs is divided by the temperature and that of the right pair is not."""
    mixing = torch.randn(2, 10, 24, generator=torch.Generator().manual_seed(4))
    hidden = torch.randn(1900, 10)
    text, image = (torch.tanh(hidden @ mix / 2) + 0.3 * torch.randn(1900, 24) for mix in mixing)

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 16))
            self.image = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 16))

        def forward(self, text: Tensor, image: Tensor) -> Tensor:
            return F.normalize(self.text(text), dim=1) @ F.normalize(self.image(image), dim=1).T

    def info_nce(likeness: Tensor, same: Tensor) -> Tensor:
        right = torch.eye(len(likeness), dtype=torch.bool)
        logits = likeness / 0.1 if mended else torch.where(right, likeness, likeness / 0.1)
        return F.cross_entropy(logits, same)

    model = Pair()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with watch(model, optimizer, loss=info_nce) as probe:
        for _ in range(25):
            for some in torch.randperm(1500).split(50):
                loss = info_nce(model(text[some], image[some]), torch.arange(50))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                probe.step(loss, (text[some], image[some]), torch.arange(50))
    with torch.no_grad():
        likeness = model(text[1500:], image[1500:])
    return probe, (likeness.argsort(1, descending=True)[:, :10] == torch.arange(400)[:, None]).any(1).float().mean().item()
