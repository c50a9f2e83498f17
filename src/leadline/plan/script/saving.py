"""The training of a Plan as one file of plain PyTorch: nobody is locked in."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline import files, losses
from leadline.data.dataset import Dataset
from leadline.data.series.series import Series
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.texts.texts import Texts
from leadline.errors import PlanError, RunExistsError
from leadline.models import MODELS
from leadline.plan.building import Built, build, precision_of
from leadline.plan.loss_building import loss_of
from leadline.plan.network_building import head_of, network, started
from leadline.plan.record import Plan
from leadline.plan.script.array_file import write_arrays
from leadline.plan.script.blocks import (
    data_blocks,
    evaluate_block,
    has_members,
    in_units_block,
    loss_block,
    path_expression,
    prior_block,
    words_of,
)
from leadline.plan.script.composing import Composition
from leadline.plan.script.extracting import Extract
from leadline.plan.script.layout import literal, statement
from leadline.plan.script.loop_text import FOLLOW, Loop
from leadline.plan.script.network_calls import Calls, Unwritable, Writing, same_network, watched
from leadline.plan.script.pieces import (
    average_of,
    clip_lines,
    instance,
    loss_name,
    optimizer_expression,
    refused,
    schedule_expression,
)
from leadline.training.devices import preserved, settle

_ROWS = 4  # on which the network of the script is compared with the real one


def save_script(plan: Plan, dataset: Dataset, path: Path | str) -> tuple[Path, Path]:
    """Write the training of a Plan as a Python file that needs torch, numpy and safetensors alone, and its data beside it.

    The file gives the same weights as `leadline.train` with the same Plan, to the bit on the same machine, and saves them under
    the same names. Before it is written, its network is built and compared with Leadline's own.

    Args:
        plan: as a Run has it. What it leaves at "auto" is settled by this machine.
        dataset: what it is trained on.
        path: of the file, NAME.py; the prepared arrays go to NAME.safetensors beside it.

    Returns:
        The paths of both.

    Errors: `RunExistsError` where one of the two exists; `PlanError` for a choice that has no form as a script.

    Example:
        >>> import tempfile
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> mine = {"model": "linear", "training.device": "cpu", "training.threads": 1, "training.layout": "contiguous"}
        >>> script, arrays = save_script(plan.propose(digits, mine), digits, tempfile.mkdtemp() + "/digits.py")
        >>> "import leadline" in script.read_text(), arrays.name
        (False, 'digits.safetensors')
    """
    if dataset.task == "pairs":
        raise PlanError(
            "A training of pairs is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE --task pairs.",
        )
    if isinstance(inputs := dataset.schema.inputs, (Texts, Series, Sentences)):
        raise PlanError(
            "A training on texts or series is not written as a script", got=inputs.describe(), do="Its Plan says every choice."
        )
    if dataset.task == "generate":
        raise PlanError(
            "A training of networks that draw is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE --task generate.",
        )
    if dataset.task == "forecast":
        raise PlanError(
            "A training of forecasts is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE --forecast STEPS.",
        )
    if dataset.task == "reconstruct":
        raise PlanError(
            "A training on inputs alone is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE --task reconstruct.",
        )
    if plan.start.pretrain:
        raise PlanError(
            "A training whose layers are pre-trained is not written as a script",
            got=f"start.pretrain = {plan.start.pretrain}",
            do="Use the Run itself, or train without it.",
        )
    if dataset.task == "trees":
        raise PlanError(
            "A training on trees is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE.",
        )
    if dataset.task == "words":
        raise PlanError(
            "The training of word vectors is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE --task words.",
        )
    if dataset.task in ("tokens", "ngram"):
        raise PlanError(
            "The training of a language model is not written as a script",
            do="Its Plan says every choice: leadline plan SOURCE.",
        )
    path = Path(path)
    beside = path.with_suffix(".safetensors")
    for each in (path, beside):
        if each.exists():
            raise RunExistsError(f"{each} exists already", do="Choose another name, or remove it first.")
    text, arrays = _Script(plan, dataset, beside.name).write()
    write_arrays(beside, arrays)
    files.write_text(path, text)
    return path, beside


class _Script:
    """One script in the making."""

    def __init__(self, plan: Plan, dataset: Dataset, file: str) -> None:
        plan = _but(plan, step="plain")
        self.plan, self.dataset, self.file = plan, dataset, file
        self.training, self.schema = plan.training, dataset.schema
        with preserved():
            self.built: Built = build(plan, dataset)
            device = self.built.device
            self.base_loss = loss_of(_but(plan, entropy_bonus=0.0), dataset, device)
            settle(device, seed=self.training.seed)
            started(plan, dataset)
            self.random = torch.get_rng_state()
            settle(device, seed=self.training.seed)
            with watched(MODELS[plan.model.name]) as calls:
                self.fresh = network(plan, dataset.schema)
            self.drawn = not torch.equal(self.random, torch.get_rng_state())
        self.layers, self.builders = calls
        self.average = average_of(self.built.step)
        wrapped: Any = self.built.step
        self.step = wrapped.step if self.average else wrapped
        self.kind = type(self.step).__name__
        if self.kind == "AverageOnceStuck":
            raise refused("training.average", plan.training.average, "a script has no ear for what validation says")
        if self.kind not in ("Supervised", "ClosureStep", "PerceptronRule"):
            raise refused("model.name", plan.model.name, f"its step, {self.kind}, is not one of gradients and batches")
        if self.kind == "PerceptronRule" and self.average:
            raise refused("training.average", plan.training.average, "a perceptron has its pocket")
        if self.kind == "ClosureStep" and self.step.accumulate > 1:
            raise refused("training.accumulate", self.step.accumulate, "with lbfgs a script takes batches whole")

    def write(self) -> tuple[str, dict[str, NDArray[Any]]]:
        """The text of the script and the arrays beside it: the layers one by one where that is the same network."""
        problems: list[str] = []
        for calls in (self.layers, {**self.layers, **self.builders}):
            try:
                composition, writing = self._compose(calls)
                if self._same(composition, writing):
                    return composition.text(), writing.arrays
                problems.append("the network of the script differs")
            except (Unwritable, LookupError) as error:
                problems.append(str(error))
        raise refused("model.name", self.plan.model.name, "; ".join(dict.fromkeys(problems)))

    def _compose(self, calls: Calls) -> tuple[Composition, Writing]:
        words = words_of(self.plan.model.arguments)
        trial = Writing(Extract(words, reserved=Composition.NAMES), {}, calls)
        trial.text(self.fresh)
        extract = Extract(words, reserved=Composition.NAMES)
        writing = Writing(extract, {}, calls, trial.settling())
        made = Composition(self._introduction(), extract)
        made.settings = self._settings()
        prepares = self._data(made, writing)
        made.network += [*self._network(writing), *self._start(writing)]
        loss = self._judging(made, writing, prepares)
        self._training(made, writing, loss, prepares=prepares)
        return made, writing

    def _introduction(self) -> str:
        name = re.sub(r"[^\w .,+-]", " ", self.dataset.name)
        return (
            f"Train {self.plan.model.name} on {name}, without Leadline: with torch alone.\n\n"
            f"The rows to learn from and those to choose the best weights by are in {self.file} beside this file. On the same\n"
            "machine, with the same versions and threads, the weights come out as those of Leadline's plain steps, to the bit."
        )

    def _settings(self) -> list[str]:
        training, device = self.training, self.built.device
        lines = [
            "HERE = Path(__file__).parent",
            'OUTPUT = HERE / "model.safetensors"',
            f"SEED = {training.seed}",
            f"EPOCHS = {training.epochs}",
            f"BATCH = {self.built.batches.batch_size}",
            f"STEPS = {len(self.built.batches)}  # an epoch",
            f"LEARNING_RATE = {literal(training.learning_rate)}",
        ]
        if device.type != "cpu":
            lines.append(f"DEVICE = {literal(str(device))}")
        lines += ["", "if OUTPUT.exists():", '    raise SystemExit(f"{OUTPUT} exists already: move it away first")']
        if training.threads:
            lines.append(f"torch.set_num_threads({training.threads})")
        if device.type == "cuda":
            lines += ["torch.backends.cudnn.benchmark = False", "torch.use_deterministic_algorithms(True, warn_only=True)"]
        return lines

    def _data(self, made: Composition, writing: Writing) -> bool:
        blocks = data_blocks(self.dataset, self.built, self.plan, writing, self.file)
        made.load, made.data = blocks[0], blocks[1:]
        if (
            self.training.monitor.startswith("valid_")
            and self.schema.task == "number"
            and self.training.monitor != "valid_loss"
        ):
            made.data.append(in_units_block(self.schema.answers))  # type: ignore[arg-type]
        return any(block[:1] and block[0].startswith("def prepare(") for block in blocks)

    def _network(self, writing: Writing) -> list[str]:
        expression = writing.text(self.fresh)
        writing.extract.read([expression])
        lines = [*writing.before, "torch.manual_seed(SEED)", *statement(f"model = {expression}")]
        writing.before.clear()
        return lines

    def _start(self, writing: Writing) -> list[str]:
        """From the network as its layers begin to the one that is trained."""
        model, device = self.built.model, self.built.device
        states = [{name: value.cpu() for name, value in each.state_dict().items()} for each in (self.fresh, model)]
        changed = {name for name in states[0] if not torch.equal(states[0][name], states[1][name])}
        lines: list[str] = []
        head = head_of(model)
        if changed and isinstance(head, nn.Module) and self.schema.task != "number":
            named = path_expression(model, head)
            if changed == {".".join(re.findall(r"\w+", named)[1:]) + ".bias"}:
                lines = prior_block(named, self.schema.task, self.schema.answers.outputs, device)
        if changed and not lines:
            for name, value in states[1].items():
                writing.arrays[f"start.{name}"] = value.numpy()
            lines = [
                "# The weights to begin with.",
                'start = {name: data[f"start.{name}"] for name in model.state_dict()}',
                "model.load_state_dict(start)",
            ]
            if self.drawn:  # random numbers went into these weights, and the next ones must come where those ended
                writing.arrays["random_state"] = self.random.numpy()
                lines.append('torch.set_rng_state(data["random_state"].cpu())')
        where = [] if device.type == "cpu" else ["DEVICE"]
        layout = ["memory_format=torch.channels_last"] if self.training.layout == "channels_last" else []
        return [*lines, *([f"model = model.to({', '.join([*where, *layout])})"] if where or layout else [])]

    def _judging(self, made: Composition, writing: Writing, prepares: bool) -> str:
        built, outputs = self.built, precision_of(self.training.precision, self.built.device)
        inputs, targets = next(iter(built.batches))
        # Targets of mixed pictures are distributions, those of the validation rows are not.
        mixes = built.batches.augment is not None and built.batches.augment.mixes
        of_targets = None if mixes else targets.dtype
        loss = loss_name(self.base_loss, writing.extract, writing, outputs=outputs, targets=of_targets)
        members = has_members(built.model, inputs[:_ROWS].clone())
        if loss.startswith("functools"):
            made.judging.append([f"mean_loss = {loss}"])
            loss = "mean_loss"
        bonus = ""
        if self.training.entropy_bonus:
            entropy = writing.extract.use(
                losses.entropy, constants={"reduction": "mean"}, facts=_facts(losses.entropy, outputs)
            )
            bonus = f" - {literal(self.training.entropy_bonus)} * {entropy}(outputs)"
        block = loss_block(loss, members, bonus)
        made.judging.append(block)
        loss = "loss_of" if block else loss
        made.judging.append(evaluate_block(built, self.plan, self.dataset, writing, loss, prepares=prepares))
        return loss

    def _training(self, made: Composition, writing: Writing, loss: str, *, prepares: bool) -> None:
        training, best = self.training, self.built.best
        loop = Loop(
            loss=loss,
            monitor=training.monitor if training.monitor in ("loss", "valid_loss") else "score",
            title=training.monitor.removeprefix("valid_").replace("_", " "),
            higher=best.higher_is_better,
            patience=best.patience or 0,
            min_change=best.min_change,
            average=self.average,
            device=str(self.built.device),
        )
        rule = self.kind == "PerceptronRule"
        before = self._rule(writing, loop, prepares=prepares) if rule else self._gradients(writing, loop)
        if self.average[:1] in (("ema",), ("swa",)):
            made.judging.append(FOLLOW)
        made.judging.append(loop.minimize_block())
        made.training = [*before, *loop.setup(), "", *loop.lines()]
        made.saving = ["save_file({name: tensor.cpu().contiguous() for name, tensor in kept.items()}, OUTPUT)"]

    def _gradients(self, writing: Writing, loop: Loop) -> list[str]:
        """Optimizer, schedule, clipping and penalties; the lines before the loop."""
        training, step = self.training, self.step
        loop.schedule, plateau = schedule_expression(self.plan, writing)
        clip_before, loop.clip = clip_lines(getattr(step, "clip", None), writing)
        loop.plateau, loop.accumulate = bool(plateau), step.accumulate
        loop.several_rates = len({float(group["lr"]) for group in step.optimizer.param_groups}) > 1
        loop.autocast = precision_of(training.precision, self.built.device) == torch.bfloat16
        loop.closure, loop.penalized = self.kind == "ClosureStep", step.penalties is not None
        if loop.closure:
            loop.decay = float(step.optimizer.param_groups[0].get("weight_decay", 0.0))
        optimizer = optimizer_expression(step.optimizer, self.built.model, writing, training.learning_rate)
        before = statement(f"optimizer = {optimizer}")
        before += [*clip_before, *([plateau] if plateau else [])]
        if step.penalties is not None:
            before += statement(f"penalties = {instance(step.penalties, writing)}")
        return before

    def _rule(self, writing: Writing, loop: Loop, *, prepares: bool) -> list[str]:
        """The step of a perceptron, which is code of ours as a whole."""
        loop.rule = True
        name = writing.extract.use(type(self.step))
        writing.extract.attributes.update(("evaluating", "finished"))
        call = f"rule = {name}(model, rate={literal(self.step.rate)}"
        if self.step.rows is None:
            return [f"{call})"]
        inputs = "prepare(train_inputs)" if prepares else "train_inputs"
        return statement(f"{call}, rows=({inputs}, train_targets))")

    def _same(self, composition: Composition, writing: Writing) -> bool:
        """Whether the lines of the script that make the network make Leadline's own."""
        device = self.built.device
        few = {name: array[:_ROWS] if name.endswith("_inputs") else array for name, array in writing.arrays.items()}
        names: dict[str, Any] = {
            "DEVICE": str(device),
            "data": {name: _tensor(array).to(device) for name, array in few.items()},
        }
        with preserved():
            try:
                exec(compile(composition.beginning(self.training.seed), "script", "exec"), names)
            except Exception as error:  # whatever it is, the script would end with it too
                raise Unwritable(f"its network fails with {error!r}") from error
            model = names["model"]
            prepare = names.get("prepare", lambda rows: rows)
            rows = self.dataset.valid.inputs[:_ROWS]
            inputs = prepare(_tensor(np.ascontiguousarray(rows)).to(device))
            expected = next(iter(self.built.evaluate.batches))[0][: len(rows)]
            targets = self.built.batches.targets
            return (
                torch.equal(inputs, expected)
                and isinstance(targets, torch.Tensor)
                and torch.equal(names["train_targets"], targets)
                and same_network(self.built.model, model, expected.clone())
            )


def _but(plan: Plan, **changes: Any) -> Plan:
    """The Plan with another way to train."""
    return dataclasses.replace(plan, training=dataclasses.replace(plan.training, **changes))


def _facts(function: Any, outputs: torch.dtype) -> dict[str, Any]:
    """What is known of a function of outputs alone."""
    first = next(iter(inspect.signature(function).parameters))
    return {f"{first}.dtype": outputs} if outputs == torch.float32 else {}


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
