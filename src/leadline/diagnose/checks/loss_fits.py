"""Whether a loss asks for what is meant, as far as answers and targets tell by their numbers."""

from __future__ import annotations

from collections.abc import Iterator

from leadline.diagnose.checks.mask_losses import read_beyond
from leadline.diagnose.readings import Graph, Readings
from leadline.diagnose.subject import Subject

Problem = dict[str, str]
SQUARED = frozenset(("mse_loss", "smooth_l1_loss", "huber_loss", "l1_loss"))
_SLOPE = 0.05  # of the usual one, where there should be none
_ROOM = 0.05  # of shares that are none
_CLEAR = 0.1  # of a share, so that it matters
_TOLD, _ORDERED = 0.5, 0.05  # right by neighbours, for targets to be classes; random numberings that are as near as the own


def loss_problems(subject: Subject, readings: Readings) -> list[Problem]:
    """What does not fit, the weightiest first, as `head_problems` tells it."""
    told = [*_no_logarithm(readings), *_pulled_apart(readings), *_numbered_classes(readings), *_silent_labels(readings)]
    return [*told, *_beyond_shares(subject)]


def compares_numbers(graph: Graph) -> bool:
    """Whether the loss is a distance between outputs and targets."""
    first = graph.loss_operations[0] if graph.loss_operations else ""
    distance = first in ("sub", "rsub") and any(name in ("pow", "abs", "mul") for name in graph.loss_operations[1:3])
    return first in SQUARED or distance


def a_problem(
    code: str, says: str, remedy: str, line: str, *, change: str = "head", argument: str = "auto", mild: bool = False
) -> Problem:
    """A problem as plain values, with the trial of its remedy."""
    told = {"code": code, "says": says, "remedy": remedy, "code_line": line, "change": change, "argument": argument}
    return {**told, "mild": "yes"} if mild else told


def _no_logarithm(readings: Readings) -> Iterator[Problem]:
    """A loss of shares that falls below 0, with a slope where the answers are the targets: a divergence of no logarithms."""
    graph, losses = readings.graph, [loss for _, loss in readings.steps.losses]
    operations = [*graph.head, *graph.loss_operations]
    logarithmic = any("log" in name or name == "nll_loss" for name in operations)
    if (readings.asked.improper or 0.0) < _SLOPE or logarithmic or "softmax" not in operations:
        return
    if losses and losses[-1] < 0:
        yield a_problem(
            "divergence_without_logarithm",
            "The loss of shares falls below 0, and is not at its smallest where the answers are the targets: a divergence "
            "wants the logarithms of the answers, and gets the answers.",
            "Take log-softmax in place of softmax before the divergence.",
            "loss = F.kl_div(F.log_softmax(outputs, dim=1), targets, reduction='batchmean')",
            change="",
            argument="",
        )


def _pulled_apart(readings: Readings) -> Iterator[Problem]:
    """A loss on distances that draws together what is not alike, and a network that tells pairs no better than inputs do."""
    pairs = readings.pairs
    alike = pairs.raw - 0.5
    if not pairs.closeness or abs(alike) < max(_CLEAR, 4 * pairs.raw_se) or pairs.pull * alike >= 0:
        return
    if (pairs.learned - 0.5) * (1 if alike > 0 else -1) > abs(alike):
        return  # it tells them better than the inputs do, whatever the loss says
    yield a_problem(
        "pairs_pulled_apart",
        "The loss pushes apart the pairs whose inputs are alike, and draws the others together: the labels of the pairs are "
        "the other way round than it takes them.",
        "Turn the labels of the pairs, or exchange the two parts of the loss.",
        "same = 1 - same",
        change="",
        argument="",
    )


def _beyond_shares(subject: Subject) -> Iterator[Problem]:
    """A loss that takes shares, such as an overlap, and outputs that nothing holds between 0 and 1."""
    beyond = read_beyond(subject)
    if beyond is not None and beyond > _ROOM:
        yield a_problem(
            "shares_from_raw_outputs",
            f"The loss wants shares between 0 and 1, but {beyond:.0%} of the outputs lie outside, where it is less than for "
            "right answers: what it rewards is no overlap any more.",
            "Take the sigmoid of the outputs before this loss.",
            "loss = loss_function(torch.sigmoid(outputs), targets)",
            change="",
            argument="",
        )


def _numbered_classes(readings: Readings) -> Iterator[Problem]:
    """Numbers of classes that are fitted as amounts, with fewer right answers than the nearest rows give."""
    numbers = readings.numbers
    behind = numbers.neighbours - numbers.network
    if not numbers.kinds or not compares_numbers(readings.graph) or numbers.order < _ORDERED:
        return
    if numbers.neighbours > max(_TOLD, 3 / numbers.kinds) and behind > max(_CLEAR, 3 * numbers.se):
        yield a_problem(
            "squared_error_on_indices",
            f"A distance is fitted to the numbers of {numbers.kinds} classes that have no order: rounded, "
            f"{numbers.network:.0%} of its answers are right, those of the nearest rows are {numbers.neighbours:.0%}.",
            f"Use cross entropy with {numbers.kinds} outputs.",
            f"nn.Linear(…, {numbers.kinds}); loss = nn.CrossEntropyLoss()(outputs, targets.long())",
            change="",
            argument="",
        )


def _silent_labels(readings: Readings) -> Iterator[Problem]:
    """A logarithm of rectified answers, of which those for the right class are 0: no gradient comes to them."""
    judged, graph = readings.last.train, readings.graph
    if judged is None or judged.silent < _CLEAR or graph.head[:1] != ["relu"] or graph.loss_operations[:1] != ["log"]:
        return
    yield a_problem(
        "relu_before_likelihood",
        f"The network ends with ReLU, and the loss takes the logarithm of its answers: for {judged.silent:.0%} of the rows the "
        "answer for the right class is exactly 0, and no gradient comes to it.",
        "Take the ReLU away from the end of the network, and use cross entropy on its plain outputs.",
        "loss = nn.CrossEntropyLoss()(last_layer(x), targets)",
    )
