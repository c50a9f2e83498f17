"""From records to counts: which faults hurt, and what Leadline and its peers say of healthy, harmed and unharmed programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from families import BY_NAME
from faults import parts_of
from harm import Harm, harm_of
from peers import PEERS

Record = dict[str, Any]
LEAST_SEEDS = 3
OURS = "Leadline"


@dataclass(frozen=True)
class Program:
    """A family's configuration with a fault at a strength: what its seeds have in common."""

    family: str
    configuration: str
    fault: str = ""
    strengths: tuple[int, ...] = ()

    @property
    def healthy(self) -> Program:
        return Program(self.family, self.configuration)


@dataclass
class Case:
    """One training, and the kinds that each tool names, the weightiest first."""

    program: Program
    half: str
    seed: int
    harm: Harm | None
    said: dict[str, list[str]]
    right: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()
    named: dict[str, int] = field(default_factory=dict)  # of each tool: how many of a pair's faults are among its first three

    @property
    def healthy(self) -> bool:
        return not self.program.fault

    @property
    def hurts(self) -> bool:
        return self.harm is not None and self.harm.verdict == "hurts"

    def alarm(self, tool: str, *, strict: bool = True) -> bool:
        return any(strict or kind not in self.tolerated for kind in self.said[tool])

    def among(self, tool: str, first: int, *, also: bool = False) -> bool:
        """Whether a right kind is among the first so many."""
        good = self.right + (self.also if also else ())
        return any(kind in good for kind in self.said[tool][:first])


def program_of(record: Record) -> Program:
    return Program(record["family"], record["configuration"], record["fault"], tuple(record["strengths"]))


def kept_promise(record: Record) -> float:
    """1 less what the held-out rows promised in excess."""
    return 1 - max(0.0, record["promised"] - record["clean"])


def harms_of(records: Sequence[Record]) -> dict[Program, Harm]:
    """Of every faulty program with enough seeds, and enough healthy ones beside it."""
    seeds: dict[Program, list[Record]] = defaultdict(list)
    for record in records:
        seeds[program_of(record)].append(record)
    found: dict[Program, Harm] = {}
    for program, own in seeds.items():
        healthy = seeds.get(program.healthy, [])
        if not program.fault or min(len(own), len(healthy)) < LEAST_SEEDS or any(each["crashed"] for each in own):
            continue
        harm = harm_of([each["clean"] for each in healthy], [each["clean"] for each in own], own[0]["chance"])
        if harm.verdict != "hurts" and any(part.outcome == "promise" for part in parts_of(program.fault)):
            harm = harm_of(list(map(kept_promise, healthy)), list(map(kept_promise, own)), 0.0)
        found[program] = harm
    return found


def first_of_each(kinds: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(kinds))


def found_by_leadline(record: Record, *, rejudge: bool) -> list[str] | None:
    """The kinds that Leadline finds; with `rejudge`, by the rules as they are now, from the readings that were kept."""
    if "verdict" not in record:
        return None
    if not rejudge:
        return [finding["kind"] for finding in record["verdict"]["findings"]]
    from leadline.diagnose.readings import Readings
    from leadline.diagnose.rules.judging import judge_readings

    return [finding.kind for finding in judge_readings(Readings.from_json(record["readings"]))]


def slim(record: Record, *, rejudge: bool) -> Record:
    """What the tables need of a record: four thousand whole ones would not fit into a small machine's memory."""
    names = (
        "family",
        "configuration",
        "fault",
        "strengths",
        "seed",
        "half",
        "chance",
        "clean",
        "promised",
        "crashed",
        "seconds",
        "steps",
        "same_weights",
        "left_alone",
        "plain_seconds",
        "watched_seconds",
        "finding_seconds",
        "refused",
        "failed",
        "whole_seconds",
    )
    kept = {name: record[name] for name in names if name in record}
    said = {
        tool: first_of_each(kind for _, kinds in rules(record) for kind in kinds or ("other",)) for tool, rules in PEERS.items()
    }
    ours = found_by_leadline(record, rejudge=rejudge)
    return {**kept, "said": said if ours is None else {OURS: first_of_each(ours), **said}}


def cases_of(slimmed: Sequence[Record]) -> list[Case]:
    harms = harms_of(slimmed)
    cases = []
    for record in slimmed:
        program = program_of(record)
        faults = parts_of(program.fault) if program.fault else []
        case = Case(
            program,
            record["half"],
            record["seed"],
            harms.get(program),
            record["said"],
            tuple(kind for fault in faults for kind in fault.kinds),
            tuple(kind for fault in faults for kind in fault.also),
            BY_NAME[program.family].tolerated.get(program.configuration, ()),
        )
        case.named = {
            tool: sum(any(kind in fault.kinds for kind in kinds[:3]) for fault in faults) for tool, kinds in case.said.items()
        }
        cases.append(case)
    return cases
