"""The training loop of a script, with only those parts that the Plan needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from leadline.plan.script.layout import indented, literal


@dataclass
class Loop:
    """What the loop of a script does.

    `average` is the kind of weight average with its arguments, or empty; `monitor` is "valid_loss", "score" or "loss". With
    `rule` the object `rule` learns from a batch in its own way; with `closure` the optimizer asks for the loss as often as it
    likes, and `decay` is the weight decay in what it is told.

    Example:
        >>> print("\\n".join(Loop().lines()[:2]))
        best, kept, waited, step = math.inf, {}, 0, 0
        for epoch in range(EPOCHS):
    """

    loss: str = "loss_of"
    monitor: str = "valid_loss"
    title: str = ""
    higher: bool = False
    patience: int = 0
    min_change: float = 0.0
    schedule: str = ""
    several_rates: bool = False
    plateau: bool = False
    clip: list[str] = field(default_factory=list)
    accumulate: int = 1
    autocast: bool = False
    penalized: bool = False
    average: tuple[str, ...] = ()
    device: str = "cpu"
    rule: bool = False
    closure: bool = False
    decay: float = 0.0

    def setup(self) -> list[str]:
        """What stands before the loop."""
        lines: list[str] = []
        if self.clip:
            lines.append('parameters = [p for group in optimizer.param_groups for p in group["params"]]')
        if self.schedule and self.several_rates:
            lines.append('rates = [group["lr"] for group in optimizer.param_groups]')
        if self.average:
            lines.append("average = copy.deepcopy(model).requires_grad_(False)")
        if self.average[:1] == ("swa",):
            lines.append("taken = 0" if self.average[2] == "0" else "taken = late = 0")
        return lines

    def lines(self) -> list[str]:
        """The loop, and the saving of the best weights behind it."""
        start = "-math.inf" if self.higher else "math.inf"
        inner = self._rule() if self.rule else [*self._step(), *self._averaging(), "step += 1"]
        zeros = "torch.zeros(())" if self.device == "cpu" else "torch.zeros((), device=DEVICE)"
        return [
            f"best, kept, waited, step = {start}, {{}}, 0, 0" if not self.rule else f"best, kept, waited = {start}, {{}}, 0",
            "for epoch in range(EPOCHS):",
            *indented(["model.train()", f"total, rows = {zeros}, 0", "for inputs, targets in batches(epoch):"]),
            *indented(indented(inner)),
            *indented(self._judging()),
        ]

    def _step(self) -> list[str]:
        lines: list[str] = []
        if self.schedule:
            lines.append("done = step / (EPOCHS * STEPS)")
            many = "for group, rate in zip(optimizer.param_groups, rates, strict=True):"
            lines.append(many if self.several_rates else "for group in optimizer.param_groups:")
            product = f"({self.schedule})" if " * " in self.schedule else self.schedule
            lines.append(f'    group["lr"] = {"rate" if self.several_rates else "LEARNING_RATE"} * {product}')
        lines += ["loss = minimize(inputs, targets)"] if self.closure else self._gradients()
        return [*lines, "total.add_(loss.detach(), alpha=len(inputs))", "rows += len(inputs)"]

    def _gradients(self) -> list[str]:
        lines = ["optimizer.zero_grad()"]
        if self.accumulate > 1:
            lines += self._accumulated()
        else:
            lines += [*self._forward("inputs", "targets"), "loss.backward()"]
        if self.penalized:
            lines.append("torch.stack(list(penalties(model).values())).sum().backward()")
        return [*lines, *self.clip, "optimizer.step()"]

    def minimize_block(self) -> list[str]:
        """The function for a step of an optimizer that asks for the loss itself; empty for any other."""
        if not self.closure:
            return []
        there = self.device.startswith("cuda")
        added = []
        if self.decay:
            added.append(f"decay = [{literal(self.decay / 2)} * p.square().sum() for p in model.parameters() if p.ndim > 1]")
        if self.decay or self.penalized:
            both = "[*penalties(model).values(), *decay]" if self.decay and self.penalized else "decay"
            terms = both if self.decay else "list(penalties(model).values())"
            added += [f"added = torch.stack({terms}).sum()", "added.backward()"]
        inside = [
            "torch.set_rng_state(random)",
            *(["torch.cuda.set_rng_state(random_there, DEVICE)"] if there else []),
            "optimizer.zero_grad()",
            f"loss = {self.loss}(model(inputs), targets)",
            "loss.backward()",
            *added,
            "asked.append(loss.detach())",
            f"return loss.detach(){' + added.detach()' if added else ''}",
        ]
        return [
            "def minimize(inputs, targets):",
            '    """A step of the optimizer, which asks for the loss several times, each time with the same units dropped."""',
            "    asked, random = [], torch.get_rng_state()",
            *(["    random_there = torch.cuda.get_rng_state(DEVICE)"] if there else []),
            "",
            "    def closure():",
            *indented(indented(inside)),
            "",
            "    optimizer.step(closure)",
            "    return asked[0]",
        ]

    @staticmethod
    def _rule() -> list[str]:
        return [
            'loss = rule((inputs, targets), SimpleNamespace(epoch=epoch))["loss"]',
            "total.add_(loss, alpha=len(inputs))",
            "rows += len(inputs)",
        ]

    def _accumulated(self) -> list[str]:
        """A batch in parts, whose gradients add up; a part of one row would have no variance for batch normalization."""
        return [
            f"parts = min({self.accumulate}, max(1, len(inputs) // 2))",
            "whole = []",
            "for part, answers in zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True):",
            *indented(self._forward("part", "answers")),
            "    share = len(part) / len(inputs)",
            "    (loss * share).backward()",
            "    whole.append(loss.detach() * share)",
            "loss = sum(whole[1:], whole[0])",
        ]

    def _forward(self, inputs: str, targets: str) -> list[str]:
        line = f"loss = {self.loss}(model({inputs}), {targets})"
        if not self.autocast:
            return [line]
        return [f"with torch.autocast({literal(self.device.split(':')[0])}, dtype=torch.bfloat16):", f"    {line}"]

    def _averaging(self) -> list[str]:
        if not self.average:
            return []
        kind, *given = self.average
        if kind == "ema":
            return [f"follow(average, model, 1 - min({given[0]}, (2 + step) / (11 + step)))"]
        if kind == "lookahead":
            return [
                f"if (step + 1) % {given[0]} == 0:",
                "    with torch.no_grad():",
                "        for slow, fast in zip(average.parameters(), model.parameters(), strict=True):",
                f"            fast.copy_(slow.lerp_(fast, {given[1]}))",
            ]
        start, every = given
        late = f"step / (EPOCHS * STEPS) >= {start}"
        take = ["taken += 1", "follow(average, model, 1 / taken)"]
        if every == "0":
            return [f"if {late} and (step + 1) % STEPS == 0:", *indented(take)]
        return [f"if {late}:", "    late += 1", f"    if late % {every} == 0:", *indented(indented(take))]

    def _judging(self) -> list[str]:
        network, lines = "model", list[str]()
        if self.average[:1] == ("swa",):
            lines, network = ["network = average if taken else model"], "network"
        elif self.average[:1] == ("lookahead",):
            lines = [
                "with torch.no_grad():",
                "    for slow, fast in zip(average.buffers(), model.buffers(), strict=True):",
                "        slow.copy_(fast)",
            ]
            network = "average"
        elif self.average:
            network = "average"
        names = "valid_loss, score" if self.monitor == "score" else "valid_loss"
        value = "total.item() / rows" if self.monitor == "loss" else self.monitor
        shown = f", {self.title} {{score:.4f}}" if self.monitor == "score" else ""
        sign, word = (">", "+") if self.higher else ("<", "-")
        margin = f" {word} {literal(self.min_change)}" if self.min_change else ""
        lines += [
            f"{names} = evaluate({network})",
            f'print(f"epoch {{epoch + 1}}: loss {{total.item() / rows:.4f}}, valid loss {{valid_loss:.4f}}{shown}")',
        ]
        if value != self.monitor:
            lines.append(f"{self.monitor.replace('loss', 'train_loss')} = {value}")
        monitored = "train_loss" if self.monitor == "loss" else self.monitor
        if self.plateau:
            lines.append(f"plateau.update({monitored}{', higher_is_better=True' if self.higher else ''})")
        better = [f"if {monitored} {sign} best{margin}:", f"    best, waited = {monitored}, 0"]
        if not self.patience:
            better[1] = f"    best = {monitored}"
        better.append(f"    kept = {{name: tensor.clone() for name, tensor in {network}.state_dict().items()}}")
        if self.patience:
            better += ["else:", "    waited += 1", f"    if waited == {self.patience}:", "        break"]
        lines += better
        if not self.rule:
            return lines
        ended = ["ended = rule.finished()", "if ended:", "    print(ended)", "    break"]
        return ["with rule.evaluating():", *indented(lines), *ended]


FOLLOW = '''
def follow(average, model, weight):
    """Each averaged tensor goes this share of the way to the model's own."""
    with torch.no_grad():
        for kind in ("parameters", "buffers"):
            for old, new in zip(getattr(average, kind)(), getattr(model, kind)(), strict=True):
                if old.is_floating_point():
                    old.lerp_(new, weight)
                else:
                    old.copy_(new)
'''.strip().split("\n")
