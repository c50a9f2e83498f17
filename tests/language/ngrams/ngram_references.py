"""N-gram models again, as plainly as the papers say them: dictionaries, sentences with their marks, one n-gram at a time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

Gram = tuple[object, ...]
BEGIN, END = "<s>", "</s>"


def sentences_of(ids: list[int], boundary: int | None) -> list[list[object]]:
    """Lists of tokens with their marks; a text without a boundary is one, without marks."""
    if boundary is None:
        return [list(ids)]
    found: list[list[object]] = [[BEGIN]]
    for token in ids:
        if token == boundary:
            found[-1].append(END)
            found.append([BEGIN])
        else:
            found[-1].append(token)
    return [sentence for sentence in found if len(sentence) > 1]


def grams_of(sentences: list[list[object]], length: int) -> Counter[Gram]:
    counts: Counter[Gram] = Counter()
    for sentence in sentences:
        for end in range(length, len(sentence) + 1):
            gram = tuple(sentence[end - length : end])
            if gram != (BEGIN,):  # is never foretold
                counts[gram] += 1
    return counts


class KneserNey:
    """Interpolated, by the recursion of Chen and Goodman (1999), with the counts of Kneser and Ney below the longest."""

    def __init__(self, ids: list[int], words: int, order: int, boundary: int | None, *, modified: bool) -> None:
        sentences = sentences_of(ids, boundary)
        raw = {length: grams_of(sentences, length) for length in range(1, order + 1)}
        self.order, self.words = order, words
        self.counts: dict[int, dict[Gram, int]] = {order: dict(raw[order])}
        for length in range(1, order):
            left: dict[Gram, set[object]] = defaultdict(set)
            for gram in raw[length + 1]:
                left[gram[1:]].add(gram[0])
            self.counts[length] = {
                gram: count if gram[0] == BEGIN else max(1, len(left[gram])) for gram, count in raw[length].items()
            }
        self.discounts = {length: discounts(self.counts[length], modified=modified) for length in self.counts}

    def p(self, past: Gram, word: object) -> float:
        past = past[max(0, len(past) - self.order + 1) :]
        lower = self.p(past[1:], word) if past else 1 / self.words
        level, amounts = self.counts[len(past) + 1], self.discounts[len(past) + 1]
        after = {gram: count for gram, count in level.items() if gram[:-1] == past}
        total = sum(after.values())
        if not total:
            return lower
        count = after.get((*past, word), 0)
        left = sum(amounts[min(each, 3)] for each in after.values())
        return (count - amounts[min(count, 3)]) / total + left / total * lower


def discounts(counts: dict[Gram, int], *, modified: bool) -> list[float]:
    n = [sum(count == times for count in counts.values()) for times in (1, 2, 3, 4)]
    one = n[0] / (n[0] + 2 * n[1]) if n[0] and n[1] else None
    if not modified:
        return [0.0, *[0.5 if one is None else one] * 3]
    if one is not None and n[2] and n[3]:
        three = [times - (times + 1) * one * n[times] / n[times - 1] for times in (1, 2, 3)]
        if all(0 < amount < times for times, amount in enumerate(three, 1)):
            return [0.0, *three]
    return [0.0, 0.5, 1.0, 1.5] if one is None else [0.0, one, one, one]


class ArpaFile:
    """An ARPA file read line by line, and its back-off as its definition says."""

    def __init__(self, path: Path) -> None:
        self.p: dict[Gram, float] = {}
        self.weights: dict[Gram, float] = {}
        length = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.endswith("-grams:"):
                length = int(line[1:-7])
            elif length and "\t" in line:
                parts = line.split("\t")
                gram = tuple(parts[1].split(" "))
                assert len(gram) == length
                self.p[gram] = float(parts[0])
                if len(parts) > 2:
                    self.weights[gram] = float(parts[2])
        self.order = length

    def log10(self, past: Gram, word: object) -> float:
        past = past[max(0, len(past) - self.order + 1) :]
        if (*past, word) in self.p:
            return self.p[(*past, word)]
        return self.weights.get(past, 0.0) + self.log10(past[1:], word) if past else -100.0

    def sentence(self, words: list[str]) -> list[float]:
        """Natural logarithms of a sentence with its end."""
        read: list[object] = [BEGIN, *words, END]
        return [self.log10(tuple(read[:at]), read[at]) * math.log(10) for at in range(1, len(read))]
