"""Whatever stands in a record stays text, and a page asks nobody for anything."""

import re
import time

import pytest
from page_records import STRANGE, Page, a_record, a_table

from leadline import report


@pytest.mark.parametrize("count", [8, 60, 1200])
def test_a_strangers_table_stays_text(count):
    names = [*STRANGE, *(f"column {at}" for at in range(count - len(STRANGE)))]
    record = a_table(names, classes=STRANGE[:2])
    for column in record["results"]["columns"]:
        column["why"] = "<script>alert(1)</script> `<b>`"
    record["examples"]["wrong"][0]["values"] = dict.fromkeys(names[:30], "<img src=x onerror=alert(1)>")
    record["results"]["importance"]["title"] = "<b>"
    start = time.process_time()
    text = report.render(record)
    assert time.process_time() - start < 5
    assert len(text.encode()) < 600_000
    page = Page(text)
    plain = Page(report.render(a_table()))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"code", "small"}
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_nothing_is_requested_from_anywhere():
    text = report.render(a_record())
    page = Page(text)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert not page.all("script")
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, attributes)
    assert re.findall(r"https?://[^\"]*", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)
    assert "@import" not in text


@pytest.mark.parametrize("count", [8, 25, 60])
def test_a_strangers_text_stays_text(count):
    names = [*STRANGE, *(f"class {i}" for i in range(count - len(STRANGE)))]
    record = a_record(names)
    for place in ("name", "stopped"):
        record["results"][place] = "<script>alert(2)</script>"
    record["results"]["notes"] = record["results"]["next"] = ["<script>", "an odd ` <b>", "`<i>`"]
    record["results"]["excluded"] = [{"id": "<img src=x>", "reason": "<b>"}]
    record["results"]["baselines"][0] |= {"name": "<b>linear", "detail": "<b>"}
    record["plan_rows"] = [{"key": "<b>.<i>", "value": "<script>", "why": "<script>"}]
    record["environment"] = {"</dl>": "<script>"}
    plain = Page(report.render(a_record([f"c{i}" for i in range(count)])))
    page = Page(report.render(record))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"code", "small"}
    for name in STRANGE[:3]:
        assert name in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "(blank)" in page.text
    Page(report.summary_card(record))


def test_pictures_that_are_none_are_left_out():
    record = a_record()
    sources = [
        "javascript:alert(1)",
        "https://example.com/a.png",
        'data:image/png;base64,AA" onerror="alert(1)',
        "data:image/svg+xml;base64,AAAA",
        5,
    ]
    record["examples"] = {"data": [{"id": str(i), "truth": "ant", "picture": source} for i, source in enumerate(sources)]}
    assert not Page(report.render(record)).all("img")


def test_a_file_name_that_is_not_utf8_can_be_written(tmp_path):
    record = a_record()
    record["examples"]["wrong"][0]["id"] = "caf\udce9.jpg"
    assert "caf?.jpg" in report.write(tmp_path / "report.html", record).read_text(encoding="utf-8")
