"""A trained generator's page: what is seen of one that can do everything, and hostile content."""

import json
import re

import numpy as np
import pytest
from example_controls import RICH, Rich
from scenes import scenes

from provenance import UserError
from provenance.corpora.artefacts import TrainedGenerator
from provenance.media import encode_png
from provenance.quality.inspection import View, inspect_generator
from provenance.quality.looks import all_looks, from_mixture, smoothness, strongest_in_turn
from provenance.quality.reals import RealImages
from provenance.reports.generator_charts import HEIGHT, WIDTH, bar_chart, line_chart
from provenance.reports.generator_history import card_facts, read_curves, read_sheets
from provenance.reports.generator_page import render_generator_page
from provenance.reports.generator_words import findings

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e"


@pytest.fixture(scope="module")
def pictures():
    """200 scenes as uint8 (200, 16, 16, 3), with noise so that no two are alike."""
    images = np.stack([item.data for item in scenes(200, 16)]).astype(float)
    noise = np.random.default_rng(3).normal(0, 25, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def reals(pictures):
    labels = np.arange(100) % 2
    return RealImages(pictures[100:], pictures[:100], pictures[:100], labels, True, ("a", "b"))


def trained(pictures, folder, model=None, **card):
    made = model or Rich()
    made.mean = pictures[0].astype(np.float32)
    made.classes = ("a", "b")
    made.means = np.stack([made.mean, made.mean / 2])
    return TrainedGenerator(made, RICH, {"size_px": 16, **card}, folder)


def seen(generator, reals, **settings):
    view = View(generator, reals, samples=64, **settings)
    return {section.key: section for section in inspect_generator(view, all_looks())}


def test_everything_is_looked_at_in_order_and_again_alike(pictures, reals, tmp_path):
    generator = trained(pictures, tmp_path)
    sections = seen(generator, reals)
    assert [*sections] == [look.key for look in all_looks() if look.key != "tokens"]
    assert all(one.error is None and one.missing is None for one in sections.values())
    again = seen(generator, reals)
    for key, section in sections.items():
        assert section.to_json() == again[key].to_json()
        for one, other in zip(section.strips, again[key].strips, strict=True):
            assert np.array_equal(one.images, other.images)
    json.dumps([section.to_json() for section in sections.values()], allow_nan=False)


def test_without_real_images_only_those_sections_say_so(pictures, tmp_path):
    sections = seen(trained(pictures, tmp_path), None, no_reals="The source is gone.")
    missing = {key for key, one in sections.items() if one.missing == "The source is gone."}
    assert missing == {"reconstructions", "resamples", "neighbours", "likelihoods"}
    assert sections["samples"].strips


def test_a_fault_costs_its_section_only(pictures, reals, tmp_path):
    class Faulty(Rich):
        def move(self, seed, direction, amounts):
            raise RuntimeError("broken")

        def reconstruct(self, batch):
            return batch[:, :4]

        def members(self, n, *, seed, label=None):
            return 7

    sections = seen(trained(pictures, tmp_path, Faulty()), reals)
    assert {key for key, one in sections.items() if one.error} == {
        "directions", "reconstructions", "members",
    }  # fmt: skip
    assert "broken" in sections["directions"].error
    page = render_generator_page({}, tmp_path, list(sections.values()), {})
    assert page.count("This section failed") == 3


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_copies_of_training_images_are_found(pictures, reals, tmp_path, share):
    class Copies(Rich):
        def sample(self, n, *, seed, **options):
            rng = np.random.default_rng(seed)
            own = rng.integers(0, 256, (n, 16, 16, 3)).astype(np.uint8)
            own[: int(n * share)] = pictures[:100][rng.integers(0, 100, int(n * share))]
            return own

    found = seen(trained(pictures, tmp_path, Copies()), reals)["neighbours"]
    assert found.figures["copies"] == share
    assert found.figures["real_copies"] < 0.05
    told = " ".join(findings("neighbours", found.figures, []))
    assert ("memorised" in told) is (share > 0)
    if share:
        worst = found.strips[0]
        assert np.array_equal(worst.images[0], worst.images[1])
        assert worst.captions[:2] == ("sample", "0.0")


def test_steps_tell_an_even_way_from_a_jump():
    ramp = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.full((1, 8, 8, 3), 10, np.uint8)
    assert smoothness(ramp) == {
        "mean_step": 10.0, "largest_step": 10.0, "unevenness": 1.0, "total": 80.0,
    }  # fmt: skip
    assert from_mixture(ramp) == 0.0
    jump = np.where(np.arange(9)[:, None, None, None] > 4, ramp[-1], ramp[0])
    assert smoothness(jump)["unevenness"] == 8.0
    assert from_mixture(jump) == 40.0
    rows = [{**smoothness(jump), "from_mixture": 40.0}, {**smoothness(ramp), "from_mixture": 0.0}]
    told = " ".join(findings("interpolations", {"between_samples": 100.0}, rows))
    assert "1 of 2 rows jump" in told
    assert "1 of 2 rows only fade" in told
    still = smoothness(np.zeros((3, 8, 8, 3), np.uint8))
    assert "hardly change" in " ".join(findings("directions", {"between_samples": 9.0}, [still]))


def test_the_strongest_direction_of_each_kind_comes_first():
    from provenance import Direction

    given = [Direction("s1", "sefa", 0.9), Direction("p2", "pca", 0.3), Direction("p1", "pca", 1.0)]
    assert [one.name for one in strongest_in_turn(given)] == ["p1", "s1", "p2"]


def test_hostile_text_is_shown_and_does_nothing(pictures, reals, tmp_path):
    class Hostile(Rich):
        def members(self, n, *, seed, label=None):
            return [HOSTILE] * n

    lines = [
        {"step": i, HOSTILE: float(i), "variety": 0.5, "collapse": HOSTILE, "action": HOSTILE}
        for i in range(3)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "step_<b>.png").write_bytes(encode_png(pictures[0]))
    generator = trained(pictures, tmp_path, Hostile())
    generator.model.classes = (HOSTILE, "b")
    sections = list(seen(generator, reals).values())
    card = {"name": HOSTILE, HOSTILE: {"x": [HOSTILE]}, "generator": HOSTILE}
    page = render_generator_page(card, tmp_path, sections, {"Real images": HOSTILE})
    assert not re.search(r"<script|<b>|\x1b|\u202e", page)
    assert page.count(SHOWN) >= 8
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:image/|#)', page)
    assert " style=" not in page


def test_curves_thin_out_and_bear_what_is_damaged(tmp_path):
    lines = [json.dumps({"step": i, "time_s": 1.0, "loss": i / 7}) for i in range(1000)]
    looks = [
        {"step": 10, "recall": 0.5, "collapse": "none", "action": "keep"},
        {"step": 20, "recall": 0.1, "collapse": "low", "action": "roll-back"},
    ]
    bad = ['{"step": "x"}', "[1]", '{"step": 5, "loss": null}', '{"step": 1e400, "loss": 1}', '{"s']
    text = "\n".join([*lines, *bad, *map(json.dumps, looks)])
    (tmp_path / "log.jsonl").write_text(text)
    (tmp_path / "log-prior.jsonl").write_text('{"step": 1, "nats": 1}\n{"step": 2, "nats": 2}\n')
    by_name = {(curve.loop, curve.name): curve for curve in read_curves(tmp_path)}
    assert set(by_name) == {("", "loss"), ("", "recall"), ("prior", "nats")}
    loss = by_name["", "loss"]
    assert len(loss.points) <= 240
    assert loss.points[-1] == (999.0, 999 / 7)
    assert by_name["", "recall"].is_look
    assert by_name["", "recall"].marks == ((20.0, "roll-back"),)
    page = render_generator_page({}, tmp_path, [], {})
    assert "The watch acted at step 20: roll-back." in page


def test_charts_stay_in_their_box():
    points = [(0, -5.0), (3, 2.0), (10, 7.0)]
    chart = line_chart(points, title="x", marks=[(5, "stop")])
    places = [tuple(map(float, pair.split(","))) for pair in chart.line.split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert places[0][1] > places[-1][1]  # up is more
    assert (chart.bottom, chart.top) == ("-5", "7")
    flat = line_chart([(1, 3.0)], title="x")
    assert "nan" not in flat.line
    bars = bar_chart([0.5, 0.25, 0.0], title="x", first="1", last="3").bars
    heights = [float(bar[3]) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.02)
    assert heights[2] == 0


def test_many_sheets_are_thinned_and_damaged_ones_left_out(tmp_path, pictures):
    (tmp_path / "samples").mkdir()
    for i in range(20):
        (tmp_path / "samples" / f"step_{i:06d}.png").write_bytes(encode_png(pictures[i]))
    (tmp_path / "samples" / "step_000000.png").write_bytes(b"no picture")
    sheets, kept = read_sheets(tmp_path)
    assert kept == 20
    assert [len(sheets), sheets[-1].name] == [7, "step_000019"]


def test_a_card_is_a_table():
    card = {"a": {"b": [1, 2, 3], "c": None}, "d": 0.123456789, "long": "x" * 1000}
    facts = dict(card_facts(card, most_items=2))
    assert facts["a.b"] == "1, 2 and 1 more"
    assert facts["a.c"] == "none"
    assert facts["d"] == "0.123457"
    assert len(facts["long"]) < 310


def nested(kind, depth):
    value = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"" if kind == "nameless" else "a": value}
    return value


@pytest.mark.parametrize("kind", ["list", "dict", "nameless"])
def test_a_card_may_be_nested_as_deep_as_it_likes(kind):
    facts = card_facts({"deep": nested(kind, 900), "": nested(kind, 900)})
    assert len(facts) == 2
    assert all("..." in text for _, text in facts)


def test_logs_of_hostile_numbers_and_kinds(tmp_path):
    (tmp_path / "log-folder.jsonl").mkdir()
    (tmp_path / "samples" / "folder.png").mkdir(parents=True)
    lines = [{"step": step, "loss": 10**400, "a": 1.0} for step in (1, 2, 10**400)]
    lines += [{"step": step, "collapse": 0.5, "action": ["x"]} for step in (3, 4)]
    lines += [{"step": step, **{f"n{i}": 1 for i in range(1000)}} for step in (5, 6)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    curves = read_curves(tmp_path)
    assert len(curves) == 40
    assert curves[0].points == ((1, 1), (2, 1))
    assert {mark for curve in curves for mark in curve.marks} == {(3, "['x']"), (4, "['x']")}
    assert read_sheets(tmp_path) == ([], 0)


def test_codes_are_counted(pictures, tmp_path):
    model = Rich()
    model.token_usage = lambda: np.float32([0, 0.5, 0.5, 0])
    found = seen(trained(pictures, tmp_path, model), None)["tokens"].figures
    assert (found["codes"], found["used"], found["perplexity"]) == (4, 2, 2.0)
    assert found["bars"] == [0.5, 0.5, 0.0, 0.0]


def test_members_that_make_nothing_are_told(pictures, tmp_path):
    generator = trained(pictures, tmp_path, members={"one": "", "other": "", "third": ""})
    found = seen(generator, None)["members"]
    rows = [{"title": strip.title, **strip.figures} for strip in found.strips]
    assert {row["title"] for row in rows} == {"one", "other"}
    assert findings("members", found.figures, rows)[1] == "1 of 3 members made none of these."


def test_what_cannot_be_shown_is_refused(pictures, tmp_path):
    generator = trained(pictures, tmp_path, size_px="<b>")
    with pytest.raises(UserError, match="size_px"):
        View(generator, None)
