"""What the diagnosis says before the first step, on every sound program and on every fault that is there by then.

    python benchmarks/diagnosis/before.py [--seeds 1] [--each 3] [--families WORDS] [--faults WORDS] [--rates]

A sound program must give no alarm, but for what is true of it. A fault counts as found where there is any finding, and as
named where one of the first three is of its kinds; nobody has looked here whether it would have hurt. Faults of the loop and of
the course of a training are left out, as nothing of them is there before it. `--rates` adds the range test, and with it the
faults of the learning rate.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from typing import Any

import torch
from families import BY_NAME, FAMILIES
from faults import A_HALF, FAULT, PAIRS, faulty, injections
from judging import loss_of
from programs import build, optimizer_of
from recipe import Recipe

from leadline.diagnose import Verdict, check

GROUPS = ("labels", "inputs", "activations", "head", "loss", "weights", "splits", "capacity")
BY_NAME_TOO = ("optimizer lacks parameters", "features detached", "frozen layers")
OF_RATES = ("rate too high", "rate too low", "momentum too high")


def checked(recipe: Recipe, seed: int, *, rates: bool) -> tuple[Verdict, float]:
    """The verdict on a program before its training, and the seconds that it took."""
    torch.manual_seed(seed)
    model = build(recipe, seed)
    criterion, optimizer = loss_of(recipe), optimizer_of(recipe, model)
    loss = criterion if recipe.sign == 1 else lambda outputs, targets: recipe.sign * criterion(outputs, targets)
    train, valid = recipe.arrays.train, recipe.arrays.valid
    began = time.perf_counter()
    verdict = check(
        model, train, loss=loss, optimizer=optimizer, valid=valid, rates=rates, batch_size=recipe.batch or len(train[0])
    )
    return verdict, time.perf_counter() - began


def told(verdict: Verdict) -> str:
    found = ", ".join(f"{each.kind} {each.confidence:.2f}" for each in verdict) or "–"
    remarks = ", ".join(each.kind for each in verdict.remarks)
    return f"{found}" + (f"   (remarks: {remarks})" if remarks else "")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--each", type=int, default=A_HALF)
    options.add_argument("--families", default="")
    options.add_argument("--faults", default="", help="part of a name; none for the sound ones alone")
    options.add_argument("--rates", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    seconds: list[float] = []
    alarms, sound = 0, 0
    families = [family for family in FAMILIES if chosen.families in family.name]
    for family in families if chosen.faults in ("", "none") else ():
        for configuration in family.configurations:
            for seed in range(chosen.seeds):
                verdict, took = checked(family.recipe(configuration, seed), seed, rates=chosen.rates)
                seconds.append(took)
                sound += 1
                wrong = [each.kind for each in verdict if each.kind not in family.tolerated.get(configuration, ())]
                alarms += bool(wrong)
                print(f"sound  {family.name:14} {configuration:18} {took:4.1f} s  {told(verdict)}", flush=True)
    found: dict[str, list[Any]] = defaultdict(list)
    pairs = {" + ".join(name for name, _ in pair) for pair in PAIRS}
    for name, strengths, family_name, configuration in injections(chosen.each) if chosen.faults != "none" else ():
        if name in pairs or chosen.faults not in name or family_name not in {family.name for family in families}:
            continue
        fault = FAULT[name]
        if not (fault.group in GROUPS or name in BY_NAME_TOO or (chosen.rates and name in OF_RATES)):
            continue
        for seed in range(chosen.seeds):
            recipe = faulty(BY_NAME[family_name].recipe(configuration, seed), name, strengths, seed)
            try:
                verdict, took = checked(recipe, seed, rates=chosen.rates)
            except Exception as error:
                print(f"FAILED {name} {strengths} {family_name} {type(error).__name__}: {error}"[:300], flush=True)
                continue
            seconds.append(took)
            kinds = [each.kind for each in verdict]
            found[name].append((bool(kinds), bool(set(kinds[:3]) & {*fault.kinds, *fault.also})))
            print(f"fault  {name:32} {fault.strengths[strengths[0]]!s:8} {family_name:14} {told(verdict)}", flush=True)
    if sound:
        print(f"\n{alarms} of {sound} sound programs with an alarm that is not true of them")
    for name, cases in found.items():
        print(f"{name:40} found {sum(any_ for any_, _ in cases)} of {len(cases)}, named {sum(named for _, named in cases)}")
    if found:
        every = [case for cases in found.values() for case in cases]
        print(f"all faults: found {sum(case[0] for case in every)}, named {sum(case[1] for case in every)} of {len(every)}")
    if seconds:
        print(f"seconds a check: median {statistics.median(seconds):.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
