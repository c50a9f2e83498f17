"""Lines of many megabytes: cut or refused, in a few times the memory that they take, and no record is lost to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables import long_lines
from leadline.data.tables.csv_files import read_csv
from leadline.data.tables.long_lines import MOST_CHARACTERS, shorten_lines
from leadline.data.tables.scanning import scan
from leadline.errors import DataError

MEGABYTE = 1_000_000
SENTENCE = "the quick brown fox said so. "


def write(path: Path, *texts: str) -> Path:
    rows = [f"{'ham' if n % 2 else 'spam'}\tthis is the message number {n}" for n in range(60)]
    path.write_text("\n".join(["label\ttext", *rows, *(f"ham\t{text}" for text in texts)]) + "\n", encoding="utf-8")
    return path


def test_a_long_value_is_cut_and_its_row_is_kept(tmp_path: Path) -> None:
    long = "größe und länge " * (6 * MEGABYTE // 18)
    frame = read_csv(write(tmp_path / "a.tsv", long, "a text after it", "x " * MOST_CHARACTERS))
    assert len(frame) == 63
    assert frame.data["text"][60] == long[:MOST_CHARACTERS].strip()
    assert frame.data["text"][61] == "a text after it"
    assert frame.notes == ("2 values of a.tsv are longer than 65,536 characters; the rest was not read.",)


def test_a_long_value_with_a_quote_that_never_closes(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path / "a.tsv", '"' + SENTENCE * 200_000, "a text after it"))
    assert frame.excluded == ()
    assert frame.data["text"][60].startswith('"the quick')
    assert frame.data["text"][61] == "a text after it"


@given(st.lists(st.sampled_from([b"a", b'"', b'""', b",", b"\n", "é".encode(), b"bbbbbbbb"]), max_size=40))
def test_records_stay_what_they_are(parts: list[bytes]) -> None:
    data = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_lines, "_LONG", 6)
        patch.setattr(long_lines, "_BYTES", 4)
        short = shorten_lines(data, b",")
    short.decode()
    assert [line.count(b'"') % 2 for line in short.split(b"\n")] == [line.count(b'"') % 2 for line in data.split(b"\n")]
    assert [line.count(b",") for line in short.split(b"\n")] == [line.count(b",") for line in data.split(b"\n")]
    longest = max((len(value) for line in short.split(b"\n") if len(line) > 6 for value in line.split(b",")), default=0)
    assert longest <= max(5, 6)
    if b'"' not in data:
        assert scan(short, b",").widths.tolist() == scan(data, b",").widths.tolist()


def test_a_single_line_is_refused_in_one_paragraph(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(SENTENCE * 200_000, encoding="utf-8")
    with pytest.raises(DataError, match=r"^a.csv is a single line of 5,800,000 bytes\. Expected a header and rows"):
        read_csv(tmp_path / "a.csv")


MEASURED = """
import contextlib
import sys
from pathlib import Path
from leadline import data
from leadline.errors import DataError

def of_memory(line):
    return next(int(each.split()[1]) for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(line))

data.load(sys.argv[1])  # what is imported on the way
for source in sys.argv[2:]:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = of_memory("VmRSS")
    try:
        found = len(data.load(source).train)
    except DataError:
        found = 0
    print(found, (of_memory("VmHWM") - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel of this machine does not tell the peak")
def test_a_line_of_25_megabytes_takes_a_few_times_its_size(tmp_path: Path) -> None:
    many = 25 * MEGABYTE // len(SENTENCE)
    for n in range(60):
        (tmp_path / "texts" / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / "ab"[n % 2] / f"{n}.txt").write_text(f"this is number {n}")
    (tmp_path / "texts" / "a" / "long.txt").write_text(SENTENCE * many)
    sources = {
        tmp_path / "texts": 43,
        write(tmp_path / "plain.tsv", SENTENCE * many): 43,
        write(tmp_path / "quote.tsv", '"' + SENTENCE * many): 43,
        write(tmp_path / "words.tsv", "a " * (25 * MEGABYTE // 2)): 43,
        tmp_path / "one.csv": 0,
    }
    (tmp_path / "one.csv").write_text(SENTENCE * many)
    command = [sys.executable, "-c", MEASURED, str(write(tmp_path / "short.tsv", "and one more")), *map(str, sources)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for (source, rows), line in zip(sources.items(), out.splitlines(), strict=True):
        found, megabytes = map(int, line.split())
        assert found == rows, source
        assert megabytes < 5 * 25, source
