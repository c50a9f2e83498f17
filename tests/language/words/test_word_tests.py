"""Word vectors judged: against plain NumPy and scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from leadline.errors import ArgumentError, DataError
from leadline.language.words.word_tests import judge_words, rank_correlation
from leadline.text.word_vectors import WordVectors


def drawn(count: int = 50, width: int = 7, seed: int = 0) -> WordVectors:
    rng = np.random.default_rng(seed)
    return WordVectors([f"word{number}" for number in range(count)], rng.normal(size=(count, width)).astype(np.float32))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30))
def test_the_rank_correlation_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    if len(set(one)) < 2 or len(set(other)) < 2:
        with pytest.raises(ArgumentError, match="alike"):
            rank_correlation(one, other)
        return
    assert rank_correlation(one, other) == pytest.approx(float(spearmanr(one, other).statistic), abs=1e-12)


def test_analogies_are_asked_as_they_are_defined(tmp_path: Path) -> None:
    words = ["man", "king", "woman", "queen", "boy", "girl"]
    table = np.array([[1, 0, 0], [1, 2, 0], [0, 0, 1], [0, 2, 1], [1, 0, 0.4], [0.3, 0, 1.2]])
    vectors = WordVectors(words, table)
    (tmp_path / "q.txt").write_text(
        ": royal\nMan King Woman Queen\nman queen woman king\n: family\nman boy woman girl\nman x woman y\n"
    )
    judged = judge_words(vectors, tmp_path / "q.txt")
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)

    def right(a: str, b: str, c: str, d: str) -> bool:
        rows = [words.index(word) for word in (a, b, c)]
        scores = unit @ (unit[rows[1]] - unit[rows[0]] + unit[rows[2]])
        scores[rows] = -9
        return words[int(scores.argmax())] == d

    expected = [
        right("man", "king", "woman", "queen"),
        right("man", "queen", "woman", "king"),
        right("man", "boy", "woman", "girl"),
    ]
    assert judged.score == pytest.approx(np.mean(expected))
    assert (judged.kind, judged.asked, judged.total) == ("analogies", 3, 4)
    assert judged.sections == {"royal": (sum(expected[:2]), 2), "family": (int(expected[2]), 1)}


def test_similarities_skip_what_is_not_known_and_say_how_many(tmp_path: Path) -> None:
    vectors = drawn(10)
    lines = ["Word 1\tWord 2\tHuman (mean)", "# a remark"]
    pairs = [(one, other) for one in range(5) for other in range(one)]
    lines += [f"word{one}\tword{other}\t{one * other % 7}" for one, other in pairs] + ["word1\tnever\t3"]
    (tmp_path / "s.tsv").write_text("\n".join(lines))
    judged = judge_words(vectors, tmp_path / "s.tsv")
    cosines = [vectors.similarity(f"word{one}", f"word{other}") for one, other in pairs]
    assert judged.score == pytest.approx(float(spearmanr(cosines, [one * other % 7 for one, other in pairs]).statistic))
    assert (judged.asked, judged.total) == (10, 11)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a b\n", "Line 1"),
        ("", "no line"),
        ("a b c d\nx y 3\na b c d\n", "mixed"),
        ("a b 3\nfive words are too many\n", "Line 2"),
        ("one line names the columns\nthree words now\na b 3\n", "Line 2"),
        ("a b 3\na c nan\n", "Line 2"),
    ],
)
def test_a_file_that_asks_nothing(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(content)
    with pytest.raises(DataError, match=says):
        judge_words(drawn(), tmp_path / "q.txt")


@pytest.mark.parametrize("header", ["", "word1\tword2\tPOS\tSimLex999\tconc\n", "word1 word2 POS SimLex999\n"])
def test_the_number_may_stand_behind_other_columns(header: str, tmp_path: Path) -> None:
    """As in the file of SimLex-999 itself, where the part of speech comes before the judgement."""
    rows = [("word1", "word2", 5.5), ("word3", "word4", 1.5), ("word5", "word6", 8.0)]
    (tmp_path / "s.txt").write_text(header + "".join(f"{one}\t{other}\tA\t{score}\t2.5\n" for one, other, score in rows))
    vectors = drawn(10)
    judged = judge_words(vectors, tmp_path / "s.txt")
    cosines = [vectors.similarity(one, other) for one, other, _ in rows]
    assert judged.score == pytest.approx(float(spearmanr(cosines, [score for *_, score in rows]).statistic))
    assert (judged.kind, judged.asked) == ("similarity", 3)


@pytest.mark.parametrize(
    ("divider", "header", "behind"),
    [
        (",", "Word 1,Word 2,Human (mean)", ""),  # combined.csv of WordSim-353
        ("\t", "Word 1\tWord 2\tHuman (mean)", ""),  # combined.tab
        (",", "Word 1,Word 2,Human (mean),1,2,3", ",9,8,7"),  # set1.csv, with the judgement of each person
        (";", "one; other; mean", ""),
        ("; ", "", ""),
        (" ", "", ""),
    ],
)
def test_files_of_pairs_are_read_as_they_are_published(divider: str, header: str, behind: str, tmp_path: Path) -> None:
    vectors = WordVectors(["Word", "1", *(f"word{number}" for number in range(6))], drawn(8).vectors)
    rows = [("word1", "word2", 5.5), ("word3", "word4", 1.5), ("word5", "word0", 8.0)]
    lines = [divider.join((one, other, f"{score}")) + behind for one, other, score in rows]
    (tmp_path / "s.csv").write_text("\n".join([header, *lines]))
    judged = judge_words(vectors, tmp_path / "s.csv")
    cosines = [vectors.similarity(one, other) for one, other, _ in rows]
    assert judged.score == pytest.approx(float(spearmanr(cosines, [score for *_, score in rows]).statistic))
    assert (judged.kind, judged.asked, judged.total) == ("similarity", 3, 3)


def test_a_number_behind_a_tab_and_two_words_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("word1 word2\t5.5\nword3 word4\t1.5\n")
    assert judge_words(drawn(10), tmp_path / "s.tsv").asked == 2
    (tmp_path / "s.tsv").write_text("word1\tword2\t5.5\nword3\tword4\t1.5\nword1 word2\tword3\t2\n")
    judged = judge_words(drawn(10), tmp_path / "s.tsv")
    assert (judged.asked, judged.total) == (2, 3)  # "word1 word2" is no known word


def test_analogies_are_asked_among_the_commonest_words_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.language.words.word_tests.COMMON", 6)
    (tmp_path / "q.txt").write_text("word0 word1 word2 word3\nword0 word1 word2 word6\n")
    judged = judge_words(drawn(10), tmp_path / "q.txt")
    assert (judged.asked, judged.total) == (1, 2)


def test_a_mark_of_byte_order_is_no_part_of_the_first_line_and_nan_is_a_word(tmp_path: Path) -> None:
    vectors = WordVectors(["nan", "dad", "aunt", "uncle"], np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0.9], [0, 1, 0.9]]))
    (tmp_path / "q.txt").write_text("\ufeff: family\nnan dad aunt uncle\naunt uncle nan dad\n", encoding="utf-8")
    judged = judge_words(vectors, tmp_path / "q.txt")
    assert (judged.kind, judged.score) == ("analogies", 1.0)
    assert judged.sections == {"family": (2, 2)}
