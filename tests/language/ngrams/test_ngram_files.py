"""The memory-mapped file of an n-gram model: whole, as safetensors has it, and refused where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from leadline.errors import RunError, SourceNotFoundError
from leadline.language import NGramModel, NGramSettings, fit_ngrams, open_ngrams, save_ngrams
from leadline.language.ngrams import ngram_models


def model_of(smoothing: str = "modified_kneser_ney", order: int = 3) -> NGramModel:
    text = np.minimum(np.random.default_rng(0).zipf(1.4, 800), 30) + 1
    return fit_ngrams(text, 40, boundary=2, settings=NGramSettings(order, smoothing)).model


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "add_k"])
@pytest.mark.parametrize("order", [1, 3])
def test_a_model_comes_back_memory_mapped_and_the_same_to_the_bit(
    tmp_path: Path, smoothing: str, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = model_of(smoothing, order), tmp_path / "m.safetensors"
    save_ngrams(model, path)
    again = open_ngrams(path)
    assert isinstance(again.levels[-1].log_p.base, np.memmap)
    assert (again.boundary, again.backs_off, again.sizes) == (model.boundary, model.backs_off, model.sizes)
    other = np.minimum(np.random.default_rng(1).zipf(1.4, 300), 36) + 1
    np.testing.assert_array_equal(again.surprises(other), model.surprises(other))
    np.testing.assert_array_equal(again.log_probabilities(other[:3]), model.log_probabilities(other[:3]))
    monkeypatch.setattr(ngram_models, "_MANY", 1)
    np.testing.assert_array_equal(again.surprises(other), model.surprises(other), err_msg="by compiled code")
    save_ngrams(again, tmp_path / "copy.safetensors")
    assert (tmp_path / "copy.safetensors").read_bytes() == path.read_bytes()


def test_very_many_single_questions_are_answered_by_an_opened_model(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_ngrams(model_of(), path)
    again = open_ngrams(path)
    other = np.minimum(np.random.default_rng(1).zipf(1.4, 3000), 36) + 1
    state, found = again.begin(), []
    for word in other.tolist():
        log_p, state = again.step(state, word)
        found.append(log_p)
    assert all(table.starts is not None for table in again._tables), "so many do not count as many"
    np.testing.assert_allclose(found, -again.surprises(other), rtol=1e-6)


def test_any_reader_of_safetensors_reads_it(tmp_path: Path) -> None:
    model, path = model_of(), tmp_path / "m.safetensors"
    save_ngrams(model, path)
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["3.log_p"], model.levels[2].log_p)
    np.testing.assert_array_equal(arrays["2.codes"], model.levels[1].codes)
    assert sorted(arrays) == ["1.back_off", "1.log_p", "2.back_off", "2.codes", "2.log_p", "3.codes", "3.log_p"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_ngrams(model_of(), path)
    whole = path.read_bytes()
    with pytest.raises(SourceNotFoundError):
        open_ngrams(tmp_path / "none.safetensors")
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    del header["2.codes"]
    shorter = json.dumps(header).encode().ljust(size)
    for broken in (b"", whole[:6], whole[: 8 + size // 2], whole[:-4], b"\xff" * 64, whole[:8] + shorter + whole[8 + size :]):
        path.write_bytes(broken)
        with pytest.raises(RunError, match="is no n-gram model that can be used"):
            open_ngrams(path)
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(RunError, match="is no n-gram model that can be used"):
        open_ngrams(path)
