"""What the section about a language model shows: what it writes."""

from __future__ import annotations

from typing import Any

from leadline.report.wording import is_finite

Record = dict[str, Any]
View = dict[str, Any]

_MOST, _LETTERS = 6, 6_000  # samples, and letters of each


def tokens_view(results: Record, examples: Record) -> View | None:
    """Samples of what the network writes, each with how it was drawn; None without any.

    Example:
        >>> view = tokens_view({}, {"written": [{"temperature": 0.8, "top_p": 0.95, "prompt": "To ", "text": "be"}]})
        >>> view["samples"][0]["how"], tokens_view({}, {}) is None
        ('Temperature 0.8, from the likeliest that have 0.95 of the probability together', True)
    """
    samples = []
    for sample in (examples.get("written") or ())[:_MOST]:
        text = str(sample.get("text") or "")
        if not text.strip():
            continue
        how = f"Temperature {sample['temperature']:g}" if is_finite(sample.get("temperature")) else "Drawn"
        if is_finite(sample.get("top_p")) and sample["top_p"] < 1:
            how += f", from the likeliest that have {sample['top_p']:g} of the probability together"
        samples.append({"how": how, "prompt": str(sample.get("prompt") or ""), "text": text[:_LETTERS]})
    return {"samples": samples, "sentence": _sentence(results)} if samples else None


def _sentence(results: Record) -> str:
    """What was drawn from."""
    known, noun = results.get("vocabulary"), str(results.get("noun") or "tokens")
    if not is_finite(known):
        return ""
    whose, before = ("n-grams foretell", "the few") if results.get("task") == "ngram" else ("network expects", "all")
    return f"Each of its {noun} is drawn from {known - 2:,} by what the {whose} after {before} before it."
