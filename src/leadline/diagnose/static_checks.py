"""What a network, a loss and rows say by themselves, trained or not: every check that asks for no step."""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor

from leadline.diagnose.check_readings import Asked
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.checks import (
    answer_columns,
    answer_scales,
    batch_losses,
    dropped_shares,
    first_look,
    giveaways,
    hidden_layers,
    input_columns,
    label_looks,
    loss_graphs,
    pair_distances,
    paired_rows,
    picture_fields,
    plain_tensors,
    proper_losses,
    simple_methods,
    split_likeness,
    task_guess,
)
from leadline.diagnose.readings import Answers, Beside, Graph, Program, Readings
from leadline.diagnose.subject import Rows, Subject, first_tensor

_FEW = 32  # rows of a pass
_TOLD = ("classes", "labels", "number")
_UNASKED = {
    "places": "they are the places of rows in their batch, where each is to find its partner; no row has an answer of its own",
    "moving": "the same inputs come with other targets later in the training, so that they are drawn or made by the training "
    "itself; gradients, updates and the course of the loss are looked at",
    "same": "they are the same for all rows, and the loss, which may ask something else, is not known; say it by loss=",
    "unlike": "the loss is not known, and is no usual one of these outputs and targets; say it by loss=",
    "among": "the loss compares the rows of a batch, so that it is taken of batches as large as the training's; "
    "what the outputs say of a row alone is not known",
}  # fmt: skip


def read_static(subject: Subject, checks: Checklist, *, graph_loss: Tensor | None = None) -> bool:
    """Read all of it; False where the network cannot be copied, so that nothing can be looked at.

    Args:
        subject: what is looked at; gets its task.
        checks: with the readings that are filled.
        graph_loss: the loss of a step with its graph, where the program's own loop has given one.
    """
    readings = checks.readings
    few = subject.train.take(slice(0, max(2, min(subject.batch, _FEW))))
    readings.program = _program(subject, checks)
    copied = "network, loss and data, as the network cannot be copied"
    if checks.run(copied, subject.trained, again=True, needed=True) is None:
        return False
    if subject.loss is None:
        readings.unchecked.append("first loss, one batch by heart, and trials: the loss function is not known")
    if subject.valid is None:
        readings.unchecked.append("overfitting and the likeness of splits: there are no held-out rows")
    answered = functools.cache(
        lambda: checks.run("outputs", lambda: subject.outputs(subject.trained().eval(), few), passes=1, again=True)
    )
    _read_task(subject, checks, answered)
    _read_network(subject, checks, few, answered, graph_loss)
    _read_unlike(subject, readings)
    _read_rows(subject, checks, answered)
    return True


def read_simple(subject: Subject, checks: Checklist, known: Beside | None = None) -> None:
    """What simple methods reach on the same rows, where it is not known already."""
    if known is not None and known.task == subject.task:
        checks.readings.beside = known
        checks.done.add("simple methods")
    elif subject.task in _TOLD:
        found = checks.run("simple methods", lambda: simple_methods.read_beside(subject))
        checks.readings.beside = found or checks.readings.beside


def _read_task(subject: Subject, checks: Checklist, answered: Any) -> None:
    program = checks.readings.program
    pairs = checks.run("pairs", lambda: pair_distances.read_pairs(subject), again=True)
    checks.readings.pairs = pairs or checks.readings.pairs
    if "task" not in checks.done and (outputs := answered()) is not None:
        targets, inputs = subject.train.targets, subject.train.inputs
        found = checks.run("task", lambda: task_guess.task_of(targets, outputs, subject.loss, inputs=inputs))
        # Which distance means which target is for the loss to say.
        found = found if checks.readings.pairs.closeness != "distance" else None
        found = found if subject.loss is not None or _answers(outputs, found, checks.readings) else None
        asked = checks.readings.asked
        asked.among = bool(checks.run("rows in the loss", lambda: batch_losses.compares_rows(subject), passes=1))
        asked.same = subject.loss is None and isinstance(targets, Tensor) and bool((targets == targets.flatten()[:1]).all())
        found = None if asked.places or asked.moving or asked.same or asked.among else found
        program.task, program.classes = found or ("other", 0)
    subject.task, subject.classes, subject.among = program.task, program.classes, checks.readings.asked.among
    if subject.task == "number" and isinstance(outputs := answered(), Tensor):
        own, targets = subject.loss, subject.train.targets
        subject.turned = checks.run("scale of the outputs", lambda: answer_scales.scale_of(own, outputs, targets), again=True)


def _answers(outputs: Any, task: tuple[str, int] | None, readings: Readings) -> bool:
    """Whether outputs may be answers where no loss says so: not where other weights come after them, or they are too few."""
    values = task_guess.answer_tensor(outputs)
    wide = values.shape[1] if values is not None and values.ndim == 2 else 0
    too_few = task is not None and task[0] == "classes" and 1 < wide < task[1]
    return not readings.loss_weights.count and not too_few


def _read_unlike(subject: Subject, readings: Readings) -> None:
    """Where no usual loss has the value that was told, and nothing in its graph is one, targets may be anything."""
    asked = readings.asked
    asked.unlike &= subject.task in _TOLD and readings.graph.weighed_rows
    if asked.unlike:
        subject.task, subject.classes = readings.program.task, readings.program.classes = "other", 0
    if not asked.answers:
        readings.unchecked.append(f"answers against targets: {_UNASKED[_first_of(asked)]}")


def _first_of(asked: Asked) -> str:
    return next(name for name in _UNASKED if getattr(asked, name))


def _read_network(subject: Subject, checks: Checklist, few: Rows, answered: Any, graph_loss: Tensor | None) -> None:
    readings = checks.readings
    before = readings.graph  # what is frozen at first may be thawed later, so the graph is read each time
    graph = checks.run("graph", lambda: _graph_of(subject, few, answered(), graph_loss), passes=2, again=True) or before
    graph.field_share, graph.dropout_in_evaluation = before.field_share, before.dropout_in_evaluation
    graph.dropout, readings.graph = max(graph.dropout, before.dropout), graph
    graph.widest_kernel = picture_fields.widest_kernel(subject.model)
    if readings.graph.convolutional:
        field = checks.run(
            "receptive field",
            lambda: picture_fields.read_field(subject.called(subject.trained()), subject.train.inputs),
            passes=2,
        )
        readings.graph.field_share = field if field is not None else readings.graph.field_share
    if (dropped := checks.run("dropout", lambda: dropped_shares.read_dropped(subject, few), passes=1)) is not None:
        before.dropped_answers = dropped.of_answers
        readings.graph.dropout = max(readings.graph.dropout, dropped.largest)
    readings.graph.dropped_answers = before.dropped_answers
    always = checks.run("dropout in evaluation", lambda: dropped_shares.read_dropped(subject, few, training=False), passes=1)
    readings.graph.dropout_in_evaluation = always.largest if always is not None else before.dropout_in_evaluation
    hidden = checks.run("weights that nobody holds", lambda: hidden_layers.read_hidden(subject, few), passes=1, again=True)
    readings.hidden = hidden or readings.hidden
    plain = checks.run("tensors that nothing can train", lambda: plain_tensors.read_plain(subject, few), passes=1, again=True)
    readings.hidden.plain, readings.hidden.plain_share = plain or ([], 0.0)
    readings.graph.pretrained = bool(
        checks.run("earlier trainings", lambda: first_look.has_learned(subject.fresh()), again=True)
    )
    layers = checks.run("layers", lambda: first_look.read_layers(subject.fresh(), few, subject.call), passes=2)
    readings.program.layers = layers or readings.program.layers
    pairing = functools.partial(paired_rows.read_foreign, subject)
    foreign = checks.run("rows and their targets", pairing, passes=4) if readings.asked.answers else None
    readings.graph.foreign = foreign if foreign is not None else before.foreign
    improper = checks.run("shares", lambda: proper_losses.read_improper(subject), passes=1)
    readings.asked.improper = improper if improper is not None else readings.asked.improper
    readings.first = checks.run("first step", lambda: first_look.read_first(subject), passes=16) or readings.first


def _read_rows(subject: Subject, checks: Checklist, answered: Any) -> None:
    readings, train, valid = checks.readings, subject.train, subject.valid
    readings.columns = checks.run("inputs", lambda: input_columns.read_columns(train.inputs)) or readings.columns
    readings.answers = (
        checks.run("targets", lambda: answer_columns.read_answers(train.targets, answered(), train.inputs)) or readings.answers
    )
    readings.answers.scale = subject.turned[0] if subject.turned is not None else ""
    if readings.asked.places:  # what they are within a batch says nothing of them all
        readings.answers = Answers(output_shape=readings.answers.output_shape)
    if valid is not None:
        readings.splits = checks.run("splits", lambda: split_likeness.read_splits(train, valid)) or readings.splits
    if subject.task == "classes":
        found = checks.run("labels", lambda: label_looks.read_labels(train, subject.task, subject.classes))
        readings.labels = found or readings.labels
    giveaway = checks.run("columns beside the target", lambda: giveaways.read_giveaway(subject))
    readings.giveaway = giveaway or readings.giveaway


def _graph_of(subject: Subject, few: Rows, outputs: Any, loss: Tensor | None) -> Graph:
    """From the loss of the program's own loop, else from a pass of a copy."""
    owner = subject.model
    if loss is None:
        if subject.loss is None:
            raise ValueError("there is no loss to follow")
        owner = subject.trained().train()
        loss = subject.loss(subject.call(owner, few.inputs), few.targets)
    graph = loss_graphs.read_graph(loss, owner, (), loss_function=subject.loss, targets=few.targets, outputs=outputs)
    # Where there is no optimizer yet, it is not known which weights it will hold.
    graph.outside = [name for name in graph.outside if name not in subject.held] if subject.optimizers else []
    return graph


def _program(subject: Subject, checks: Checklist) -> Program:
    before, samples = checks.readings.program, checks.readings.steps.samples
    group = subject.optimizers[0].param_groups[0] if subject.optimizers else {}
    parameters = list(subject.model.parameters())
    betas = group.get("betas")
    known = "task" in checks.done
    return Program(
        task=before.task if known else subject.task,
        classes=before.classes if known else subject.classes,
        loss=getattr(subject.loss, "__name__", type(subject.loss).__name__) if subject.loss is not None else "",
        optimizer=type(subject.optimizers[0]).__name__ if subject.optimizers else "",
        rate=max((sample.rate for sample in samples), default=float(group.get("lr", 0.0))),
        momentum=float(group.get("momentum", betas[0] if betas else 0.0)),
        weight_decay=float(group.get("weight_decay", 0.0)),
        batch=subject.batch,
        steps=subject.steps,
        epochs=subject.steps * subject.batch / subject.rows if subject.rows else None,
        rows=subject.rows or len(subject.train),
        parameters=sum(each.numel() for each in parameters),
        trainable=sum(each.numel() for each in parameters if each.requires_grad),
        layers=before.layers,
        device=str(first_tensor(subject.train.inputs).device),
    )
