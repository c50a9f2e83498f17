import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from leadline import report
from leadline.report.augmentation_section import augmentation_view


def picture(fill: int, side: int = 8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), fill, np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def record(rows: int = 3, epochs: int = 4, mixed: list[str] | None = None, **more: Any) -> dict[str, Any]:
    after = [picture(40 + epoch) for epoch in range(epochs)]
    row = {"id": "row:7", "truth": "boot", "before": picture(9), "after": after, **({"mixed": mixed} if mixed else {})}
    plan_rows = [
        {"key": "training.augment.flip", "value": "alternating", "why": "mirroring does <little> harm"},
        {"key": "training.augment.zoom", "value": 0.0, "why": ""},
        {"key": "training.batch", "value": 32, "why": "as usual"},
    ]
    return {"examples": {"augmented": [row] * rows}, "plan_rows": plan_rows, "results": {"name": "shoes"}, **more}


def test_each_row_is_shown_before_and_after_each_epoch() -> None:
    view = augmentation_view(record())
    assert view is not None
    assert view["epochs"] == [1, 2, 3, 4]
    assert [len(row["after"]) for row in view["rows"]] == [4, 4, 4]
    assert view["rows"][0]["before"] == {"source": picture(9), "small": True}
    assert view["rows"][0]["after"][2]["source"] == picture(42)
    assert not view["mixes"]
    assert view["choices"] == [{"key": "flip", "value": "alternating", "why": "mirroring does <little> harm"}]


def test_the_page_holds_them_with_their_reasons() -> None:
    page = report.render(record(mixed=["30 % shirt", "", "", ""]))
    assert page.count(picture(41)) == 3
    assert "How they were varied" in page
    assert "mirroring does &lt;little&gt; harm" in page
    assert page.count('title="30 % shirt"') == 3
    assert "epoch 4" in page
    assert "How they were varied" not in report.render({"results": {"name": "shoes"}})


def test_what_is_no_picture_is_left_out_with_its_row() -> None:
    broken = record(rows=1)
    broken["examples"]["augmented"].append({"id": "a", "before": picture(1), "after": [picture(2), "javascript:alert(1)"]})
    broken["examples"]["augmented"].append({"id": "b", "before": None, "after": [picture(2)]})
    broken["examples"]["augmented"].append({"id": "c", "before": picture(1), "after": []})
    view = augmentation_view(broken)
    assert view is not None
    assert [row["id"] for row in view["rows"]] == ["row:7"]
    assert "javascript" not in report.render(broken)
    assert augmentation_view({}) is None
    assert augmentation_view({"examples": {"augmented": [{}]}}) is None


def test_the_page_stays_small() -> None:
    random = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (300, 300), dtype=np.uint8)).save(buffer, "PNG")
    large = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    rows = [{"id": str(at), "before": large, "after": [large] * 6} for at in range(20)]
    page = report.render({"results": {"name": "noise"}, "examples": {"augmented": rows}})
    assert len(page) < 2_000_000
    assert large in page
