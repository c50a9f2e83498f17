"""What the section about an n-gram model shows: how many n-grams of each length there are, and which of them foretell."""

from __future__ import annotations

from typing import Any

from leadline.report.wording import as_percent, is_finite

Record = dict[str, Any]
View = dict[str, Any]
_MOST = 12  # lengths that are shown


def ngrams_view(results: Record) -> View | None:
    """A row for each length: how many there are, what is taken from their counts, for how many test tokens it is the longest.

    None for anything but an n-gram model.

    Example:
        >>> row = {"length": 1, "ngrams": 9, "counted": 9, "discounts": [0.5, 1.0, 1.5], "share": 0.25, "perplexity": 40.0}
        >>> view = ngrams_view({"noun": "words", "ngrams": {"smoothing": "Katz's back-off", "lengths": [row]}})
        >>> view["rows"][0]["discounts"], view["rows"][0]["perplexity"], ngrams_view({}) is None
        ('0.50, 1.00, 1.50', '40', True)
    """
    record = results.get("ngrams") or {}
    rows = [_row(each) for each in (record.get("lengths") or ())[:_MOST]]
    if not rows:
        return None
    noun = str(results.get("noun") or "tokens")
    smoothing, k = str(record.get("smoothing") or "smoothing"), record.get("k")
    added = f", k = {k:g}" if is_finite(k) else ""
    sentence = (
        f"The counts are made into probabilities by {smoothing}{added}. Each of the test {noun} is foretold by the longest "
        "n-gram that came in training; where only a short one did, less is known, and the perplexity is higher."
    )
    counted = _counted(results.get("perplexities") or {}, noun)
    return {
        "sentence": sentence,
        "counted": counted,
        "rows": rows,
        "noun": noun,
        "taken": any(row["discounts"] for row in rows),
    }


def _counted(record: Record, noun: str) -> str:
    """How the perplexity changes with what is counted; empty where there are neither unknown tokens nor ends."""
    known, alone = record.get("known_tokens"), record.get("words")
    unknown, ends = record.get("unknown") or 0, record.get("ends") or 0
    without = []
    if unknown and is_finite(known):
        without.append(f"{known:.4g} without the {unknown:,} that are unknown")
    if ends and is_finite(alone):
        without.append(f"{alone:.4g} if the {ends:,} ends of lines are foretold but not counted, SRILM's ppl1")
    if not without or not is_finite(record.get("all_tokens")):
        return ""
    over_all = f"Over all {record['tokens']:,} test {noun} the perplexity is {record['all_tokens']:.4g}"
    return f"{over_all}; it is {'; and '.join(without)}."


def _row(record: Record) -> View:
    kept, counted = record.get("ngrams"), record.get("counted")
    perplexity = record.get("perplexity")
    return {
        "length": record.get("length"),
        "ngrams": f"{kept:,}" if is_finite(kept) else "",
        "left_out": f"{counted - kept:,}" if is_finite(kept) and is_finite(counted) and counted > kept else "",
        "discounts": ", ".join(f"{each:.2f}" for each in record.get("discounts") or ()),
        "share": as_percent(record["share"]) if is_finite(record.get("share")) else "",
        "perplexity": f"{perplexity:.4g}" if is_finite(perplexity) else "–",
    }
