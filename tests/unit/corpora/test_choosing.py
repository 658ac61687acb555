"""What is trained, with which settings, and what is refused before anything is."""

import json
import shlex

import numpy as np
import pytest

from provenance import UserError
from provenance.corpora import open_corpus
from provenance.corpora.plan import load_plan
from provenance.corpora.request import Request, read_setting, setting_text
from provenance.media import decode, encode_png
from provenance.training import load_weights

QUICK = {"count": 12, "sign": False}


def card(folder, name):
    return json.loads((folder / "generators" / name / "card.json").read_text())


def told(folder, name):
    """Return preset, shade, trace and policy as they reached the training."""
    return load_weights(folder / "generators" / name)[1]["told"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A source of pictures of two classes."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(96):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(random.integers(0, 255, (16, 16, 3), np.uint8)))
    return f"folder:{folder}"


# --- settings -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diverse(make, pictures):
    return make(
        real=pictures,
        families=("kinds",),
        count=96,
        copies=3,
        presets={"kinds": "large"},
        options={"kinds-2": {"preset": "small", "trace": "c"}},
        diverse=True,
        on_collapse="stop",
        ensemble="by-class",
    )[0]


def test_presets_and_options_reach_the_training_and_a_copy_may_have_its_own(diverse):
    assert told(diverse, "kinds")[:2] == ["large", 2]
    assert told(diverse, "kinds-2") == ["small", 1, "c", "stop"]


def test_cards_tell_settings_variants_and_what_the_watch_did(diverse):
    found = card(diverse, "kinds")
    assert found["preset"] == "large"
    assert found["options"] == {"preset": "large", "shade": 2, "trace": found["variant"]["trace"]}
    assert card(diverse, "kinds-2")["variant"] == {}  # what the user sets is not drawn
    assert found["on_collapse"] == "stop"
    assert found["watch"] == {
        "looks": 2,
        "collapses": [{"step": 2, "collapse": "all alike", "action": "roll-back"}],
    }
    assert found["metrics"]["train"]["loss"] == 0.5
    assert found["metrics"]["train"]["recall"] == 0.4
    assert found["classes"] == ["cat", "dog"]


def test_variants_and_seeds_differ_by_copy_and_repeat_by_seed(diverse):
    plan = load_plan(diverse)
    drawn = [dict(one.variant) for one in plan.generators if one.plugin == "kinds"]
    assert all(one.get("trace", "c") in "abcd" for one in drawn)
    assert len({card(diverse, name)["seed"] for name in ("kinds", "kinds-2", "kinds-3")}) == 3


def test_variants_are_drawn_by_the_seed(make, pictures):
    folder, _ = make(real=pictures, families=("kinds",), diverse=True, copies=8, **QUICK)
    again, _ = make(real=pictures, families=("kinds",), diverse=True, copies=8, **QUICK)
    traces = [one.options["trace"] for one in load_plan(folder).generators]
    assert len(set(traces)) > 1
    assert traces == [one.options["trace"] for one in load_plan(again).generators]


# --- ensembles ------------------------------------------------------------------------------------


def test_an_ensemble_is_fitted_on_all_others_and_names_who_made_what(diverse):
    corpus = open_corpus(diverse)
    rows = [row for row in corpus.rows if row.generator == "ensemble"]
    names = {f"{name}-16" for name in ("kinds", "kinds-2", "kinds-3")}
    assert {row.member for row in rows} == names
    assert len(rows) == 96
    assert all(row.member is None for row in corpus.rows if row.generator != "ensemble")
    assert set(card(diverse, "ensemble")["members"]) == {"kinds", "kinds-2", "kinds-3"}
    assert card(diverse, "ensemble")["options"]["rule"] == "by-class"
    assert load_weights(diverse / "generators" / "ensemble")[1]["rule"] == "by-class"
    assert str(diverse) not in (diverse / "generators" / "ensemble" / "card.json").read_text()
    for row in rows[:8]:
        data = (diverse / row.file_name).read_bytes()
        assert row.member.encode() in data  # in its manifest
        level = int(decode(diverse / row.file_name)[1][0, 0, 0])
        assert row.member == ("kinds-16", "kinds-2-16", "kinds-3-16")[level]


def test_an_ensemble_of_checkpoints_trains_nothing_else_and_keeps_their_groups(make, diverse):
    folders = tuple(str(diverse / "generators" / name) for name in ("kinds", "kinds-2"))
    folder, summary = make(
        real="photos", checkpoints=folders, ensemble="mixture", count=12, sign=False,
        families=("plain",),
    )  # fmt: skip
    assert "ensemble" in summary.counts["generator"]
    groups = card(folder, "ensemble")["data"]["groups"]
    assert set(card(diverse, "kinds")["data"]["groups"]) <= set(groups)


def test_an_ensemble_does_without_a_member_that_failed(make, monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", "fit")
    folder, summary = make(families=("plain", "tint"), copies=2, ensemble="mixture", **QUICK)
    assert set(summary.failed) == {"plain", "plain-2"}
    assert set(card(folder, "ensemble")["members"]) == {"tint", "tint-2"}
    _, summary = make(families=("plain", "tint"), ensemble="mixture", **QUICK)
    assert "at least two generators" in summary.failed["ensemble"]
    assert set(summary.counts["generator"]) == {"tint"}


def test_a_resumed_run_still_knows_the_members(make, tmp_path):
    options = {"families": ("plain", "tint"), "ensemble": "mixture", "count": 70, "sign": False}
    out, _ = make(out=tmp_path / "c", **options)
    before = [(row.file_name, row.member) for row in open_corpus(out).rows]
    for name in ("corpus.json", "metadata.jsonl", "synthetic/ensemble/sample/00066.png"):
        (out / name).unlink()
    make(out=out, resume=True, **options)
    assert [(row.file_name, row.member) for row in open_corpus(out).rows] == before


# --- samples --------------------------------------------------------------------------------------


def test_sample_n_has_the_class_of_item_n(diverse):
    corpus = open_corpus(diverse)
    real = {row.file_name[-9:]: row.category for row in corpus.rows if row.step == "real"}
    rows = [row for row in corpus.rows if row.generator == "kinds"]
    assert set(real.values()) == {"cat", "dog"}
    for row in rows:
        assert row.category == real[row.file_name[-9:]]
        level = int(decode(diverse / row.file_name)[1][0, 0, 0])
        assert level == (0 if row.category == "cat" else 10)
    ensemble = [row for row in corpus.rows if row.generator == "ensemble"]
    assert {row.category for row in ensemble} == {None}  # nobody asked it for a class


def test_samples_of_named_classes_and_with_controls(make, pictures):
    folder, _ = make(
        real=pictures, families=("kinds",), classes=("dog",), top_k=5, truncation=0.5, count=24
    )
    rows = [row for row in open_corpus(folder).rows if row.generator == "kinds"]
    assert {row.category for row in rows} == {"dog"}
    assert {int(decode(folder / r.file_name)[1][0, 0, 0]) for r in rows} == {10 + 100 + 2}
    assert b"dog" in (folder / rows[0].file_name).read_bytes()  # in its manifest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presets": {"": "huge"}}, "has a preset 'huge'"),
        ({"presets": {"kinds": "huge"}}, "kinds has no preset 'huge'"),
        ({"presets": {"kindz": "large"}}, "Did you mean 'kinds'"),
        ({"options": {"kindz": {"shade": 2}}}, "--option speaks of 'kindz'.*Did you mean 'kinds'"),
        ({"options": {"plain": {"shade": 2}}}, "no generator of that name is trained"),
        ({"options": {"kinds": {"shape": 2}}}, "no setting 'shape'"),
        ({"options": {"kinds": {"shade": "dark"}}}, "Give a value such as 1"),
        ({"options": {"kinds": {"trace": "z"}}}, "is one of a, b, c, d"),
        ({"classes": ("cow",)}, "knows no class 'cow'"),
        ({"classes": ("cat",), "real": "photos"}, "has no classes to choose from"),
        ({"classes": ("cat",), "families": ("plain",)}, "plain cannot be told.*: kinds"),
        ({"top_p": 0.9}, "takes --top-p. These do: none"),
        ({"top_k": 3, "families": ("plain",)}, "takes --top-k. These do: kinds"),
        ({"ensemble": "mixture"}, "combines at least two"),
        ({"download": True, "real": "photoz"}, "Did you mean 'photos'"),
    ],
)
def test_what_cannot_be_met_is_said_first(options, message, make, pictures, tmp_path):
    asked = {"real": pictures, "families": ("kinds",), **QUICK, **options}
    with pytest.raises(UserError, match=message):
        make(out=tmp_path / "out", **asked)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name != ".lock"]


def test_a_family_stands_for_those_that_are_trained_unasked(make):
    _, summary = make(families=("fake",), **QUICK)
    assert set(summary.counts["generator"]) == {"tint", "plain"}


# --- the command line that asks for it ------------------------------------------------------------


def test_the_recorded_command_asks_for_the_same():
    from provenance.cli.generate import command
    from provenance.cli.generate_options import request_of

    asked = Request(
        real="folder:/a b",
        families=("gan", "vae"),
        budget_s=2.5,
        seed=7,
        sign=False,
        presets={"": "large", "gan": "small"},
        options={"gan": {"width": 4, "levels": [8, 8], "name": "1", "on": True, "norm": "none"}},
        diverse=True,
        copies=2,
        on_collapse="soften",
        download=True,
        classes=("cat", "a dog"),
        truncation=0.7,
        temperature=1.25,
        top_k=3,
        top_p=0.9,
        ensemble="best-of",
    )
    words = shlex.split(asked.command())[2:]
    context = command.make_context("generate", words)
    assert request_of(context.params) == asked


@pytest.mark.parametrize("value", ["text", "1", "true", "[", 1, 1.5, True, None, [1, "a"], "a=b"])
def test_settings_survive_the_command_line(value):
    assert read_setting(setting_text(value)) == value
