"""Whether the healthy configurations are: what they reach, and whether more epochs or another rate would help them.

    python benchmarks/diagnosis/healthy.py [--seeds 3] [--family WORDS] [--longer]

With `--longer` each is also trained three times as long, and with a third and three times its rate: a configuration that gains
by any of it was not healthy.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from families import FAMILIES
from judging import chance
from programs import train

CHANGES = {"longer": {"epochs": 3.0}, "slower": {"rate": 1 / 3}, "faster": {"rate": 3.0}}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--family", default="")
    options.add_argument("--longer", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    for family in FAMILIES:
        if chosen.family not in family.name:
            continue
        for name in family.configurations:
            recipes = [family.recipe(name, seed) for seed in range(chosen.seeds)]
            runs = [train(recipe, seed) for seed, recipe in enumerate(recipes)]
            scores = [run.clean for run in runs]
            rise = max(
                run.history[-1]["valid_loss"] / max(1e-9, min(each["valid_loss"] for each in run.history)) for run in runs
            )
            last = [[each["loss"] for each in run.history] for run in runs]
            fall = np.mean([1 - losses[-1] / losses[-1 - max(1, len(losses) // 5)] for losses in last])
            told = f"{family.name:15} {name:18} {statistics.mean(scores):.3f} ± {np.std(scores):.3f}"
            told += f" (chance {chance(recipes[0].arrays, recipes[0].metric):.2f}, level {family.level:.2f}), train "
            told += f"{statistics.mean(run.history[-1]['score'] for run in runs):.3f}, valid loss {rise:.2f} × its least, "
            told += f"last fifth −{fall:.0%}, {len(runs[0].losses)} steps, {statistics.mean(run.seconds for run in runs):.2f} s"
            if chosen.longer:
                for change, factors in CHANGES.items():
                    changed = [recipe.but(**{key: type(getattr(recipe, key))(getattr(recipe, key) * factor)
                                             for key, factor in factors.items()}) for recipe in recipes]  # fmt: skip
                    gain = [
                        train(recipe, seed).clean - run.clean
                        for seed, (recipe, run) in enumerate(zip(changed, runs, strict=True))
                    ]
                    told += f", {change} {statistics.mean(gain):+.3f}"
            mark = "" if statistics.mean(scores) >= family.level else "  BELOW ITS LEVEL"
            print(told + mark, flush=True)


if __name__ == "__main__":
    main()
