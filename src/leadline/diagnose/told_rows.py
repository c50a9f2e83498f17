"""The rows that a loop tells, kept, and brought into the form in which its network and its loss get them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.kept_rows import KeptRows, as_rows, as_tensors, leaves_of
from leadline.diagnose.loop_forms import LoopForm, learn_call
from leadline.diagnose.loss_forms import LossForm, form_of, usual_form
from leadline.diagnose.sample_steps import Pass
from leadline.diagnose.subject import Rows, Subject, drawn_aside, each_tensor, plain_call

Call = Callable[[nn.Module, Any], Any]


class ToldRows:
    """Keeps what `probe.step` is told of, and learns at the first step that is heard what becomes of it.

    A loop may give its network other things than it tells: a view of the inputs, several arguments, the targets too. What was
    told is then brought into the same form. Where some of what the network gets is not made of it, rows are kept of what the
    network gets at the steps that are heard, and held-out rows are used as they are if the network takes them.

    `missed` says what could not be kept or learned.

    Args:
        model: the network.
        loss: (outputs, targets) → scalar.
        call: (model, inputs) → outputs, where the person says it; then nothing is learned.
        keeping: whether rows are to be kept at all.

    Example:
        >>> model, x, y = nn.Linear(6, 2), torch.randn(8, 3, 2), torch.randn(8, 2)
        >>> told = ToldRows(model, nn.functional.mse_loss)
        >>> told.keep(x, y)
        True
        >>> flat = x.flatten(1)
        >>> told.heard([Pass((flat,), {}, model(flat))], nn.functional.mse_loss(model(flat), y), x, y)
        >>> told.rows().inputs.shape, told.call(model, told.rows().inputs).shape
        (torch.Size([8, 6]), torch.Size([8, 2]))
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor] | None,
        *,
        call: Call | None = None,
        keeping: bool = True,
    ) -> None:
        self.kept = KeptRows()
        self.missed: list[str] = []
        self.unlearned = ""
        self.usual: LossForm | None = None  # of a loss that is not said, where it is a usual one, and
        self.unusual = False  # whether it is none
        self._model, self._loss, self._own_call = model, loss, call
        self._keeping, self._refused = keeping, ""
        self._learned = not keeping or call is not None
        self._form: LoopForm | None = None
        self._heard = KeptRows()

    @property
    def call(self) -> Call:
        """How the network is called with the inputs of rows."""
        return self._own_call or (self._form.call if self._form is not None else plain_call)

    def keep(self, inputs: Any, targets: Any) -> bool:
        """Keep rows of this batch while there is room; whether there still is."""
        if self.kept.full:
            return False
        self._offer(inputs, targets)
        return self._keeping

    def heard(self, passes: Sequence[Pass], loss: Tensor | float, inputs: Any, targets: Any) -> None:
        """Learn from a step that was heard, and keep rows of it where they are kept of such steps alone."""
        if not self._learned:
            self._learned = True
            try:
                self._form = self._learn(passes, loss, inputs, targets)
            except Exception as error:  # of a loop that is not understood: what is told is taken as it is
                self.unlearned = str(error).splitlines()[0] if str(error) else type(error).__name__
        if self.kept.full:
            self._offer(inputs, targets)
        if self._recording and passes:
            try:
                rows = self._form.heard(passes[0].arguments, passes[0].keywords, _targets_of(targets, self._device))  # type: ignore[union-attr]
                self._heard.offer(rows.inputs, rows.targets)
            except (ValueError, RuntimeError, KeyError):  # a call of another kind than the first
                return

    def rows(self) -> Rows | None:
        """The kept rows as network and loss get them, each once; None where there are none."""
        try:
            if self._recording:
                return self._heard.rows() if self._heard.seen else None
            if not self.kept.seen:
                self._miss(f"rows: {self._refused}" if self._refused else "")
                return None
            rows = self.kept.rows()
            return rows if self._form is None else self._form.rows(rows)
        except Exception as error:  # of batches that cannot be joined, or are of several kinds
            self._miss(f"rows: {first_line(error)}")
            return None

    def held_out(self, rows: Rows) -> Rows | None:
        """Held-out rows, given as the loop is told of its own, as network and loss get them; None where they cannot be had."""
        if self._form is None:
            return rows
        try:
            if not self._recording:
                return self._form.rows(rows)
            with drawn_aside(), torch.no_grad():
                self._form.call(Subject(self._model, None, (), rows).trained().eval(), rows.take(slice(0, 2)).inputs)
            return Rows(rows.inputs, self._form.loss.of_targets(rows.targets))
        except Exception as error:  # the network gets what the loop makes at each step
            self._miss(f"held-out rows: the network gets other things than are told ({first_line(error)}); say how by call=")
            return None

    def calls_what_it_gets(self, rows: Rows) -> bool:
        """Whether the person's own `call` uses the network that it is given: copies must not be trained in its place."""
        if self._own_call is None:
            return True
        copied, used = Subject(self._model, None, (), rows).trained().eval(), list[bool]()
        for module in copied.modules():
            module.register_forward_hook(lambda *_: used.append(True))
        try:
            with drawn_aside(), torch.no_grad():
                self._own_call(copied, rows.take(slice(0, 2)).inputs)
        except Exception as error:  # the checks will tell of it
            self.unlearned = self.unlearned or first_line(error)
            return True
        if not used:
            self._miss("network, loss and data: `call` does not call the network that it is given")
        return bool(used)

    @property
    def distinct(self) -> int | None:
        """Distinct rows that there are, where they came round."""
        if self._recording and self.kept.seen:
            self.kept.rows()
        return self.kept.distinct

    @property
    def _recording(self) -> bool:
        return self._form is not None and (self._form.recorded or bool(self._refused))

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    def _offer(self, inputs: Any, targets: Any) -> None:
        if not self._keeping:
            return
        try:
            rows = as_rows(inputs, targets, self._device)
            self.kept.offer(rows.inputs, rows.targets)
        except Exception as error:  # of batches that are no rows side by side: the person's training is to go on
            self._keeping, self.kept, self._refused = False, KeptRows(), first_line(error)

    def _learn(self, passes: Sequence[Pass], loss: Tensor | float, inputs: Any, targets: Any) -> LoopForm | None:
        if not passes:
            return None
        if len(passes) > 1:
            raise ValueError("the network is called several times a step")
        told = Rows(inputs, _targets_of(targets, self._device)) if self._refused else as_rows(inputs, targets, self._device)
        if not any(each.ndim for each in leaves_of(told.targets)):
            return None
        only = passes[0]
        if self._loss is None:
            self.usual = usual_form(only.output, told.targets, loss)
            self.unusual = self.usual is None
        form = learn_call(self._model, only.arguments, only.keywords, told)
        lossy = form_of(self._loss, only.output, told.targets, loss) if self._loss is not None else None
        if lossy is None:
            return form
        return LoopForm(loss=lossy) if form is None else dataclasses.replace(form, loss=lossy)

    def _miss(self, told: str) -> None:
        if told and told not in self.missed:
            self.missed.append(told)


def first_line(error: Exception) -> str:
    """What an error says, short.

    Example:
        >>> first_line(ValueError("no rows\\nat all"))
        'no rows'
    """
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _targets_of(targets: Any, device: torch.device) -> Any:
    return each_tensor(as_tensors(targets), lambda part: part.to(device))
