from pathlib import Path

from leadline.training import History


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    history = History(tmp_path / "h.jsonl")
    history.append({"step": 1, "loss": 0.1 + 0.2})
    history.append({"step": 2, "loss": 0.25, "best": True})
    again = History.read(tmp_path / "h.jsonl")
    assert list(again) == list(history)
    assert again["best"] == [True]


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    history = History.read(path)
    assert history["step"] == [1, 2]
    history.cut(1)
    assert path.read_text() == '{"step": 1}\n'


def test_html_and_repr_say_the_last_values() -> None:
    history = History()
    assert repr(history) == "History(no records)"
    history.append({"step": 1, "loss": 0.123456, "note": "<b>"})
    assert "loss 0.1235" in repr(history)
    page = history._repr_html_()
    assert "<td>0.1235</td>" in page
    assert "<b>" not in page
