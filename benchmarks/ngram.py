"""N-gram models on the Penn Treebank: test perplexity, seconds to build, look-ups a second, beside KenLM and NLTK.

Modified Kneser–Ney of order 5 with the usual closed vocabulary: `<unk>` is a word like others, one end mark a line is foretold
and no beginning. A build counts and smooths token numbers that lie in memory; reading the text is told apart, as KenLM's and
NLTK's own reading is within theirs. Batch look-ups are whole texts on one core: the test text once, as it is, and tiled to four
million tokens, where the compiled look-up is taken; compilation is told apart. A single look-up is one step of a sentence.

`LEADLINE_DATA` (or the first argument) is the folder of ptb.train.txt, ptb.valid.txt and ptb.test.txt. KenLM's Python module
reads the ARPA file that we write and must give the same perplexity, and its program `query`, which lies in the folder that
`KENLM` names or on the path, is asked for whole texts; these and NLTK are left out where they are not at hand, as the results
say then. `--dry` prints and writes nothing.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, spread, write

from leadline.data.tokens.token_loading import load_tokens, stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.language import NGramModel, NGramSettings, fit_ngrams, open_ngrams, perplexities, save_ngrams, write_arpa

ORDER, PUBLISHED = 5, 141.2  # Mikolov et al. (2011), KN5
ROUNDS, TILED, QUERIED = 9, 4_000_000, 40
PROGRAMS = ("query", "build_binary")  # of KenLM
SMOOTHINGS = ("modified_kneser_ney", "kneser_ney", "katz", "add_k")
NLTK_LINES, NLTK_ASKED = 4000, 2000  # NLTK takes minutes for all


def seconds(action: Callable[[], Any], rounds: int = ROUNDS) -> dict[str, float]:
    """Median and quartiles of some runs, after one that does not count."""
    action()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return spread(taken)


def rate(tokens: int, taken: dict[str, float]) -> float:
    """Tokens a second."""
    return round(tokens / taken["median"])


def step_through(model: NGramModel, ids: list[int]) -> float:
    """One look-up after another, each by a call of its own."""
    state, total = model.begin(), 0.0
    for word in ids:
        log_p, state = model.step(state, word)
        total += log_p
    return total


def beside_kenlm(arpa: Path, lines: list[str], ours: float) -> dict[str, Any] | str:
    """KenLM's Python module on the ARPA file: perplexity, and look-ups by word and by line."""
    try:
        import kenlm
    except ImportError:
        return "not installed"
    start = time.perf_counter()
    model = kenlm.Model(str(arpa))
    loading = time.perf_counter() - start
    scores = [p for line in lines for p, _, _ in model.full_scores(line, bos=True, eos=True)]
    perplexity = 10 ** (-sum(scores) / len(scores))
    assert abs(perplexity / ours - 1) < 1e-4, (perplexity, ours)
    words = [[*line.split(), "</s>"] for line in lines]

    def by_word() -> None:
        for sentence in words:
            before, after = kenlm.State(), kenlm.State()
            model.BeginSentenceWrite(before)
            for word in sentence:
                model.BaseScore(before, word, after)
                before, after = after, before

    def by_line() -> None:
        for line in lines:
            model.score(line, bos=True, eos=True)

    return {
        "perplexity": perplexity,
        "arpa_loading_seconds": loading,
        "single_per_second": rate(len(scores), seconds(by_word)),
        "lines_per_second_in_tokens": rate(len(scores), seconds(by_line)),
    }


def beside_query(arpa: Path, lines: list[str], place: Path) -> dict[str, Any] | str:
    """KenLM's own program on whole texts, its model in its fastest form: tokens a second beyond what it takes to start.

    The difference of a long text and a short one leaves out loading. It reads words, where ours are asked for numbers; so
    beside it stands ours with the reading of the same file.
    """
    query, builder = (shutil.which(name, path=f"{os.environ.get('KENLM', '')}:{os.environ['PATH']}") for name in PROGRAMS)
    if not query or not builder:
        return "not found: KENLM may name the folder of its programs"
    binary = place / "probing.bin"
    subprocess.run([builder, "probing", str(arpa), str(binary)], check=True, capture_output=True)
    taken, said = [], ""
    for times in (1, QUERIED):
        text = place / f"{times}.txt"
        text.write_text("\n".join(lines * times) + "\n")

        def ask(text: Path = text) -> str:
            asking = [query, "-v", "summary", str(binary)]
            with text.open() as file:
                ran = subprocess.run(asking, stdin=file, check=True, capture_output=True, text=True)
            return ran.stdout + ran.stderr

        said = ask()
        taken.append(seconds(ask, rounds=5)["median"])
    tokens = (QUERIED - 1) * sum(len(line.split()) + 1 for line in lines)
    told = next(line for line in said.splitlines() if "including OOVs" in line)
    return {"perplexity": float(told.split()[-1]), "tokens_per_second": round(tokens / (taken[1] - taken[0]))}


def beside_nltk(train: list[str], test: list[str], tokens: Tokens) -> dict[str, Any] | str:
    """NLTK's interpolated Kneser–Ney of order 3 on a part of the text, and ours on the same part."""
    try:
        from nltk.lm import KneserNeyInterpolated
        from nltk.lm.preprocessing import padded_everygram_pipeline
    except ImportError:
        return "not installed"
    sentences = [line.split() for line in train[:NLTK_LINES]]
    start = time.perf_counter()
    grams, words = padded_everygram_pipeline(3, sentences)
    model = KneserNeyInterpolated(3)
    model.fit(grams, words)
    built = time.perf_counter() - start
    asked = [["<s>", "<s>", *line.split(), "</s>"] for line in test]
    contexts = [(each[at], each[at - 2 : at]) for each in asked for at in range(2, len(each))][:NLTK_ASKED]
    start = time.perf_counter()
    for word, past in contexts:
        model.logscore(word, past)
    asked_for = time.perf_counter() - start
    part, other = (tokens.encode("\n".join(lines) + "\n") for lines in (train[:NLTK_LINES], test))
    chosen, some = NGramSettings(3, "kneser_ney"), other[:NLTK_ASKED].tolist()

    def build() -> NGramModel:
        return fit_ngrams(part, len(tokens.vocabulary), boundary=tokens.start, settings=chosen).model

    ours = build()
    return {
        "order": 3,
        "lines": NLTK_LINES,
        "build_seconds": built,
        "single_per_second": round(len(contexts) / asked_for),
        "our_build_seconds": seconds(build)["median"],
        "our_single_per_second": rate(len(some), seconds(lambda: step_through(ours, some))),
    }


def main() -> None:
    dry = "--dry" in sys.argv
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    folder = Path(given[0] if given else os.environ["LEADLINE_DATA"])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        dataset = load_tokens(folder / "ptb.train.txt", unit="spaced words", by_counts=True, cache=place)
        reading = time.perf_counter() - start
        tokens = dataset.schema.inputs
        ids = {part: np.asarray(stream_of(getattr(dataset, part))) for part in ("train", "valid", "test")}
        size, end = len(tokens.vocabulary), tokens.start

        found: dict[str, Any] = {}
        for smoothing in SMOOTHINGS:
            settings = NGramSettings(ORDER if smoothing != "add_k" else 2, smoothing)
            model = fit_ngrams(ids["train"], size, boundary=end, settings=settings, valid=ids["valid"]).model
            score = perplexities(model.surprises(ids["test"]), ids["test"], boundary=end)
            found[smoothing] = {"order": settings.order, "all": score.all_tokens, "known": score.known_tokens}
            print(f"{smoothing:20} order {settings.order}: test perplexity {score.all_tokens:.2f}")
        assert abs(found["modified_kneser_ney"]["all"] - PUBLISHED) <= 0.5, found

        build = seconds(lambda: fit_ngrams(ids["train"], size, order=ORDER, boundary=end))
        model = fit_ngrams(ids["train"], size, order=ORDER, boundary=end).model
        path = Path(place) / "model.safetensors"
        save_ngrams(model, path)
        opening = seconds(lambda: open_ngrams(path))
        test = seconds(lambda: model.surprises(ids["test"]))
        tiled = np.tile(ids["test"], math.ceil(TILED / len(ids["test"])))
        start = time.perf_counter()
        model.surprises(tiled)
        compiled = time.perf_counter() - start
        many = seconds(lambda: model.surprises(tiled), rounds=5)
        singles = ids["test"][:20_000].tolist()
        single = seconds(lambda: step_through(model, singles), rounds=5)
        print(
            f"build {build['median']:.2f} s; batch {rate(len(tiled), many):,} tokens/s, single {rate(len(singles), single):,}"
        )

        lines = (folder / "ptb.test.txt").read_text().splitlines()
        arpa = Path(place) / "model.arpa"
        written = time.perf_counter()
        write_arpa(model, tokens.vocabulary, arpa)
        written = time.perf_counter() - written
        kenlm = beside_kenlm(arpa, [line.strip() for line in lines], found["modified_kneser_ney"]["all"])
        program = beside_query(arpa, [line.strip() for line in lines], Path(place))

        def with_reading() -> None:
            model.surprises(tokens.encode((folder / "ptb.test.txt").read_text()))

        from_text = seconds(with_reading)
        nltk = beside_nltk((folder / "ptb.train.txt").read_text().splitlines(), lines, tokens)
        print(f"KenLM: {kenlm}\nits query: {program}\nNLTK: {nltk}")
        record = {
            "what": "modified Kneser–Ney 5-gram on the Penn Treebank, one core",
            "perplexity": found,
            "published": PUBLISHED,
            "ngrams": model.sizes,
            "bytes": path.stat().st_size,
            "reading_seconds": reading,
            "build_seconds": build,
            "open_seconds": opening,
            "arpa_writing_seconds": written,
            "batch_per_second": {
                "test": rate(len(ids["test"]), test),
                "tiled": rate(len(tiled), many),
                "from_text": rate(len(ids["test"]), from_text),
            },
            "first_large_batch_seconds": compiled,
            "single_per_second": rate(len(singles), single),
            "kenlm": kenlm,
            "kenlm_query": program,
            "nltk": nltk,
            "machine": machine("numpy", "numba"),
        }
        if not dry:
            write("ngram", record)


if __name__ == "__main__":
    main()
