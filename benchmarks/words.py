"""word2vec beside gensim: words of text per second of the wall clock, and what the vectors are worth.

    LEADLINE_TEXTS=… LEADLINE_DATA=… python benchmarks/words.py [--peer PYTHON] [--seeds 1] [--epochs 3] [--kinds 1,2,3,4]

takes about 13 minutes on two cores; `--seeds 5 --epochs 5 --kinds 1,2,3` is the whole of what is claimed, and takes 80.

The corpus is WikiText-2 and the reviews of IMDB, 16 million words and marks in small letters, a paragraph a line. Both train
with the same settings (width 100, window 5, 5 negative samples, words seen 5 times, sub-sampling 1e-3, the same rates) and
threads, epoch by epoch in turn. What counts is training alone: reading and counting the corpus and compiling are told apart,
and `whole` is the ratio with reading and counting. gensim reads the file in C. Quality is the mean rank correlation over
WordSim-353, SimLex-999 and MEN, and Google's analogies beside it, both judged by Leadline.

LEADLINE_TEXTS is a folder with wikitext2.{train,valid,test}.txt and imdb.{train,test}.tsv; LEADLINE_DATA one with the files of
questions in wordvec/. PYTHON is an interpreter that has gensim. What was measured of other kinds stays in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, machine, spread, write

from leadline.language import Word2vec, Word2vecSettings, judge_words
from leadline.language.words.word2vec_training import compile_word2vec, usable_threads
from leadline.text import SpacedTokenizer, TokenFile, WordTokenizer, WordVectors, read_vectors, write_tokens

MIN_COUNT = 5
SETTINGS: dict[str, Any] = {"width": 100, "window": 5, "negatives": 5, "subsample": 1e-3}
KINDS = (
    ("skip_gram", "negative_sampling"),
    ("cbow", "negative_sampling"),
    ("skip_gram", "hierarchical_softmax"),
    ("cbow", "hierarchical_softmax"),
)
SIMILARITY, ANALOGIES = ("wordsim353.tsv", "simlex999.txt", "EN-MEN-TR-3k.txt"), "questions-words.txt"


def paragraphs(texts: Path) -> Iterator[str]:
    words = WordTokenizer(lower=True)
    for part in ("train", "valid", "test"):
        for line in (texts / f"wikitext2.{part}.txt").read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield " ".join(line.lower().split())
    for part in ("train", "test"):
        rows = (texts / f"imdb.{part}.tsv").read_text(encoding="utf-8").split("\n")  # reviews have other ends of lines in them
        for line in rows[1:]:
            if line:
                yield " ".join(words.split(line.split("\t")[3]))


def write_corpus(texts: Path, target: Path, most: int | None) -> None:
    count = 0
    with target.open("w", encoding="utf-8") as file:
        for line in paragraphs(texts):
            file.write(line + "\n")
            count += line.count(" ") + 1
            if most and count >= most:
                return


class Peer:
    """gensim in its own process, which waits while it is not asked."""

    def __init__(self, python: str, asked: dict[str, Any]) -> None:
        peer = Path(__file__).with_name("words_peer.py")
        command = [python, str(peer), json.dumps(asked)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self._answer()

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            sys.exit("gensim has ended early. Does the interpreter that --peer names have it?")
        answer: dict[str, Any] = json.loads(line)
        return answer


def vectors_of(model: Word2vec, tokens: TokenFile) -> WordVectors:
    rows = np.flatnonzero(model.counts)
    return WordVectors([tokens.vocabulary.words[row] for row in rows.tolist()], model.vectors[rows])


def judged(vectors: WordVectors, folder: Path) -> dict[str, float]:
    scores = {name: judge_words(vectors, folder / name).score or 0.0 for name in (*SIMILARITY, ANALOGIES)}
    return {"mean": statistics.mean(scores[name] for name in SIMILARITY), **scores}


def train_both(
    tokens: TokenFile, peer: Peer, model: Word2vec, given: argparse.Namespace, rate: float
) -> dict[str, list[float]]:
    """The seconds of each epoch of each, in turn."""
    seconds: dict[str, list[float]] = {"leadline": [], "gensim": []}
    for epoch in range(given.epochs):
        for who in ("leadline", "gensim") if epoch % 2 == 0 else ("gensim", "leadline"):
            if who == "gensim":
                seconds[who].append(peer.ask(str(epoch))["seconds"])
                continue
            done = model.train(tokens.numbers, epoch, epochs=given.epochs, learning_rate=rate, threads=given.threads)
            assert done is not None
            seconds[who].append(done.seconds)
    return seconds


def measured(
    kind: tuple[str, str], tokens: TokenFile, given: argparse.Namespace, folder: Path, reading: float
) -> dict[str, Any]:
    """Speed and quality of one kind, over all seeds."""
    settings = Word2vecSettings(*kind, **SETTINGS)
    counts = np.array(tokens.vocabulary.counts)
    counts[:2] = 0
    boundary = tokens.vocabulary.numbers["\n"]
    words = int(counts.sum() - counts[boundary])
    asked = {"method": kind[0], "targets": kind[1], **SETTINGS, "min_count": MIN_COUNT, "threads": given.threads}
    asked |= {"learning_rate": settings.usual_rate, "epochs": given.epochs, "corpus": str(folder / "corpus.txt")}
    rates: dict[str, list[float]] = {"leadline": [], "gensim": []}
    scores: dict[str, list[dict[str, float]]] = {"leadline": [], "gensim": []}
    wholes = []
    for seed in range(given.seeds):
        peer = Peer(given.peer, {**asked, "seed": seed + 1})
        model = Word2vec(counts, settings, boundary=boundary, seed=seed)
        seconds = train_both(tokens, peer, model, given, settings.usual_rate)
        peer.ask(str(folder / "peer.bin"))
        peer.close()
        for who, taken in seconds.items():
            rates[who] += [words / each for each in taken]
        wholes.append((peer.about["counting"] + sum(seconds["gensim"])) / (reading + sum(seconds["leadline"])))
        scores["leadline"].append(judged(vectors_of(model, tokens), given.wordvec))
        scores["gensim"].append(judged(read_vectors(folder / "peer.bin"), given.wordvec))
    ratios = [a / b for a, b in zip(rates["leadline"], rates["gensim"], strict=True)]
    ahead = [a["mean"] - b["mean"] for a, b in zip(*scores.values(), strict=True)]
    tell(kind, rates, ratios, wholes, scores)
    return {
        "words_per_second": {who: spread(values) for who, values in rates.items()},
        "ratio": spread(ratios),
        "whole": spread(wholes),
        "quality": {who: {key: spread([row[key] for row in rows]) for key in rows[0]} for who, rows in scores.items()},
        "mean_correlation_ahead": spread(ahead),
        "gensim_counting_seconds": round(peer.about["counting"], 2),
        "epochs": given.epochs,
        "learning_rate": settings.usual_rate,
        "words": words,
        "vocabulary": {"leadline": int((counts > 0).sum()) - 1, "gensim": peer.about["vocabulary"]},
        "versions": peer.about["versions"],
    }


def tell(kind: tuple[str, str], rates: Any, ratios: list[float], wholes: list[float], scores: Any) -> None:
    times, whole = statistics.median(ratios), statistics.median(wholes)
    print(f"\n{' '.join(kind)}: {times:.2f} times gensim, {whole:.2f} with reading and counting")
    for who, rows in scores.items():
        means = {key: statistics.mean(row[key] for row in rows) for key in rows[0]}
        each = ", ".join(f"{name.split('.')[0]} {means[name]:.3f}" for name in SIMILARITY)
        quality = f"rank correlation {means['mean']:.3f} ({each}), analogies {100 * means[ANALOGIES]:.1f} %"
        print(f"  {who:<9} {statistics.median(rates[who]):>11,.0f} words/s, {quality}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, default=Path(os.environ.get("LEADLINE_TEXTS", "texts")))
    parser.add_argument("--wordvec", type=Path, default=Path(os.environ.get("LEADLINE_DATA", "data")) / "wordvec")
    parser.add_argument("--peer", default=sys.executable, help="an interpreter that has gensim")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=min(2, usable_threads()))
    parser.add_argument("--kinds", default="1,2,3,4", help="of " + ", ".join(" ".join(kind) for kind in KINDS))
    parser.add_argument("--words", type=int, help="only so many of the corpus, to try it; nothing is written then")
    given = parser.parse_args()
    path = RESULTS / "words.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(given.texts, folder / "corpus.txt", given.words)
        began = time.perf_counter()
        tokens = write_tokens(folder / "corpus.txt", folder / "corpus.npy", SpacedTokenizer(lines=True), min_count=MIN_COUNT)
        reading = time.perf_counter() - began
        record |= {"machine": machine("numba"), "threads": given.threads, "settings": {**SETTINGS, "min_count": MIN_COUNT}}
        record |= {"reading_and_counting_seconds": round(reading, 2), "compile_seconds": round(compile_word2vec(), 2)}
        for kind in (KINDS[int(number) - 1] for number in given.kinds.split(",")):
            told = measured(kind, tokens, given, folder, reading)
            record.setdefault("kinds", {})[" ".join(kind)] = {**told, "seeds": given.seeds}
            if not given.words:
                write("words", record)


if __name__ == "__main__":
    main()
