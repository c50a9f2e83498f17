"""An n-gram model as a Run: counted, judged on the test part, saved memory-mapped, reported."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline import files
from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import Interrupted, LeadlineError
from leadline.language import NGramModel, NGramNetwork, fit_ngrams, open_ngrams, perplexities, save_ngrams
from leadline.plan import Plan
from leadline.plan.ngrams import boundary_of, check_ngram_plan
from leadline.report.sentences import better_baseline
from leadline.runs import folder as folders
from leadline.runs.diagnosing_afterwards import diagnose_course
from leadline.runs.environment import describe_environment
from leadline.runs.failing import write_failure
from leadline.runs.observer import Observer
from leadline.runs.run import Run
from leadline.runs.token_scoring import counted_scores
from leadline.runs.tokens import beside_counts, golden_tokens, samples_of, tokens_of
from leadline.text.vocabularies import UNKNOWN
from leadline.training import History

_NAMED = {
    "modified_kneser_ney": "modified Kneser–Ney smoothing",
    "kneser_ney": "Kneser–Ney smoothing",
    "katz": "Katz's back-off",
    "add_k": "add-k smoothing",
}
_BESIDE = (1, 2)  # orders of the counts that stand beside it


def smoothing_named(smoothing: str) -> str:
    """What a smoothing is called in a sentence.

    Example:
        >>> smoothing_named("katz")
        "Katz's back-off"
    """
    return _NAMED[smoothing]


def count_and_finish(path: Path, plan: Plan, dataset: Dataset, observer: Observer) -> Run:
    """Count and smooth, judge on the test part, and write all that the folder promises, the record of being finished last.

    Args:
        path: of the Run.
        plan: whole.
        dataset: of a text.
        observer: is told what happens.

    Errors: `Interrupted` when it was stopped; what counting raises.
    """
    for left in path.glob("leadline-ngrams-*"):  # of a counting that was killed
        shutil.rmtree(left, ignore_errors=True)
    with _stopping(path):
        settings, tokens = check_ngram_plan(plan), tokens_of(dataset.schema)
        ids = {part: stream_of(getattr(dataset, part)) for part in ("train", "valid", "test")}
        boundary, began = boundary_of(tokens, settings), time.perf_counter()
        fit = fit_ngrams(
            ids["train"], len(tokens.vocabulary), boundary=boundary, settings=settings, valid=ids["valid"], folder=path
        )
        save_ngrams(fit.model, path / folders.MODEL)
        seconds, records = time.perf_counter() - began, fit.records
        del fit  # what was counted on disk goes with it
        _keep_history(path, records)
        for record in records:
            observer.note(f"{record['length']}-grams", _told(record))
        model = open_ngrams(path / folders.MODEL)
        run = Run(path, plan, dataset.schema, NGramNetwork(model), torch.device("cpu"))
        results = _results(path, plan, dataset, model, ids, records, seconds, observer)
        files.write_json(path / "examples.json", {"written": samples_of(run.model, dataset.schema, ids["test"])})
        files.write_json(path / "environment.json", describe_environment(run.device))
        files.write_json(path / "results.json", results)
        folders.save_golden(path, run, golden_tokens(dataset))
        diagnose_course(dataset, run.history).keep(path, dataset)
        run.report()
        folders.write_record(path, "finished", sha256=folders.hashes(path))
        _tell(results, observer)
        return run


@contextmanager
def _stopping(path: Path) -> Iterator[None]:
    """What ends the counting early is written down."""
    try:
        yield
    except KeyboardInterrupt:
        folders.write_record(path, "interrupted")
        raise Interrupted("Stopped while it was counting", do=f"Count again with: leadline resume {path}") from None
    except LeadlineError as error:
        with suppress(OSError):  # of a disk so full that not even this can be written
            write_failure(path, error)
        raise


def _keep_history(path: Path, records: list[dict[str, Any]]) -> None:
    history = History.read(path / "history.jsonl")
    history.cut(0)
    for record in records:
        history.append({key: value for key, value in record.items() if isinstance(value, (int, float))})
    history.sync()


def _results(
    path: Path,
    plan: Plan,
    dataset: Dataset,
    model: NGramModel,
    ids: dict[str, NDArray[Any]],
    records: list[dict[str, Any]],
    seconds: float,
    observer: Observer,
) -> dict[str, Any]:
    tokens, settings = tokens_of(dataset.schema), check_ngram_plan(plan)
    ours, matched = model.looked_up(ids["test"])
    scores = counted_scores(ours, ids["test"], tokens)
    orders = [order for order in _BESIDE if order < model.order]
    if orders:
        observer.note("baselines", f"counts of single {tokens.unit}" + (" and pairs" if len(orders) > 1 else ""))
    rows = [{**record, **_share(record["length"], ours, matched)} for record in records]
    results: dict[str, Any] = {
        "task": dataset.task,
        "headline": next(iter(scores)),
        "classes": [],
        "scores": scores,
        "baselines": [beside_counts(each, ids, tokens, ours) for each in orders],
        "name": dataset.name,
        "noun": tokens.unit,
        "rows": {part: len(each) for part, each in ids.items()},
        "vocabulary": len(tokens.vocabulary),
        "unknown": float((np.asarray(ids["test"]) == UNKNOWN).mean()),
        "epochs": None,
        "best_epoch": None,
        "stopped": "",
        "parameters": sum(len(level.log_p) + len(level.back_off) for level in model.levels),
        "ngrams": {"smoothing": smoothing_named(settings.smoothing), "k": records[-1].get("k"), "lengths": rows},
        "perplexities": _finite(perplexities(ours, ids["test"], boundary=model.boundary)._asdict()),
        "notes": [*dataset.notes, *_notes(records)],
        "excluded": [],
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "seconds": {"data": folders.read_record(path).get("data_seconds", 0.0), "training": seconds},
    }
    results["next"] = _next(results, path, tokens)
    return results


def _share(length: int, surprises: NDArray[np.float64], matched: NDArray[np.int16]) -> dict[str, float | None]:
    """Of how many test tokens the longest n-gram that the model has is of this length, and how well it foretells these."""
    here = matched == length
    shown = math.exp(float(surprises[here].mean())) if here.any() else None
    return {"share": float(here.mean()), "perplexity": shown}


def _notes(records: list[dict[str, Any]]) -> list[str]:
    return [f"Discounts of {record['length']}-grams: {record['note']}." for record in records if record["note"]]


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _told(record: dict[str, Any]) -> str:
    kept, counted = record["ngrams"], record["counted"]
    amounts = ", ".join(f"{each:.2f}" for each in record["discounts"])
    text = f"{counted:,}" if kept == counted else f"{kept:,} of {counted:,}"
    return text + (f"; discounts {amounts} for counts 1, 2, 3 and more" if amounts else "")


def _tell(results: dict[str, Any], observer: Observer) -> None:
    headline = results["headline"]
    score = results["scores"][headline]
    interval = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    counted = f"counted in {results['seconds']['training']:.2g} s"
    observer.note("result", f"test {score['title'].lower()} {score['value']:.4g}{interval}, {counted}")
    if results["baselines"]:
        beside = "; ".join(f"{row['name']} {row['scores'][headline]['value']:.4g}" for row in results["baselines"])
        observer.note("beside it", beside)


def _next(results: dict[str, Any], path: Path, tokens: Tokens) -> list[str]:
    return [
        *([better] if (better := better_baseline(results)) else []),
        f'Let it write: `leadline write {path} "A beginning" --temperature 0.8 --top-p 0.95`',
        f"Give it to KenLM or SRILM: `leadline write {path} --arpa FILE.arpa`",
        f"Judge it on another text: `leadline evaluate {path} TEXT.txt`",
        f"A network foretells {tokens.unit} better, in minutes to hours: `leadline train` with --task tokens",
        f"And both together better still: `leadline evaluate NETWORK TEXT.txt --mix {path}`",
    ]
