"""`leadline diagnose`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadline.cli.diagnose_command import rate_lines
from leadline.diagnose.findings import Finding, Measure, Remedy, Verdict
from leadline.diagnose.readings import Readings
from leadline.plan import Plan
from leadline.runs import folder as folders
from leadline.runs.diagnosis_file import keep_diagnosis

TypeIn = Callable[..., tuple[int, str, str]]

TOO_HIGH = Finding(
    "rate_too_high",
    "severe",
    0.93,
    (
        Measure("update ratio", 0.31, high=0.01),
        Measure("loss at the end over its lowest", 3.2, high=2.0),
    ),
    "The steps are so long that the loss rises again after it has fallen.",
    Remedy("Take a tenth of the learning rate.", {"training.learning_rate": 0.0001, "training.clip": "norm(limit=1.0)"}),
    tried="Confirmed: with rate 0.1 a copy gained 0.124 ± 0.011 of error (3 seeds, 150 steps).",
    confirmed=True,
)
OF_A_MODULE = Finding(
    "not_training",
    "moderate",
    0.6,
    (),
    "Nobody trains it.",
    Remedy("Give it to the optimizer.", code="optimizer.add_param_group({'params': model.head.parameters()})"),
    where="head",
)


@pytest.fixture
def kept(workplace: Path) -> Callable[..., Path]:
    """A Run folder with this verdict."""

    def keep(verdict: Verdict, *, source: str = "digits", status: str = "finished", **more: Any) -> Path:
        path = Path("runs/digits-1")
        path.mkdir(parents=True)
        folders.write_record(path, status)
        (path / "plan.json").write_text(json.dumps(Plan().but({"data.source": source}).to_json()))
        keep_diagnosis(path, verdict, Readings(), **more)
        return path

    return keep


def test_each_finding_with_its_numbers_and_what_to_type(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(
        Verdict(
            (TOO_HIGH, OF_A_MODULE), outcome="Right for 80 % of the held-out rows.", checked=("rates",), unchecked=("x: y",)
        )
    )
    status, out, err = type_in("diagnose", "last")
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [
        "verdict   2 things are wrong, the weightiest first",
        "outcome   Right for 80 % of the held-out rows.",
        "",
        "1         Learning rate too high (severe, confirmed)",
        "why       The steps are so long that the loss rises again after it has fallen.",
        "seen      update ratio 0.31 (healthy: up to 0.01)",
        "          loss at the end over its lowest 3.2 (healthy: up to 2)",
        "tried     Confirmed: with rate 0.1 a copy gained 0.124 ± 0.011 of error (3",
        "          seeds, 150 steps).",
        "do        Take a tenth of the learning rate.",
        "type      leadline train digits --plan runs/digits-1/plan.json --set "
        "training.learning_rate=0.0001 --set 'training.clip=norm(limit=1.0)'",
        "",
        "2         Parameters that do not train in head (moderate, 60 % sure)",
        "why       Nobody trains it.",
        "do        Give it to the optimizer.",
        "code      optimizer.add_param_group({'params': model.head.parameters()})",
        "",
        "checked   rates",
        "unchecked x: y",
    ]


def test_lines_fit_in_80_columns_but_for_what_is_copied(kept: Callable[..., Path], type_in: TypeIn) -> None:
    long = Verdict((TOO_HIGH,), (OF_A_MODULE,) * 6, "so " * 60, ("rates and gradients",) * 9, ("a check: no reason",) * 9)
    kept(long)
    status, out, _ = type_in("diagnose", "last")
    lines = [line for line in out.splitlines() if not line.startswith("type")]
    assert status == 0
    assert max(map(len, lines)) <= 80
    assert "2 further remarks are in the report" in out
    assert "5 more could not be checked" in out


def test_of_many_findings_three_are_told_whole(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict((TOO_HIGH,) * 3 + (OF_A_MODULE,) * 6, checked=("rates",)))
    _, out, _ = type_in("diagnose", "last")
    assert out.count("type      leadline train") == 3
    assert "also      Parameters that do not train in head: Nobody trains it.\n" in out
    assert "2 more; the report has all" in out


def test_a_healthy_run_says_so_and_what_was_checked(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict(outcome="97 % right.", checked=("inputs", "rates")))
    status, out, _ = type_in("diagnose", "runs/digits-1")
    assert status == 0
    assert out.splitlines()[1:] == [
        "verdict   healthy: nothing is wrong, as far as was checked",
        "outcome   97 % right.",
        "checked   inputs, rates",
    ]


def test_where_nothing_could_be_checked_it_is_not_called_healthy(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict(unchecked=("everything: no",)))
    _, out, _ = type_in("diagnose", "last")
    assert "healthy" not in out
    assert "nothing could be checked" in out


def test_a_training_that_failed_is_diagnosed_all_the_same(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict((TOO_HIGH,), checked=("rates",)), status="failed")
    status, out, _ = type_in("diagnose", "last")
    assert (status, "1         Learning rate too high" in out) == (0, True)


def test_arrays_are_trained_on_again_in_python(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict((TOO_HIGH,), checked=("rates",)), source="arrays")
    _, out, _ = type_in("diagnose", "last")
    assert "leadline.train(inputs, run.plan, targets=targets, changes={'training.learning_rate': 0.0001" in out


def test_the_story_of_mending(kept: Callable[..., Path], type_in: TypeIn) -> None:
    story = [
        {"kind": "tried", "text": "A tenth of the rate.", "helped": True},
        {"kind": "kept", "text": "The new weights.", "helped": None},
    ]
    kept(Verdict(checked=("rates",)), story=story)
    _, out, _ = type_in("diagnose", "last")
    assert "tried     A tenth of the rate. It helped.\nkept      The new weights.\n" in out


def test_json_is_the_whole_record_alone(kept: Callable[..., Path], type_in: TypeIn) -> None:
    verdict = Verdict((TOO_HIGH,), outcome="o", checked=("rates",))
    path = kept(verdict)
    status, out, err = type_in("diagnose", "last", "--json")
    record = json.loads(out)
    assert (status, err, record["folder"]) == (0, "", str(path))
    command = record["verdict"]["findings"][0].pop("command")
    assert command.startswith("leadline train digits")
    assert Verdict.from_json(record["verdict"]) == verdict
    assert Readings.from_json(record["readings"]) == Readings()


def test_names_that_would_steer_a_terminal_do_not(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict((TOO_HIGH,), checked=("rates",)), source="rose\x1b[2J.csv")
    _, out, _ = type_in("diagnose", "last")
    assert "\x1b" not in out


def test_neither_a_run_nor_data_is_one_paragraph(workplace: Path, type_in: TypeIn) -> None:
    status, _, err = type_in("diagnose", "nowhere")
    assert (status, "There is neither a Run nor data." in err, err.count("\n\n")) == (2, True, 0)


def test_options_of_the_other_kind_are_mistakes(kept: Callable[..., Path], type_in: TypeIn) -> None:
    kept(Verdict(checked=("rates",)))
    for words, said in (
        (("last", "--set", "model=mlp"), "whose data and plan are settled"),
        (("digits", "--confirm", "3"), "digits is not a Run, and --confirm is for one"),
    ):
        status, _, err = type_in("diagnose", *words)
        assert (status, said in " ".join(err.split())) == (2, True)


def test_data_are_checked_before_any_training(workplace: Path, type_in: TypeIn) -> None:
    words = (
        "digits",
        "--set",
        "model=linear",
        "--set",
        "training.threads=1",
        "--set",
        "training.learning_rate=1000",
        "--rates",
    )
    status, out, err = type_in("diagnose", *words)
    assert (status, err) == (0, "")
    assert "Learning rate too high (severe, confirmed)" in out
    (command,) = {line for line in out.splitlines() if line.startswith("type ")}
    assert command.startswith("type      leadline train digits --set model=linear --set training.threads=1 --set training.lea")
    assert "training.learning_rate=1000" not in command
    assert "^ recommended" in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("type")) <= 80
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(("own", "sound", "typed"), [(1e-3, True, False), (1e-3, False, True), (1.0, True, True)])
def test_another_rate_is_typed_only_where_yours_is_not_good_as_it_is(own: float, sound: bool, typed: bool) -> None:
    curve = [(10.0**at, float(abs(at + 2))) for at in range(-7, 1)]
    rates = {"curve": curve, "own": own, "recommended": 4e-3, "falls_from": 1e-5, "falls_to": 1e-2, "diverged": None}
    told = rate_lines(rates, "leadline train digits --set training.learning_rate={}".format, sound=sound)
    lines = "\n".join(told).splitlines()
    assert any(line.startswith("type ") for line in lines) is typed
    assert any("lies in this range" in line for line in lines) is not typed
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("seconds", ["-1", "much"])
def test_seconds_are_a_number(seconds: str, type_in: TypeIn) -> None:
    status, _, err = type_in("diagnose", "last", "--confirm", seconds)
    assert (status, "--confirm" in err) == (2, True)


def test_the_help_fits_in_80_columns(type_in: TypeIn) -> None:
    status, out, _ = type_in("diagnose", "--help")
    assert status == 0
    assert out.startswith("Usage: leadline diagnose")
    assert max(map(len, out.splitlines())) <= 80
