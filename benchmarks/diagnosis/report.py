"""The tables: alarms on healthy programs, detection of harmful faults, the right kind first and among the first three.

    python benchmarks/diagnosis/report.py [--folder runs/diagnosis] [--half report|tune|both] [--details] [--as-run] [--write]

The rules are applied anew to the readings that `run.py` kept, so that thresholds can be chosen without training again, which
may be done by looking at the half `tune` only; `--as-run` takes the verdicts as they were. Intervals are 95 %, over families.
`--write` writes `benchmarks/results/diagnosis.json`, with both halves.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harm import Rate, rate_of
from run import read
from tally import OURS, Case, Record, cases_of, slim

sys.path.append(str(Path(__file__).resolve().parents[1]))

Measures = dict[str, Rate]


def over(cases: Sequence[Case], hit: Callable[[Case], bool]) -> Rate:
    return rate_of([(case.program.family, hit(case)) for case in cases])


def measures(cases: Sequence[Case], tool: str) -> Measures:
    """What the aims speak of, for one tool."""
    cases = [case for case in cases if tool in case.said]
    healthy = [case for case in cases if case.healthy]
    harmful = [case for case in cases if case.hurts]
    harmless = [case for case in cases if case.harm and case.harm.verdict == "harmless"]
    pairs = [case for case in harmful if " + " in case.program.fault]
    return {
        "healthy with any alarm": over(healthy, lambda case: case.alarm(tool)),
        "healthy with an untrue alarm": over(healthy, lambda case: case.alarm(tool, strict=False)),
        "harmless faults with any alarm": over(harmless, lambda case: case.alarm(tool)),
        "harmful faults detected": over(harmful, lambda case: case.alarm(tool)),
        "right kind first": over(harmful, lambda case: case.among(tool, 1)),
        "right kind among three": over(harmful, lambda case: case.among(tool, 3)),
        "right or following kind first": over(harmful, lambda case: case.among(tool, 1, also=True)),
        "right or following kind among three": over(harmful, lambda case: case.among(tool, 3, also=True)),
        "pairs with both named among three": over(pairs, lambda case: case.named[tool] == 2),
    }


def tools_of(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(tool for case in cases for tool in case.said))


def print_measures(title: str, found: dict[str, Measures]) -> None:
    print(f"\n{title}")
    for name in next(iter(found.values()), {}):
        print(f"  {name}")
        for tool, rates in found.items():
            print(f"    {tool:24} {rates[name]}")


def print_groups(title: str, cases: Sequence[Case], key: Callable[[Case], str]) -> dict[str, dict[str, float]]:
    """Leadline by fault or family: alarms on healthy ones, detection, first, first three, and what is said instead."""
    print(f"\n{title:44} healthy alarms   harmful   found   first   three   said first instead")
    kept = {}
    for name in sorted({key(case) for case in cases}):
        own = [case for case in cases if key(case) == name]
        healthy, harmful = [case for case in own if case.healthy], [case for case in own if case.hurts]
        rates = [
            share(harmful, hit)
            for hit in (lambda case: case.alarm(OURS), lambda case: case.among(OURS, 1), lambda case: case.among(OURS, 3))
        ]
        alarms = share(healthy, lambda case: case.alarm(OURS))
        wrong = Counter((case.said[OURS] or ["nothing"])[0] for case in harmful if not case.among(OURS, 1))
        if not healthy and not harmful:
            continue
        told = "   ".join(f"{rate:5.0%}" if harmful else "    —" for rate in rates)
        print(
            f"  {name[:42]:42} {f'{alarms:.0%} of {len(healthy)}' if healthy else '':>14} {len(harmful):9}   {told}   "
            + ", ".join(f"{kind} {count}" for kind, count in wrong.most_common(3))
        )
        kept[name] = {
            "healthy": len(healthy),
            "healthy_alarms": alarms,
            "harmful": len(harmful),
            **dict(zip(("detected", "first", "three"), rates, strict=True)),
        }
    return kept


def share(cases: Sequence[Case], hit: Callable[[Case], bool]) -> float:
    return round(sum(map(hit, cases)) / len(cases), 4) if cases else 0.0


def print_alarms(cases: Sequence[Case]) -> None:
    """Which kinds are said of healthy programs and of faults that do not hurt, and of which; which harmful ones are missed."""
    harmless = [case for case in cases if case.harm and case.harm.verdict == "harmless"]
    for title, own in (("healthy programs", [case for case in cases if case.healthy]), ("harmless faults", harmless)):
        said = Counter(kind for case in own for kind in case.said[OURS])
        print(f"\nSaid of {title}: " + (", ".join(f"{kind} {count}" for kind, count in said.most_common()) or "nothing"))
        for case in own:
            if case.alarm(OURS):
                print(f"  {told(case)}: {', '.join(case.said[OURS])}")
    print("\nHarmful and not found")
    for case in cases:
        if case.hurts and case.harm and not case.alarm(OURS):
            print(f"  {told(case)}: costs {case.harm.loss:.3f}")


def told(case: Case) -> str:
    program = case.program
    fault = f", {program.fault} {'+'.join(map(str, program.strengths))}" if program.fault else ""
    return f"{program.family}, {program.configuration}{fault}, seed {case.seed}"


def print_harms(cases: Sequence[Case]) -> dict[str, dict[str, int]]:
    """How many of the faulty programs hurt, by fault."""
    programs = {case.program: case.harm for case in cases if not case.healthy}
    counts: dict[str, Counter[str]] = {}
    for program, harm in programs.items():
        counts.setdefault(program.fault, Counter())[harm.verdict if harm else "not judged"] += 1
    print("\nHarm of the injected faults, programs (all strengths)")
    for fault, count in counts.items():
        print(f"  {fault[:60]:60} " + ", ".join(f"{verdict} {number}" for verdict, number in count.most_common()))
    return {fault: dict(count) for fault, count in counts.items()}


def costs(slimmed: Sequence[Record]) -> dict[str, Any]:
    """Seconds: of watching, as a share of plain training; of finding; and whether anything was changed."""
    timed = [record for record in slimmed if "watched_seconds" in record and record["plain_seconds"]]
    shares = [record["watched_seconds"] / statistics.mean(record["plain_seconds"]) - 1 for record in timed]
    finding = [record["finding_seconds"] for record in slimmed if "finding_seconds" in record]
    watched = [record for record in slimmed if "same_weights" in record]
    return {
        "watching_share_median": round(statistics.median(shares), 4) if shares else None,
        "watching_share_of_total": round(
            sum(r["watched_seconds"] for r in timed) / sum(statistics.mean(r["plain_seconds"]) for r in timed) - 1, 4
        )
        if timed
        else None,
        "watched_trainings_timed": len(shares),
        "finding_seconds_median": round(statistics.median(finding), 2) if finding else None,
        "finding_seconds_most": max(finding, default=None),
        "training_seconds_median": round(statistics.median(record["seconds"] for record in slimmed), 2),
        "same_weights": sum(record["same_weights"] for record in watched),
        "left_alone": sum(record.get("left_alone", True) for record in watched),
        "watched": len(watched),
        "refused": sum("refused" in record for record in slimmed),
        "failed": sum("failed" in record for record in slimmed),
        "crashed_programs": sum(bool(record["crashed"]) for record in slimmed),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("runs/diagnosis"))
    options.add_argument("--half", default="both", choices=("report", "tune", "both"))
    options.add_argument("--details", action="store_true")
    options.add_argument("--as-run", action="store_true")
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    kept: dict[str, Record] = {}
    for record in read(chosen.folder):
        if record["key"] not in kept or "same_weights" in record:
            kept[record["key"]] = slim(record, rejudge=not chosen.as_run)
    slimmed = list(kept.values())
    if not slimmed:
        options.error(f"there are no records in {chosen.folder}")
    every = cases_of(slimmed)
    halves = {half: [case for case in every if half in ("both", case.half)] for half in ("report", "tune", "both")}
    cases = halves[chosen.half]
    tables = {half: {tool: measures(own, tool) for tool in tools_of(own)} for half, own in halves.items()}
    print_measures(f"{len(cases):,} trainings, half: {chosen.half}", tables[chosen.half])
    ours = [case for case in cases if OURS in case.said]
    by_fault = print_groups("Leadline by fault", ours, lambda case: case.program.fault or "(healthy)")
    by_family = print_groups("Leadline by family", ours, lambda case: case.program.family)
    harms = print_harms(cases) if chosen.details or not ours else {}
    if chosen.details:
        print_alarms(ours)
    spent = costs(slimmed)
    print("\nCosts: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in spent.items()))
    if chosen.write:
        from machine import machine, write

        rates = {
            half: {tool: {name: rate.record() for name, rate in own.items() if rate.n} for tool, own in table.items()}
            for half, table in tables.items()
        }
        write(
            "diagnosis",
            {
                "machine": machine("scikit-learn"),
                "trainings": len(slimmed),
                "costs": spent,
                "rates": rates,
                "half_of_the_groups": chosen.half,
                "by_fault": by_fault,
                "by_family": by_family,
                "harms": harms,
            },
        )


if __name__ == "__main__":
    main()
