"""gensim's word2vec, in an interpreter of its own: it counts a file of sentences, then trains an epoch whenever it is asked.

It is told its settings as JSON, the first argument, and says its versions and how long it counted. A line with the number of an
epoch is answered with the seconds that it took; a line with a path is where the vectors then go. Each answer is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata

from gensim.models import Word2Vec


def tell(**record: object) -> None:
    print(json.dumps(record), flush=True)


def main() -> None:
    asked = json.loads(sys.argv[1])
    hierarchical = asked["targets"] == "hierarchical_softmax"
    model = Word2Vec(
        vector_size=asked["width"],
        window=asked["window"],
        negative=0 if hierarchical else asked["negatives"],
        hs=int(hierarchical),
        sg=int(asked["method"] == "skip_gram"),
        sample=asked["subsample"],
        min_count=asked["min_count"],
        workers=asked["threads"],
        seed=asked["seed"],
    )
    began = time.perf_counter()
    model.build_vocab(corpus_file=asked["corpus"])
    counting = time.perf_counter() - began
    versions = {name: metadata.version(name) for name in ("gensim", "numpy")}
    tell(counting=counting, words=model.corpus_total_words, vocabulary=len(model.wv), versions=versions)
    first, last = asked["learning_rate"], asked["learning_rate"] / 250
    for line in sys.stdin:
        if not line.strip().isdigit():
            model.wv.save_word2vec_format(line.strip(), binary=True)
            tell(saved=line.strip())
            continue
        begin, end = (first + (last - first) * (int(line) + more) / asked["epochs"] for more in (0, 1))
        # Each of its threads lets the rate fall by its own share of the file alone, so half as far as it should with two.
        end = begin - asked["threads"] * (begin - end)
        began = time.perf_counter()
        # Its own reading of the file in C, which is faster than sentences handed over from Python.
        model.train(
            corpus_file=asked["corpus"],
            total_words=model.corpus_total_words,
            total_examples=model.corpus_count,
            epochs=1,
            start_alpha=begin,
            end_alpha=end,
        )
        tell(seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
