"""Whether the end of a network, its loss and the targets fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from leadline.diagnose.checks.loss_fits import SQUARED, Problem, a_problem, compares_numbers, loss_problems
from leadline.diagnose.readings import Answers, Graph, Readings
from leadline.diagnose.subject import Subject

_RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, float("inf"))}
_RANGES |= {"softplus": (0.0, float("inf")), "exp": (0.0, float("inf")), "hardsigmoid": (0.0, 1.0), "softsign": (-1.0, 1.0)}
_BOUNDING = frozenset(("softmax", "sigmoid", "softplus", "exp", "relu", "hardsigmoid", "abs", "pow"))
_ROOM, _MANY = 0.05, 0.3  # off a sum of one, and share of rows; share from which it is no trifle
_OF_OUTPUTS = ("too_few_outputs", "unused_outputs", "softmax_for_sums")
_NAMES = {
    "softmax": "softmax", "sigmoid": "a sigmoid", "tanh": "tanh", "relu": "ReLU", "log_softmax": "log-softmax", "exp": "exp",
    "softplus": "softplus", "hardsigmoid": "a hard sigmoid", "softsign": "softsign", "hardtanh": "hard tanh",
}  # fmt: skip


def head_problems(subject: Subject, readings: Readings) -> list[Problem]:
    """What does not fit, the weightiest first: code, what it is, its remedy, a line of code, and whether it is mild.

    `change` and `argument` name the trial that shows what the remedy gains.
    """
    losses = [loss for _, loss in readings.steps.losses]
    if not losses and readings.first.loss is not None:
        losses = [readings.first.loss] * 2
    if subject.loss is None and not compares_numbers(readings.graph) and not _fused(readings.graph):
        losses = []  # what is not known may go below 0
    targets = subject.train.targets
    found = problems_of(
        readings.graph,
        readings.answers,
        targets=targets if isinstance(targets, Tensor) else None,
        losses=losses,
        task=subject.task,
        classes=subject.classes,
        batch=subject.batch,
    )
    if subject.loss is None:  # then it is not known whether the outputs are what it compares
        found = [each for each in found if each["code"] not in _OF_OUTPUTS]
    return [*loss_problems(subject, readings), *found]


def problems_of(
    graph: Graph,
    answers: Answers,
    *,
    targets: Tensor | None = None,
    losses: Sequence[float] = (),
    task: str = "other",
    classes: int = 0,
    batch: int = 32,
) -> list[Problem]:
    """The same from plain readings."""
    found = [
        *_softmaxes(graph, task),
        *_pairs(graph),
        *_logarithms(graph, task),
        *_ranges(graph, targets, task),
        *_sums(graph, answers, targets),
        *_shapes(graph, answers),
        *_targets(graph, answers, task, classes),
        *_signs(graph, losses),
        *_mild(graph, answers, task, classes, batch),
    ]
    return sorted(found, key=lambda each: each.get("mild") == "yes")


def last_squash(graph: Graph) -> str:
    """What bounds the outputs, if it is the last thing that the network does; clamps against log 0 aside."""
    head = [name for name in graph.head if name != "clamp"]
    return head[-1] if head and head[-1] in _NAMES else ""


def _softmaxes(graph: Graph, task: str) -> Iterator[Problem]:
    if graph.softmax_size == 1:
        number, of_two = "loss = nn.MSELoss()(last_layer(x).squeeze(1), targets)", "outputs.squeeze(1), targets.float()"
        yield a_problem(
            "softmax_of_one",
            "A softmax over one output is always 1, so that nothing can be learned.",
            "Take the softmax away: a number is what the last layer gives."
            if task == "number"
            else "Give the network one output a class, or take the sigmoid of one output with binary cross entropy.",
            number if task == "number" else f"loss = nn.BCEWithLogitsLoss()({of_two})",
        )
    elif graph.softmax_over_rows:
        yield a_problem(
            "softmax_over_rows",
            "The softmax is taken over the rows of the batch instead of over the classes: rows compete with each other.",
            "Take it over the last dimension, the classes.",
            "nn.Softmax(dim=1)"
            if graph.loss_operations[:1] != ["log_softmax"]
            else "outputs: [rows, classes], targets: [rows]",
        )


def _pairs(graph: Graph) -> Iterator[Problem]:
    """Activations that the loss takes a second time, or misses."""
    loss, last = graph.loss_operations, last_squash(graph)
    first = loss[0] if loss else ""
    if first == "log_softmax" and last in _RANGES | {"hardtanh": None}:
        again = "a softmax a second time" if last == "softmax" else "the softmax of what can no longer differ much"
        floor = {"relu": "negative answers are lost and a class that got below 0 for all rows never learns again"}
        says = floor.get(last, "the loss cannot come near 0 and gradients stay small")
        yield a_problem(
            {"softmax": "double_softmax", "relu": "relu_before_cross_entropy"}.get(last, f"{last}_before_cross_entropy"),
            f"The network ends with {_NAMES[last]}, and cross entropy takes {again}: {says}.",
            f"Take {_NAMES[last]} away from the end of the network: cross entropy wants the plain outputs of the last layer.",
            "loss = nn.CrossEntropyLoss()(last_layer(x), targets)",
            argument="linear",
            mild=last in ("softplus", "exp"),
        )
    if first == "log_softmax" and last == "log_softmax":
        yield a_problem(
            "double_log_softmax",
            "Log-softmax is taken twice; the second one changes nothing.",
            "Use NLLLoss on log-softmax, or cross entropy on plain outputs.",
            "loss = nn.NLLLoss()(outputs, targets)",
            argument="linear",
            mild=True,
        )
    if first == "nll_loss" and (last or not graph.head) and last != "log_softmax":
        what = f"what comes out of {_NAMES[last]}" if last else "plain outputs"
        yield a_problem(
            "nll_on_probabilities" if last == "softmax" else "nll_on_logits",
            f"NLLLoss wants logarithms of probabilities, but gets {what}: it only pushes one output up and is no likelihood.",
            "Use cross entropy on the plain outputs of the last layer.",
            "loss = nn.CrossEntropyLoss()(last_layer(x), targets)",
        )
    if (
        first == "binary_cross_entropy"
        and (last or not graph.head)
        and last not in ("sigmoid", "softmax", "hardsigmoid", "exp")
    ):
        what = f"comes out of {_NAMES[last]}" if last else "no sigmoid has bounded"
        yield a_problem(
            "bce_without_sigmoid",
            f"Binary cross entropy wants probabilities, but gets what {what}.",
            "Use the loss that takes the sigmoid itself.",
            "loss = nn.BCEWithLogitsLoss()(last_layer(x), targets.float())",
        )
    if first == "binary_cross_entropy_with_logits" and last in _RANGES | {"log_softmax": None}:
        yield a_problem(
            "double_sigmoid" if last == "sigmoid" else f"{last}_before_sigmoid",
            f"The network ends with {_NAMES[last]}, and the loss takes a sigmoid of it: 0 and 1 are out of reach.",
            f"Take {_NAMES[last]} away from the end of the network: this loss wants its plain outputs.",
            "loss = nn.BCEWithLogitsLoss()(last_layer(x), targets.float())",
            argument="linear",
        )


def _logarithms(graph: Graph, task: str) -> Iterator[Problem]:
    """A loss of probabilities, written by hand, on outputs that are none."""
    before = graph.loss_operations[:4]
    if (
        task in ("classes", "labels")
        and "log" in before
        and not graph.head
        and not _BOUNDING & set(before[: before.index("log")])
    ):
        yield a_problem(
            "log_of_outputs",
            "The loss takes the logarithm of the network's plain outputs, and nothing makes probabilities of them: of what is "
            "below 0 there is no logarithm.",
            "Use the loss that takes plain outputs, or end the network with a sigmoid or a softmax.",
            "loss = nn.BCEWithLogitsLoss()(last_layer(x), targets.float())"
            if task == "labels"
            else "loss = nn.CrossEntropyLoss()(last_layer(x), targets)",
        )


def _ranges(graph: Graph, targets: Tensor | None, task: str) -> Iterator[Problem]:
    """A head that cannot give what the targets ask for."""
    last = last_squash(graph)
    if last not in _RANGES or not compares_numbers(graph) or targets is None:
        return
    values = targets.detach().float().flatten()
    low, high = _RANGES[last]
    room = 1e-3 * float(values.std()) if len(values) > 1 else 0.0
    outside = float(((values < low - room) | (values > high + room)).float().mean())
    if outside > 0.01:
        bounds = f"between {low:.0f} and {high:.0f}" if high < float("inf") else "from 0 up"
        yield a_problem(
            f"{last}_on_numbers",
            f"The network ends with {_NAMES[last]}, so that it answers {bounds}, but {100 * outside:.0f} % of the "
            "targets are not.",
            f"Take {_NAMES[last]} away from the end of the network"
            + (", or scale the targets." if high < float("inf") else "."),
            "outputs = last_layer(x)  # nothing after it",
            argument="linear",
            mild=outside < 0.05,
        )


def _sums(graph: Graph, answers: Answers, targets: Tensor | None) -> Iterator[Problem]:
    """A softmax, whose outputs sum to one, for targets that do not."""
    first, shape = graph.loss_operations[0] if graph.loss_operations else "", answers.output_shape
    fits = compares_numbers(graph) or first == "binary_cross_entropy"
    if last_squash(graph) != "softmax" or not fits or targets is None or list(targets.shape[1:]) != shape[1:]:
        return
    sides = [at for at in range(1, len(shape)) if shape[at] == graph.softmax_size]
    off = [float(((targets.detach().float().sum(at) - 1).abs() > _ROOM).float().mean()) for at in sides]
    if off and min(off) > _ROOM:
        yield a_problem(
            "softmax_for_sums",
            f"The network ends with softmax, so that its {graph.softmax_size} outputs sum to 1, but of {min(off):.0%} "
            "of the rows the targets do not.",
            "Take a sigmoid in place of the softmax: each output is then for itself.",
            "nn.Sigmoid()",
            mild=min(off) < _MANY,
        )


def _shapes(graph: Graph, answers: Answers) -> Iterator[Problem]:
    if graph.broadcast:
        outputs, targets = answers.output_shape, answers.shape
        if shape := graph.broadcast_shape:  # what a loop takes of the outputs it may have brought into another one
            outputs, targets = shape, shape[:1] if len(shape) > 1 else [*shape, 1]
        yield a_problem(
            "broadcast",
            f"Outputs {outputs} meet targets {targets}: the loss compares every row with every other, and "
            "the best answer is then the mean for all.",
            "Bring both to one shape.",
            "loss = loss_function(outputs.squeeze(1), targets)",
        )


def _targets(graph: Graph, answers: Answers, task: str, classes: int) -> Iterator[Problem]:
    first = graph.loss_operations[0] if graph.loss_operations else ""
    alone = len(answers.output_shape) < 2 or math.prod(answers.output_shape[1:]) == 1
    by_hand = last_squash(graph) == "sigmoid" and first == "log" and alone and answers.largest > 1
    if by_hand or (first.startswith("binary_cross_entropy") and (answers.smallest < 0 or answers.largest > 1)):
        yield a_problem(
            "binary_targets_outside",
            f"Binary cross entropy wants targets between 0 and 1, but they go from {answers.smallest:.3g} to "
            f"{answers.largest:.3g}: the loss has no lower bound.",
            "Bring the targets to 0 and 1, or use cross entropy with one output a class.",
            "targets = (targets > 0).float()"
            if answers.smallest < 0
            else "loss = nn.CrossEntropyLoss()(outputs, targets.long())",
            argument="auto" if answers.smallest < 0 or not alone else "classes",
        )
    rows = answers.rows
    if rows >= 8 and answers.std == 0 and task != "other" and (len(answers.shape) < 2 or answers.shape[-1] == 1):
        yield a_problem(
            "targets_constant",
            f"All {rows} targets are {answers.smallest:.3g}: there is nothing to learn.",
            "Look at how the targets are made.",
            "print(targets.unique(return_counts=True))",
            change="",
            argument="",
        )
    outputs = answers.output_shape[-1] if len(answers.output_shape) == 2 else 0
    own = graph.softmax_size in (None, outputs)  # and not of what another network made of these outputs
    entropy = first in ("log_softmax", "nll_loss") and "nll_loss" in graph.loss_operations
    if entropy and own and outputs and answers.largest >= outputs:
        yield a_problem(
            "too_few_outputs",
            f"There are {outputs} outputs, but a target is {answers.largest:.0f}.",
            "Give the last layer one output a class, and count classes from 0.",
            f"nn.Linear(…, {int(answers.largest) + 1})",
        )


def _fused(graph: Graph) -> list[int]:
    """Where usual losses stand among the operations."""
    return [
        at
        for at, name in enumerate(graph.loss_operations)
        if name in SQUARED or name.startswith(("nll_loss", "binary_cross_entropy"))
    ]


def _signs(graph: Graph, losses: Sequence[float]) -> Iterator[Problem]:
    """A loss that is made larger instead of smaller."""
    loss = graph.loss_operations
    fused = _fused(graph)
    proper = loss[:1] != ["nll_loss"]
    negative = len(losses) > 1 and max(losses) < 0
    turned = bool(fused) and loss[fused[0] :].count("neg") % 2 == 1
    scaled = bool(fused) and any(name in ("mul", "div") for name in loss[fused[0] :]) and negative
    probable = last_squash(graph) in ("softmax", "sigmoid") or loss[:1] == ["log_softmax"]
    bare = not fused and probable and ("log" in loss or loss[:1] == ["log_softmax"]) and negative
    distance = not fused and compares_numbers(graph) and negative
    if proper and (turned or scaled or bare or distance):
        yield a_problem(
            "wrong_sign",
            "The loss is below 0 and has the wrong sign: training makes the answers worse.",
            "Turn the sign of the loss.",
            "loss = -loss",
            change="sign",
            argument="",
        )


def _mild(graph: Graph, answers: Answers, task: str, classes: int, batch: int) -> Iterator[Problem]:
    """What works, though not as well as it could."""
    loss = graph.loss_operations
    after = loss[len(loss) - loss[::-1].index("sum") :] if "sum" in loss else ["mean"]
    if batch > 1 and not {"mean", "div", "mul"} & set(after):
        yield a_problem(
            "loss_is_sum",
            f"The loss is a sum over the rows, so that its gradient grows with the batch ({batch} rows).",
            "Take the mean, or divide the learning rate by the number of rows.",
            'loss_function = type(loss_function)(reduction="mean")',
            change="mean_loss",
            argument="",
            mild=True,
        )
    if compares_numbers(graph) and task == "classes":
        wide = answers.output_shape[-1] if len(answers.output_shape) > 1 else 1
        what = "the numbers of classes" if classes > 2 and wide == 1 else "classes"
        yield a_problem(
            "squared_error_on_indices" if wide == 1 and classes > 2 else "squared_error_on_classes",
            f"A distance is fitted to {what}" + (", as if class 2 lay between 1 and 3." if what != "classes" else "."),
            "Use cross entropy" + (f" with {classes} outputs." if classes > 2 else "."),
            "loss = nn.CrossEntropyLoss()(outputs, targets)"
            if classes > 2 or wide > 1
            else "loss = nn.BCEWithLogitsLoss()(outputs, targets)",
            mild=True,
        )
    if task == "labels" and loss[:1] == ["log_softmax"]:
        yield a_problem(
            "softmax_on_labels",
            "A softmax lets several labels of a row compete, though more than one may be right.",
            "Use binary cross entropy for each label.",
            "loss = nn.BCEWithLogitsLoss()(outputs, targets.float())",
            mild=True,
        )
    present = sum(count > 0 for count in answers.counts)
    wide = answers.output_shape[-1] if len(answers.output_shape) == 2 else 0
    if task == "classes" and wide >= 2 * present > 2 and wide - present >= 5:
        yield a_problem(
            "unused_outputs",
            f"There are {wide} outputs for {present} classes.",
            "Give the last layer one output a class.",
            f"nn.Linear(…, {present})",
            mild=True,
        )
