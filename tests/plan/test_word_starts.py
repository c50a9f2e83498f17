"""Word vectors as a start: their file is read once for a plan, its note and its networks, and is not kept for ever."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leadline.data import load
from leadline.data.words import vector_sources
from leadline.plan import build, propose, word_starts
from leadline.plan.notes import plan_notes
from leadline.text.vector_files import read_vectors, write_vectors
from leadline.text.word_vectors import WordVectors


def test_a_file_is_read_once_for_all_that_asks_and_again_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int | None] = []

    def counting(path: Path | str, *, most: int | None = None) -> WordVectors:
        reads.append(most)
        return read_vectors(path, most=most)

    monkeypatch.setattr(vector_sources, "read_vectors", counting)
    words = ["Good", "GOOD", "bad", "strange"]
    path = write_vectors(WordVectors(words, np.eye(4, 3) + 1), tmp_path / "four.txt")
    dataset: Any = load([f"{mark} film {number}" for number in range(30) for mark in ("good", "bad")], ["yes", "no"] * 30)
    plan = propose(dataset, {"model": "averaged_embeddings", "start.vectors": str(path), "training.device": "cpu"})
    plan = propose(dataset, {"model": "averaged_embeddings", "start.vectors": str(path), "training.device": "cpu"})
    assert plan_notes(plan, dataset.schema)[0].startswith("2 of ")
    table = [build(plan, dataset).model.state_dict()["vectors.weight"] for _ in range(2)][1]
    assert reads == [1, None]
    rows = [dataset.schema.inputs.vocabulary.index(word) for word in ("good", "bad")]
    given = torch.tensor([[2.0, 1, 1], [1, 1, 2]])  # the first of two spellings
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(table[rows], given), torch.ones(2))
    write_vectors(WordVectors([*words, "film"], np.eye(5, 3) + 1), path)
    os.utime(path, ns=(1, 1))
    assert plan_notes(plan, dataset.schema)[0].startswith("3 of ")
    assert reads == [1, None, None]
    assert len(word_starts._last_read) == 1
    del dataset
    gc.collect()
    assert word_starts._last_read == []
