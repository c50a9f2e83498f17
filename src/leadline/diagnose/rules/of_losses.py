"""Rules on the last layer, the loss, one batch, and parameters that do not train."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, Change, ramp

DEEP, ABYSS = 20.0, 1000.0  # times its first size below 0: a loss that goes on falling there has no bound
WORSE = 1.2  # times the error of one answer for all, on rows that were trained on
FLAT = 0.9  # share of a layer
OFF = 0.1  # of a gradient, that the slope may be another: kinks and rounding make less
FEW_TENSORS = 3  # that a loss has of its own: more are a network, which may be there to judge only


def head_or_loss_wrong(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    for number, problem in enumerate(readings.graph.problems):
        mild = problem.get("mild") == "yes"
        weight = 0.8 if problem["code"] == "squared_error_on_indices" else 0.4  # an order that classes do not have
        yield Candidate(
            "head_or_loss_wrong",
            weight if mild else 1.0 - 0.05 * number,
            problem["says"],
            (),
            (_advised(problem),),
            proven=not mild,
            hurts=not mild,
            extra=problem,
        )
        break  # one finding a kind: the weightiest comes first
    yield from _loss_beside_the_task(readings, outcome)


def _advised(problem: dict[str, str]) -> Change:
    """The trial of what a problem's remedy says, where it is another than the usual loss for the task."""
    change, argument = problem.get("change", ""), problem.get("argument", "")
    return (change, argument or None) if change in ("sign", "mean_loss") or argument == "classes" else ("head", "auto")


def _loss_beside_the_task(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A loss that falls while the answers get no better, below 0 or without bound: it asks for something else."""
    losses = [loss for _, loss in readings.steps.losses if math.isfinite(loss)]
    if len(losses) < 10 or not losses[-1] < min(losses[0], 0.0):
        return
    first, last = losses[0], losses[-1]
    falls = last < 1.05 * losses[len(losses) * 9 // 10]
    deep = -last / max(1.0, abs(first))
    worse = outcome.train_error / max(outcome.constant, 1e-9)
    certain = falls and deep > ABYSS if outcome.by_loss else outcome.nothing and (deep > ABYSS or (falls and deep > DEEP))
    if not certain and (outcome.by_loss or worse < WORSE):
        return
    error = "" if outcome.by_loss else " while the answers are no better than one answer for all"
    yield Candidate(
        "head_or_loss_wrong",
        1.0 if certain else 0.9,
        f"The loss fell from {first:.3g} to {last:.3g}{error}: it has no lower bound, or the wrong sign.",
        (
            *((Measure("training error over that of one answer for all", worse, high=1.0),) if not outcome.by_loss else ()),
            *((Measure("loss at the end", last, low=-DEEP * max(1.0, abs(first))),) if deep > DEEP else ()),
        ),
        (("sign", None),),
        proven=certain,
        extra={
            "remedy": "Look at the sign of the loss, and whether it has a smallest value: training makes it small.",
            "code_line": "loss = -log_likelihood.mean()",
        },
    )


def one_batch(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    drill = readings.drill
    if drill.error is None:
        return
    yield Candidate(
        "one_batch",
        0.8 * ramp(drill.error, 0.1, 0.4),
        f"A copy could not learn {drill.rows} rows by heart in {drill.steps} steps: network, loss and gradients do not fit.",
        (Measure("error on one batch", drill.error, high=0.05),),
        (("optimizer", "adam"), ("wider", 2)),
    )


def not_training(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    graph, steps, program = readings.graph, readings.steps, readings.program
    # A gradient that is no number is no missing one: once the loss is none either, nothing is to be told from it.
    sound = [sample for sample in steps.samples[1:] if math.isfinite(sample.loss) and sample.step < _broken_at(readings)]
    heard = [norm for sample in sound for norm in sample.gradient]
    none = bool(heard) and all(math.isnan(norm) or norm == 0 for norm in heard)
    wrong_pair = any(problem.get("mild") != "yes" for problem in graph.problems)  # whose gradient may be 0 for all outputs
    cut = all(map(math.isnan, heard))
    # A sample is shorter where parameters have come or gone since.
    of_layers = [
        each for sample in sound for each, name in zip(sample.gradient, steps.names, strict=False) if name in steps.matrices
    ]
    if of_layers and all(map(math.isnan, of_layers)) and not cut:
        yield _beside_the_network(len(steps.matrices))
        return
    if none and (cut or not (wrong_pair or _flat(readings))):
        yield _without_gradient(cut, len(steps.names))
        return
    if graph.detached:
        yield Candidate("not_training", 1.0, "The loss has no graph: no gradient reaches any weight.", (), proven=True)
        return
    held = not steps.names or len(graph.outside) < len(steps.names)  # else its optimizer zeroes the gradients of others
    if held and steps.not_zeroed is not None and steps.not_zeroed > 0.5:
        yield Candidate(
            "not_training",
            1.0,
            "Gradients are not set to zero between the steps: each update repeats all those before.",
            (Measure("share of steps with the gradients of the step before", steps.not_zeroed, high=0.0),),
            (("zero_grad", None),),
            proven=True,
            extra={"code": "zero_grad"},
        )
        return
    unmoved = [sample for sample in steps.samples[1:] if sample.weight]
    unheard = len(unmoved) > 1 and all(each is None for sample in unmoved for each in sample.update)
    if unheard and unmoved[0].weight == unmoved[-1].weight:
        yield Candidate(
            "not_training",
            1.0,
            "The optimizer never took a step, so that no weight has changed.",
            (Measure("steps of the optimizer that were seen", 0, low=1),),
            proven=True,
            extra={"remedy": "Call the optimizer after the backward pass.", "code_line": "optimizer.step()"},
        )
        return
    if readings.hidden.plain:
        yield _plain(readings, outcome)
    unheld = [*_unheld(readings, outcome)]
    if unheld:
        yield from unheld
        return
    if readings.loss_weights.standing:
        yield _standing(readings)
        if readings.loss_weights.as_drawn or len(readings.loss_weights.standing) <= FEW_TENSORS:
            return
    sizes = dict(zip(steps.names, steps.sizes, strict=False))
    total = max(1, sum(sizes.values()))
    for names, cause, code, weight in (
        (graph.outside, "no optimizer holds them", "outside", 1.0),
        (graph.unreached, "no gradient reaches them from the loss", "unreached", 0.9),
        (steps.not_updated, "they stay the same to the bit though they have a gradient", "not_updated", 0.9),
        (graph.frozen, "they require no gradient", "frozen", 0.5),
    ):
        if not names:
            continue
        share = sum(sizes.get(name, 0) for name in names) / total
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        yield Candidate(
            "not_training",
            weight * max(0.3, ramp(share, 0.0, 0.2)),
            f"Some parameters do not train: {cause}.",
            (Measure("share of the parameters", share, high=0.0),),
            (("everything_trains", None),),
            shown,
            # A head that is not used may be meant so; in a training that failed it is the reason.
            proven=(code == "outside" and share > 0.02) or (code == "unreached" and share > 0.2 and outcome.bad),
            hurts=code in ("outside", "unreached"),
            extra={"code": code},
        )
        return
    if readings.program.parameters and program.trainable == 0:
        yield Candidate("not_training", 1.0, "No parameter requires a gradient.", (), proven=True)


def wrong_gradient(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A backward pass of one's own that is not the slope: in a network that learned well it was meant so."""
    found = readings.own_gradients
    if not found.functions or found.off < OFF:
        return
    yield Candidate(
        "not_training",
        1.0,
        f"The backward pass of {', '.join(f'`{name}`' for name in found.functions[:3])} does not give the slope of what the "
        "forward pass computes: a small step along the gradient changes the loss by another amount than the gradient says.",
        (Measure("difference of slope and gradient, relative", found.off, high=OFF),),
        where=", ".join(found.functions[:3]),
        proven=outcome.bad,
        hurts=outcome.bad,
        extra={
            "remedy": "Compare the two by `torch.autograd.gradcheck`; gradients must be multiplied with what comes back.",
            "code_line": "torch.autograd.gradcheck(Own.apply, torch.randn(4, 3, dtype=torch.double, requires_grad=True))",
        },
    )


def _beside_the_network(matrices: int) -> Candidate:
    """Something gets a gradient, such as the weights of several losses, but no layer does."""
    return Candidate(
        "not_training",
        1.0,
        "No layer got a gradient at any step that was looked at, though other weights did: the losses are cut off from the "
        "network, as where they are put into a new tensor.",
        (Measure("matrices of weights with a gradient", 0, low=matrices),),
        proven=True,
        extra={
            "code": "detached",
            "remedy": "Put losses together by `torch.stack` or a sum: `torch.tensor([…])` and `.item()` keep values alone.",
            "code_line": "losses = torch.stack([first_loss, second_loss])",
        },
    )


def _without_gradient(cut: bool, weights: int) -> Candidate:
    """No weight has a gradient, or each has one that is 0."""
    if cut:
        cause = "No weight got a gradient at any step that was looked at: the loss is cut off from the network."
        remedy = "Look for `.detach()`, `.data`, `.item()`, NumPy and `torch.no_grad()` between the network and the loss."
        line = "loss = loss_function(model(x), y)  # with nothing between that leaves torch"
    else:
        cause = (
            "The gradient of every weight was exactly 0 at all steps that were looked at: between the weights and the loss "
            "stands something whose answer does not change with them."
        )
        remedy = "Leave rounding, thresholds, argmax and clamps to the judging: what is trained needs a slope."
        line = "loss = loss_function(model(x), y)  # not of rounded answers"
    measure = Measure("weights with a gradient", 0, low=weights)
    extra = {"code": "detached", "remedy": remedy, "code_line": line}
    changes: tuple[Change, ...] = (("connected", None),) if cut else ()
    return Candidate("not_training", 1.0, cause, (measure,), changes, proven=True, extra=extra)


def _flat(readings: Readings) -> bool:
    """Whether a layer is silent or saturated for nearly all rows, so that a gradient of 0 has its reason there."""
    at_steps = [each for sample in readings.steps.samples for each in (sample.dead, sample.saturated)]
    return any(share > FLAT for shares in (readings.last.dead, readings.last.saturated, *at_steps) for share in shares.values())


def _plain(readings: Readings, outcome: Outcome) -> Candidate:
    """Tensors as they were drawn, in plain attributes: in a network that learns they may be meant so, as random features."""
    hidden = readings.hidden
    attribute = hidden.plain[0].rpartition(".")[2]
    return Candidate(
        "not_training",
        0.8 if outcome.bad else 0.1,
        "Tensors that the answers are made with look as if they were just drawn, and are plain attributes that no gradient "
        "reaches: they stay as they are.",
        (Measure("share of the weights", hidden.plain_share, high=0.0),),
        (("everything_trains", None),),
        where=", ".join(hidden.plain[:3]),
        extra={
            "remedy": "Wrap them as parameters before the optimizer is made.",
            "code_line": f"self.{attribute} = nn.Parameter(self.{attribute})",
        },
    )


def _standing(readings: Readings) -> Candidate:
    """Weights of the loss that nobody moves; of a whole network, such as one that judges, that may be meant so."""
    found = readings.loss_weights
    shown = " and ".join(" × ".join(map(str, shape)) or "one number" for shape in found.standing[:2])
    proven = found.as_drawn or len(found.standing) <= FEW_TENSORS
    return Candidate(
        "not_training",
        1.0 if proven else 0.5,
        f"Between the network and the loss stand weights ({shown}) that get gradients and that no optimizer moves: "
        "they stay as they were at first.",
        (Measure("tensors of the loss with a gradient that never changed", len(found.standing), high=0),),
        proven=proven,
        hurts=proven,
        extra={
            "remedy": "Give the optimizer the weights of the loss as well.",
            "code_line": "torch.optim.Adam([*model.parameters(), *criterion.parameters()])",
        },
    )


def _unheld(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Weights that the answers are made with, and that are no parameters of the network."""
    hidden = readings.hidden
    if hidden.made_anew:
        yield Candidate(
            "not_training",
            1.0,
            "Layers are made anew in each pass, with other random weights: what they are, they never learn.",
            (Measure("weights that are other ones in each pass", hidden.made_anew, high=0),),
            proven=True,
            extra={
                "remedy": "Make all layers once, in `__init__`, and only use them in `forward`.",
                "code_line": "self.layer = nn.Linear(…)  # in __init__",
            },
        )
        return
    if not hidden.names and not hidden.elsewhere:
        return
    kept = f"in a plain {hidden.container}, where" if hidden.container else "where"
    cause = f"Weights of the network lie {kept} neither the network nor the optimizer finds them: they never train."
    remedy = f"Put them into `{hidden.holder}` before the optimizer is made."
    line = f"self.{hidden.attribute} = {hidden.holder}(self.{hidden.attribute})"
    if not hidden.names:
        remedy = "Register them with the network before the optimizer is made."
        cause = "Weights that the answers are made with belong neither to the network nor to the optimizer."
        line = "self.layer = layer  # in __init__, so that model.parameters() has its weights"
    # Weights that have learned elsewhere may be left alone on purpose; such as are as they were drawn are not.
    proven = hidden.share > 0.02 and (hidden.as_drawn or outcome.bad)
    yield Candidate(
        "not_training",
        max(0.5, ramp(hidden.share, 0.0, 0.2)),
        cause,
        (Measure("share of the weights", hidden.share, high=0.0),),
        where=", ".join(hidden.names[:3]) + (f" and {len(hidden.names) - 3} more" if len(hidden.names) > 3 else ""),
        proven=proven,
        hurts=proven,
        extra={"remedy": remedy, "code_line": line},
    )


def _broken_at(readings: Readings) -> float:
    """The step after whose update the loss was no number any more."""
    at = readings.steps.non_finite_step
    return math.inf if at is None else at - 1
