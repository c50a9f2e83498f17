import re
import xml.etree.ElementTree as ElementTree

import pytest

from leadline.report.dependence_figures import draw_dependence, drawn_outputs


def words(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def line(name="age", kind="number", x=(20, 40, 60), density=(), **outputs):
    return {"name": name, "kind": kind, "x": list(x), "outputs": outputs, "density": list(density)}


def heights(svg, style):
    """The y of every point of the paths in a style."""
    return [
        [float(y) for y in re.findall(r"[ML] [-\d.]+ ([-\d.]+)", path)]
        for path in re.findall(rf'<path d="([^"]*)"[^>]*{style}', svg)
    ]


def test_of_two_classes_the_second_is_drawn():
    columns = [line(no=[0.9, 0.7, 0.5], yes=[0.1, 0.3, 0.5])]
    assert drawn_outputs(columns) == (["yes"], 0)
    (panel,) = draw_dependence(columns)
    assert panel.title == "age"
    assert 'aria-label="The mean answer by age: yes from 10.0\u202f% to 50.0\u202f%"' in panel.svg
    labels = [line(no=[0.9, 0.7, 0.5], yes=[0.3, 0.3, 0.5])]
    assert drawn_outputs(labels) == (["no", "yes"], 0)


def test_of_many_outputs_those_that_change_most_are_drawn_and_named():
    columns = [line(a=[0.1, 0.1, 0.1], b=[0.2, 0.3, 0.4], c=[0.3, 0.3, 0.25], d=[0.4, 0.3, 0.2], e=[0.0, 0.0, 0.05])]
    names, left_out = drawn_outputs(columns)
    assert set(names) >= {"b", "d"}
    assert (len(names), left_out) == (3, 2)
    (panel,) = draw_dependence(columns)
    assert {"b", "40.0\u202f%", "d", "20.0\u202f%"} <= set(words(panel.svg))
    assert "a" not in words(panel.svg)


def test_panels_share_one_scale():
    strong, weak = draw_dependence([line("strong", y=[0, 50, 100]), line("weak", y=[50, 50, 52])], "number")
    (steep,) = (path for path in heights(strong.svg, "stroke: var\\(--accent") if len(path) == 3)
    (flat,) = (path for path in heights(weak.svg, "stroke: var\\(--accent") if len(path) == 3)
    assert max(flat) - min(flat) == pytest.approx(0.02 * (max(steep) - min(steep)), abs=0.05)
    ticks = [[word for word in words(panel.svg) if word in ("0", "50", "100")] for panel in (strong, weak)]
    assert ticks[0] == ticks[1] == ["0", "50", "100"]


def test_the_band_is_drawn_where_it_is_known():
    column = line(y=[1.0, 2.0, 3.0])
    without = draw_dependence([column], "number")[0].svg
    banded = draw_dependence([column | {"low": {"y": [0.0, 1.0, 2.0]}, "high": {"y": [2.0, 3.0, 4.0]}}], "number")[0].svg
    assert banded.count("fill-opacity: 0.14") == without.count("fill-opacity: 0.14") + 1


def test_density_stands_below_the_answers():
    svg = draw_dependence([line(density=[1, 3, 0, 2], y=[0.0, 0.5, 1.0])])[0].svg
    (bars,) = heights(svg, "fill: var\\(--muted[^>]*opacity: 0.35")
    (answers,) = (path for path in heights(svg, "stroke: var\\(--accent") if len(path) == 3)
    assert min(bars) > max(answers)  # y grows downwards
    floor, lowest, _, highest = sorted(set(bars), reverse=True)
    assert floor - highest == pytest.approx(3 * (floor - lowest), abs=0.05)


def test_levels_are_dots_beside_their_names_and_larger_for_more_rows():
    column = line("job", "category", ["Sales", "<b>", "Craft"], density=[900, 100, 0], y=[0.1, 0.4, 0.2])
    (panel,) = draw_dependence([column])
    assert {"Sales", "<b>", "Craft"} <= set(words(panel.svg))
    assert "y from 10.0\u202f% for Sales to 40.0\u202f% for &lt;b&gt;" in panel.svg
    many = draw_dependence([line("job", "category", [f"level {at}" for at in range(20)], y=[at / 20 for at in range(20)])])[0]
    assert many.note == "8 more levels are not drawn."
    assert "level 11" in words(many.svg)
    assert "level 12" not in words(many.svg)


def test_several_outputs_of_a_category_are_named_above():
    svg = draw_dependence([line("job", "category", ["x", "y"], a=[0.1, 0.2], b=[0.3, 0.1], c=[0.6, 0.7])])[0].svg
    assert {"● a", "● b", "● c"} <= set(words(svg))


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"name": "x"},
        line(x=[], y=[]),
        line(y=[]),
        line(y=[1.0, 2.0]),
        line(y=[1.0, None, 2.0]),
        line(x=[1, None, 2], y=[1.0, 2.0, 3.0]),
        line(x=["a", "b", "c"], y=[1.0, 2.0, 3.0]),
        line(y=[1.0, float("nan"), 2.0]),
    ],
)
def test_what_cannot_be_drawn_is_left_out(odd):
    assert draw_dependence([odd]) == []
    assert [panel.title for panel in draw_dependence([odd, line("good", y=[1.0, 2.0, 3.0])])] == ["good"]
    assert drawn_outputs([odd]) == ([], 0)


@pytest.mark.parametrize("y", [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [-1e9, 0.0, 1e12], [1e-9, 2e-9, 3e-9]])
def test_extreme_answers_are_drawn(y):
    assert "nan" not in draw_dependence([line(y=y)], "number")[0].svg


def test_one_point_one_level_and_no_spread_of_x_are_drawn():
    found = draw_dependence(
        [line(x=[1], y=[0.5], density=[3]), line("b", "category", ["only"], y=[0.5]), line(x=[2, 2, 2], y=[1, 2, 3])]
    )
    assert len(found) == 3


def test_names_no_font_has_and_no_svg_can_hold_are_drawn():
    strange = ["🌸", "\x00d", "caf\udce9", "</svg><script>", "$x^2$"]
    panels = draw_dependence(
        [
            line(
                f"{name}{kind}",
                kind,
                strange if kind == "category" else range(5),
                **{name: [0.1, 0.2, 0.3, 0.4, 0.5], "z": [0, 0, 0, 0, 1]},
            )
            for name in strange
            for kind in ("number", "category")
        ]
    )
    assert len(panels) == 6
    for panel in panels:
        assert "<script" not in panel.svg
        words(panel.svg)


def test_only_the_first_few_are_drawn_in_the_colours_of_the_page():
    panels = draw_dependence([line(str(at), y=[at, 2.0, 3.0]) for at in range(9)])
    assert [panel.title for panel in panels] == list("012345")
    for panel in panels:
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", panel.svg)) == set()
        assert "var(--accent" in panel.svg
