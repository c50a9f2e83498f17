"""Compiled look-ups: kept for the next time where they can be, and compiled anew, slowly, where they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from leadline.language.ngrams.ngram_kernels import hashed_slots, level_kernel

ASKED = """
import numpy as np
from leadline.language import fit_ngrams
from leadline.language.ngrams import ngram_models
text = np.minimum(np.random.default_rng(0).zipf(1.4, 3000), 30) + 1
model = fit_ngrams(text, 40, order=3).model
plain = model.surprises(text)
ngram_models._MANY = 1
compiled = model.surprises(text)
assert model._slots and (plain == compiled).all()
print("the same")
"""


def asked(cache: Path | str) -> None:
    # Nothing is kept beside the program or at home, as for a person who may write there no more than in the cache.
    only = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1", **only}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "the same\n", done.stderr


def test_code_is_kept_where_there_is_a_place_for_it(tmp_path: Path) -> None:
    asked(tmp_path)
    assert len(list(tmp_path.rglob("*.nbi"))) == 2


def test_it_works_where_no_code_can_be_kept() -> None:
    asked("/dev/null/no-folder")


def test_every_code_is_found_in_its_slot() -> None:
    codes = np.unique(np.random.default_rng(0).integers(0, 2**62, 5000))
    codes.flags.writeable = False  # as those that are mapped from a file
    slots = hashed_slots(codes)
    assert len(slots.slots) >= 2 * len(codes)
    assert sorted(slots.slots[slots.slots >= 0].tolist()) == list(range(len(codes)))
    # Single words of an empty vocabulary under one past: the code of each is its number.
    asked_for = np.concatenate([codes[:100], codes[:100] + 1])
    grams, log_p, matched = np.zeros(200, np.int64), np.zeros(200), np.ones(200, np.int16)
    tables = (codes, *slots, np.arange(len(codes), dtype=np.float32), np.full(1, -9.0, np.float32))
    level_kernel()(grams, asked_for, np.ones(200, np.int64), 0, 2, 0, *tables, log_p, matched, np.nan)
    known = np.isin(asked_for, codes)
    np.testing.assert_array_equal(matched == 2, known)
    np.testing.assert_array_equal(log_p[known], np.searchsorted(codes, asked_for[known]))
    assert (log_p[~known] == -9).all()
