"""How a generator and a discriminator learn from each other: one batch is a step of the one, and every n-th a step of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_whole
from leadline.layers.conditional_norm import check_class_numbers
from leadline.losses.adversarial import adversarial_loss, gradient_penalty
from leadline.models.adversarial.adversarial_readings import game_readings
from leadline.models.adversarial.adversarial_samples import as_pair
from leadline.models.adversarial.differentiable_changes import DRAWS, changed_pictures, named_changes
from leadline.models.step_noise import step_generator
from leadline.models.step_parts import in_evaluation
from leadline.optim import set_rates
from leadline.optim.shadow import Shadow

_BEYOND = 1e-3  # of the range [−1, 1], for rounding


class AdversarialStep:
    """The discriminator learns to tell a batch of real pictures from as many drawn ones, and the generator to mislead it.

    D goes down its loss on real pictures x and fake ones G(z), z ~ N(0, I), plus λ · `gradient_penalty`; at every n-th batch G
    then goes down its own on the same G(z), judged anew. Real and fake pictures are judged in one pass, unless batch norm in
    the discriminator would mix them. Where G learns, no gradient is taken for D's weights. With classes, the drawn pictures
    have those of the batch.

    Evaluation, kept weights and sheets use the average of the generator, a ← d·a + (1 − d)·w with d = min(average,
    (1 + t) / (10 + t)) after its t-th step; running statistics are averaged likewise.

    Noise and augmentation of a batch are drawn from (seed, number of the step), so that a training resumed anywhere goes on as
    if nothing had happened.

    Logged are `loss`, the discriminator's without the penalty; `generator_loss`, the last one; `penalty_gradient`, λ times the
    penalty, where there is one; `real_right` and `fake_right`, shares of pictures on the right side of 0, which are near 1
    where the discriminator has won and ½ where it can tell nothing; `real_logit` and `fake_logit`, means; and `spread`, the
    root of the drawn pictures' variance over that of the real ones, which goes to 0 where all drawings become one.

    Args:
        pair: an `AdversarialPair`, such as `dcgan` makes; changed in place.
        optimizers: of the generator's parameters, and of the discriminator's.
        loss: as `adversarial_loss` reads it: "non_saturating", "hinge", "wasserstein(penalty=10)", "minimax".
        critic_steps: n, batches for one step of the generator; 5 is usual for wasserstein.
        average: d, in [0, 1); 0 for no average.
        augment: differentiable changes for small sets, as `named_changes` reads them: "color, shift, cutout"; "" for none.
        schedule: progress in [0, 1] → multiplier of both rates; None leaves them alone.
        seed: of noise and augmentation.
        precision: torch.float32, or torch.bfloat16 for autocast; the penalty is always in float32.

    Errors: `ArgumentError` for an argument out of range, and for pictures that are none of the pair's: another shape, or values
        outside [−1, 1].

    Example:
        >>> from types import SimpleNamespace
        >>> from leadline.models.adversarial.adversarial_networks import dcgan
        >>> from leadline.optim import make_optimizer
        >>> pair = dcgan((1, 8, 8), latent=4, width=4)
        >>> parts = pair.generator, pair.discriminator
        >>> optimizers = [make_optimizer("adam", part, learning_rate=2e-4, momentum=0.5) for part in parts]
        >>> step = AdversarialStep(pair, tuple(optimizers), loss="hinge")
        >>> logs = step((torch.rand(16, 1, 8, 8) * 2 - 1, torch.zeros(16)), SimpleNamespace(fraction=0.0))
        >>> list(logs)
        ['loss', 'generator_loss', 'real_right', 'fake_right', 'real_logit', 'fake_logit', 'spread']

    Source: Goodfellow et al. (2014), Generative adversarial nets; Yazıcı et al. (2019), The unusual effectiveness of averaging
    in GAN training; Zhao et al. (2020), Differentiable augmentation for data-efficient GAN training.
    """

    def __init__(
        self,
        pair: nn.Module,
        optimizers: tuple[Optimizer, Optimizer],
        *,
        loss: str = "non_saturating",
        critic_steps: int = 1,
        average: float = 0.999,
        augment: str = "",
        schedule: Callable[[float], float] | None = None,
        seed: int = 0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.pair = as_pair(pair)
        check_whole("The adversarial step", {"critic_steps": critic_steps})
        if not 0 <= average < 1:
            raise ArgumentError("The average of the generator is out of range", expected="a decay in [0, 1)", got=average)
        self.loss, self.changes = adversarial_loss(loss), named_changes(augment)
        self._separately = any(isinstance(each, _BatchNorm) for each in self.pair.discriminator.modules())
        if self.loss.penalty and self._separately:
            raise ArgumentError(
                "The gradient penalty asks for each picture's own slope, and batch norm in the discriminator mixes them",
                do="Build the discriminator with norm = 'layer', 'spectral' or 'none', or set the penalty to 0.",
            )
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.critic_steps, self.average, self.schedule, self.seed = critic_steps, average, schedule, seed
        self._generated = _parameters(self.generator_optimizer)
        self._judging = _parameters(self.discriminator_optimizer)
        self._rates = [[float(group["lr"]) for group in each.param_groups] for each in optimizers]
        self._autocast = precision if precision != torch.float32 else None
        self._shadow = Shadow([*self.pair.generator.parameters(), *self.pair.generator.buffers()]) if average else None
        self._random = torch.Generator()  # of the step that is being made
        self._looked = False
        self.steps = self.updates = 0  # batches seen; steps of the generator
        self._told = torch.zeros(())  # the generator's last loss

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        real, classes = self._checked(batch)
        self._set_rates(getattr(progress, "fraction", 0.0))
        self._random = step_generator(self.seed, self.steps, real.device)
        noise = torch.randn(len(real), self.pair.latent, device=real.device, generator=self._random)
        generates = (self.steps + 1) % self.critic_steps == 0
        with self._precision(real), torch.set_grad_enabled(generates):
            fake = self.pair(noise, classes)
        logs, real_logits, fake_logits = self._judge(real, fake.detach(), classes)
        if generates:
            self._told = self._generate(fake, classes)
        self.steps += 1
        return {
            "loss": logs.pop("loss"),
            "generator_loss": self._told.to(real.device),
            **logs,
            **game_readings(real, fake, real_logits, fake_logits),
        }

    def _judge(self, real: Tensor, fake: Tensor, classes: Tensor | None) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """One step of the discriminator; its loss, and the logits that it gave before."""
        both = self._changed(torch.cat([real, fake]))
        real_seen, fake_seen = both.chunk(2)
        with self._precision(real):
            if self._separately:
                real_logits, fake_logits = (self.pair.judged(each, classes) for each in (real_seen, fake_seen))
            else:
                twice = None if classes is None else torch.cat([classes, classes])
                real_logits, fake_logits = self.pair.judged(both, twice).chunk(2)
        loss = self.loss.discriminator(real_logits, fake_logits)
        logs, total = {"loss": loss.detach()}, loss
        if self.loss.penalty:
            shares = torch.rand(len(real), device=real.device, generator=self._random)
            term = self.loss.penalty * gradient_penalty(
                lambda between: self.pair.judged(between, classes), real_seen, fake_seen, shares
            )
            logs["penalty_gradient"], total = term.detach(), loss + term
        self.discriminator_optimizer.zero_grad()
        total.backward(inputs=self._judging)  # type: ignore[no-untyped-call]
        self.discriminator_optimizer.step()
        return logs, real_logits.detach(), fake_logits.detach()

    def _generate(self, fake: Tensor, classes: Tensor | None) -> Tensor:
        """One step of the generator on pictures that it has drawn; its loss."""
        with self._precision(fake):
            logits = self.pair.judged(self._changed(fake), classes)
        loss = self.loss.generator(logits)
        self.generator_optimizer.zero_grad()
        # Naming the inputs spares the gradients of the discriminator's weights, a third of its work.
        loss.backward(inputs=self._generated)  # type: ignore[no-untyped-call]
        self.generator_optimizer.step()
        self.updates += 1
        if self._shadow is not None:
            self._shadow.follow(1 - min(self.average, (1 + self.updates) / (10 + self.updates)))
        return loss.detach()

    def _changed(self, pictures: Tensor) -> Tensor:
        if not self.changes:
            return pictures
        draws = torch.rand(len(pictures), DRAWS, device=pictures.device, generator=self._random)
        return changed_pictures(pictures, draws, self.changes)

    def _precision(self, like: Tensor) -> Any:
        return torch.autocast(like.device.type, dtype=self._autocast, enabled=self._autocast is not None)

    def _checked(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        pictures, *rest = batch if isinstance(batch, (tuple, list)) else (batch,)
        expected = f"floating-point numbers of shape {['B', *self.pair.shape]} from −1 to 1".replace("'", "")
        if pictures.ndim != 4 or tuple(pictures.shape[1:]) != self.pair.shape or not pictures.is_floating_point():
            got = f"{str(pictures.dtype).removeprefix('torch.')} of shape {list(pictures.shape)}"
            raise ArgumentError("The pictures do not fit the generator", expected=expected, got=got)
        if not self._looked:  # the one time that a device is waited for
            _look_at(pictures, expected)
            self._looked = True
        if not self.pair.classes:
            return pictures, None
        classes = rest[0] if rest else None
        check_class_numbers("The adversarial step", classes, len(pictures), self.pair.classes)
        return pictures, classes

    def _set_rates(self, fraction: float) -> None:
        if self.schedule is None:
            return
        multiplier = self.schedule(fraction)
        for optimizer, rates in zip((self.generator_optimizer, self.discriminator_optimizer), self._rates, strict=True):
            set_rates(optimizer, rates, multiplier)

    @property
    def rate(self) -> float:
        """The learning rate of the generator's last step, of its first parameter group."""
        return float(self.generator_optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        return {
            "pair": self.pair.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "average": self._shadow.copies if self._shadow is not None else [],
            "counts": [self.steps, self.updates],
            "generator_loss": self._told,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.pair.load_state_dict(state["pair"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        if self._shadow is not None:
            self._shadow.load(state["average"])
        self.steps, self.updates = state["counts"]
        self._told = state["generator_loss"]

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.pair}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block both are in evaluation mode, and the generator holds its averaged weights."""
        averaged = self._shadow.standing_in() if self._shadow is not None and self.updates else nullcontext()
        with in_evaluation(self.pair), averaged:
            yield


def _look_at(pictures: Tensor, expected: str) -> None:
    low, high = (float(value) for value in torch.aminmax(pictures))
    if not (low >= -1 - _BEYOND and high <= 1 + _BEYOND):
        raise ArgumentError(
            "The pictures are not in the range in which the generator draws",
            expected=expected,
            got=f"values from {low:.3g} to {high:.3g}",
            do="Prepare them with (x − 127.5) / 127.5 where they are bytes.",
        )


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.requires_grad]
