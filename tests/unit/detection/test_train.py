"""From a corpus to an artefact: what it holds, when it is put in place, what a damaged one does."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import example_detector
import numpy as np
import pytest
from safetensors.numpy import save

from provenance.contracts import InputSpec
from provenance.detection import (
    METRICS,
    TrainingRequest,
    find_artefacts,
    fit_input,
    load_artefact,
    plan_folds,
    train_detectors,
)
from provenance.detection.folds import _open
from provenance.detection.windows import cut_items
from provenance.errors import ArtefactError, UserError
from provenance.files import sha256_file
from provenance.plugins import registry
from provenance.testing.corpus import tiny_items, write_tiny_corpus
from provenance.types import Media, MediaKind, Split, Verdict


def silent(name, fraction, message):
    """Progress for nobody."""


@pytest.fixture(autouse=True)
def _example(monkeypatch):
    """Offer the example detector beside the built-in ones."""
    offers = dict(registry().detectors)
    owner = next(iter(offers.values())).owner
    offer = type(offers["spectral"])(example_detector.SPEC, example_detector.Example, owner)
    monkeypatch.setitem(registry()._offered, "detectors", {**offers, "example": offer})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_tiny_corpus(tmp_path_factory.mktemp("train") / "corpus", tiny_items(60))


@pytest.fixture
def request_(corpus, tmp_path):
    return TrainingRequest(corpus=corpus, out=tmp_path / "models", detectors=("example",))


@pytest.fixture
def trained(request_):
    (result,) = train_detectors(request_, silent)
    assert result.error is None
    return result


def test_the_report_has_a_row_for_all_each_generator_each_step_and_each_held_out(trained):
    rows = [(row["group"], row["name"]) for row in trained.report["rows"]]
    assert rows == [
        ("all", ""),
        ("generator", "chequered"),
        ("generator", "smoothed"),
        ("step", "reconstruction"),
        ("step", "sample"),
        ("held-out", "chequered"),
        ("held-out", "smoothed"),
    ]
    for row in trained.report["rows"]:
        assert set(row["metrics"]) == set(METRICS)
        for estimate in row["metrics"].values():
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
        assert row["real"] == 12
    assert trained.report["rows"][0]["synthetic"] == 24
    assert trained.report["rows"][0]["metrics"]["auroc"]["value"] > 0.9


def test_the_artefact_is_complete(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names == {
        "model.safetensors", "card.json", "golden.safetensors", "report.json", "scores.json", "log",
    }  # fmt: skip
    card = json.loads((trained.folder / "card.json").read_text())
    assert card["input"]["size_px"] == 32
    assert card["threshold_1pct"]["reals"] == 9
    assert card["threshold_1pct"]["attainable_fpr"] == pytest.approx(0.1)
    assert card["corpus"]["items"] == {
        "train": 90, "validation": 27, "calibration": 27, "test": 36
    }  # fmt: skip
    assert set(card["auroc_held_out"]) == {"chequered", "smoothed"}
    assert len(card["golden"]["logits"]) == 8
    assert card["training"]["options"] == {"delay_s": 0.0, "fail": False}


def test_held_out_generators_are_not_seen(request_, monkeypatch):
    seen = []

    def fit(self, train, validation, context):
        seen.append({item.generator for item in [*train, *validation]})
        original(self, train, validation, context)

    original = example_detector.Example.fit
    monkeypatch.setattr(example_detector.Example, "fit", fit)
    train_detectors(request_, silent)
    assert seen == [{None, "chequered", "smoothed"}, {None, "smoothed"}, {None, "chequered"}]


def test_judge_gives_an_opinion_a_file(trained, corpus):
    (folder,) = find_artefacts(trained.folder.parent)
    detector = load_artefact(folder, "cpu")
    assert (detector.name, detector.version) == ("example", "1.0")
    items = [item for item in tiny_items(60) if item.split is Split.TEST]
    opinions = detector.judge([[item.media.data] for item in items])
    fakes = [o for o, item in zip(opinions, items, strict=True) if item.generator]
    assert sum(o.says is Verdict.SYNTHETIC for o in fakes) >= len(fakes) / 2
    assert sum(o.says is Verdict.NO_EVIDENCE for o in fakes) <= len(fakes) / 10
    assert all(0 <= o.probability <= 1 for o in opinions)
    odd, none, good = detector.judge([["not an image"], [], [items[0].media.data]])
    assert (odd.applicable, odd.probability, odd.says) == (False, None, Verdict.NO_EVIDENCE)
    assert "RGB" in odd.reason
    assert not none.applicable
    assert good == opinions[0]


def damage_bytes(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def change_card(path, **values):
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | values))


def change_logits(folder, logits):
    card = json.loads((folder / "card.json").read_text())
    change_card(folder / "card.json", golden=card["golden"] | {"logits": logits})


def change_golden(folder, arrays, logits):
    """Replace the golden inputs consistently, as someone with an editor can."""
    path = folder / "golden.safetensors"
    path.write_bytes(save(arrays))
    golden = {"sha256": sha256_file(path), "logits": logits, "tolerance": 0.01}
    change_card(folder / "card.json", golden=golden)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: damage_bytes(f / "model.safetensors"), "SHA-256 differs"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
        (lambda f: damage_bytes(f / "golden.safetensors"), "not the file that the card names"),
        (lambda f: (f / "golden.safetensors").unlink(), "cannot be read"),
        (lambda f: (f / "card.json").unlink(), "is missing"),
        (lambda f: (f / "card.json").write_text("{"), "not a detector's card"),
        (lambda f: change_card(f / "card.json", version="0.9"), "was trained with example 0.9"),
        (lambda f: change_card(f / "card.json", schema_version=2), "has schema 2"),
        (
            lambda f: change_card(f / "card.json", surprise=1),
            "not a detector's card: surprise: Extra",
        ),
        (lambda f: change_card(f / "card.json", kinds=["image", "smell"]), "kinds.1: .*'image'"),
        (lambda f: change_golden(f, {}, []), "no golden inputs"),
        (lambda f: change_golden(f, {"array.one": np.zeros(1)}, [0.5]), "cannot be read"),
        (lambda f: change_golden(f, {"text.0": np.full(1, 255, "u1")}, [0.5]), "cannot be read"),
        (lambda f: change_logits(f, [math.nan] * 8), "does not reproduce"),
    ],
)
def test_a_damaged_artefact_is_refused(trained, damage, message):
    damage(trained.folder)
    with pytest.raises(ArtefactError, match=message):
        load_artefact(trained.folder, "cpu")


def test_changed_code_is_found_by_the_golden_vector(trained, monkeypatch):
    feature = example_detector.feature
    monkeypatch.setattr(example_detector, "feature", lambda window: feature(window) + 0.2)
    with pytest.raises(ArtefactError, match="does not reproduce its golden scores"):
        load_artefact(trained.folder, "cpu")


def test_a_load_that_raises_anything_is_an_artefact_error(trained, monkeypatch):
    def load(self, folder, device):
        raise KeyError("weight")

    monkeypatch.setattr(example_detector.Example, "load", load)
    with pytest.raises(ArtefactError, match="KeyError"):
        load_artefact(trained.folder, "cpu")


def test_folders_without_artefacts_are_empty(tmp_path):
    assert find_artefacts(tmp_path / "missing") == []
    (tmp_path / "x").mkdir()
    assert find_artefacts(tmp_path) == []


def test_a_failed_run_leaves_the_old_artefact(trained, request_):
    before = (trained.folder / "card.json").read_bytes()
    options = {"example": {"fail": True}}
    (result,) = train_detectors(replace(request_, options=options), silent)
    assert "told to fail" in result.error
    assert result.report is None
    assert (trained.folder / "card.json").read_bytes() == before
    load_artefact(trained.folder, "cpu")


def test_a_new_run_replaces_the_old_artefact(trained, request_):
    (result,) = train_detectors(replace(request_, seed=5), silent)
    card = json.loads((result.folder / "card.json").read_text())
    assert card["training"]["command_seed"] == 5
    assert [path.name for path in (request_.out / ".training").iterdir()] == [".lock"]


def test_resuming_a_finished_run_trains_nothing(trained, request_, monkeypatch):
    monkeypatch.setattr(example_detector.Example, "fit", None)
    (result,) = train_detectors(replace(request_, resume=True), silent)
    assert result.report == trained.report


def test_resuming_keeps_finished_folds(request_, monkeypatch):
    """The first fold finishes, the second fails: the next run starts with the second."""
    calls = []
    original = example_detector.Example.fit

    def fit(self, train, validation, context):
        calls.append(context.workdir.parent.name)
        if len(calls) == 2:
            raise OSError("disk full")
        original(self, train, validation, context)

    monkeypatch.setattr(example_detector.Example, "fit", fit)
    (failed,) = train_detectors(request_, silent)
    assert failed.error == "without-chequered: OSError: disk full"
    (result,) = train_detectors(replace(request_, resume=True), silent)
    assert result.error is None
    assert calls == ["all", "without-chequered", "without-smoothed", "without-chequered"]


def test_resuming_with_other_options_is_refused(request_, monkeypatch):
    monkeypatch.setattr(example_detector.Example, "fit", None)
    train_detectors(request_, silent)
    with pytest.raises(UserError, match="other options"):
        train_detectors(replace(request_, resume=True, seed=1), silent)


def test_killed_between_the_two_renames_the_next_run_completes(trained, request_):
    staging = request_.out / ".training" / "example"
    shutil.copytree(trained.folder, staging / "artefact")
    shutil.move(trained.folder, staging / "replaced")
    (staging / "request.json").write_text(json.dumps(trained.report["request"]))
    (result,) = train_detectors(replace(request_, resume=True), silent)
    assert result.report == trained.report
    load_artefact(result.folder, "cpu")
    assert not staging.exists()


def test_killed_between_the_two_renames_a_run_anew_keeps_what_was_complete(
    trained, request_, monkeypatch
):
    staging = request_.out / ".training" / "example"
    shutil.copytree(trained.folder, staging / "artefact")
    shutil.move(trained.folder, staging / "replaced")
    monkeypatch.setattr(example_detector.Example, "fit", None)
    (failed,) = train_detectors(request_, silent)
    assert failed.error
    assert load_artefact(trained.folder, "cpu").card.metrics


def test_folds_of_an_unknown_request_are_not_adopted(request_, monkeypatch):
    """As a kill leaves them while the staging folder is taken away."""
    original = example_detector.Example.fit
    monkeypatch.setattr(example_detector.Example, "fit", None)
    train_detectors(request_, silent)
    staging = request_.out / ".training" / "example"
    (staging / "request.json").unlink()
    (staging / "all").mkdir(exist_ok=True)
    (staging / "all" / "fold.json").write_text("{}")
    monkeypatch.setattr(example_detector.Example, "fit", original)
    (result,) = train_detectors(replace(request_, resume=True, seed=99), silent)
    assert result.error is None


def test_a_detector_that_cannot_be_calibrated_costs_only_itself(request_, monkeypatch):
    def assemble(*_, **__):
        raise UserError("it abstains on all")

    monkeypatch.setattr("provenance.detection.train.assemble", assemble)
    (result,) = train_detectors(request_, silent)
    assert result.error == "it abstains on all"


def test_a_corpus_that_changed_is_not_mixed_with_the_old_one(request_, corpus):
    (fold, *_) = plan_folds(request_)["example"]
    with pytest.raises(UserError, match="has changed"):
        _open(fold.corpus, "another hash")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detectors": ("exemple",)}, "Did you mean 'example'"),
        ({"options": {"example": {"delay": 1}}}, "Did you mean 'delay_s'"),
        ({"options": {"timm": {"backbone": "x"}}}, "not to be trained"),
        (
            {"detectors": ("timm",), "options": {"timm": {"pretrained": "False"}}},
            "true or false",
        ),
        ({"corpus": Path("nowhere")}, "no corpus"),
    ],
)
def test_bad_requests_say_what_to_do(request_, change, message):
    with pytest.raises(UserError, match=message):
        plan_folds(replace(request_, **change))


def test_a_split_without_a_class_is_refused(tmp_path, request_):
    items = [i for i in tiny_items(40) if i.split is not Split.CALIBRATION or i.generator]
    corpus = write_tiny_corpus(tmp_path / "corpus", items)
    with pytest.raises(UserError, match=r"calibration split .* has synthetic"):
        plan_folds(replace(request_, corpus=corpus))


def test_one_generator_alone_is_not_held_out(tmp_path, request_):
    items = [i for i in tiny_items(40) if i.generator != "smoothed"]
    corpus = write_tiny_corpus(tmp_path / "corpus", items)
    folds = plan_folds(replace(request_, corpus=corpus))["example"]
    assert [fold.held_out for fold in folds] == [None]


def image(side):
    return Media("x", MediaKind.IMAGE, np.zeros((side, side + 9, 3), np.uint8), "x")


def test_the_window_shrinks_to_the_smallest_image_and_never_grows():
    spec = InputSpec(geometry="tiles", size_px=64, stride_px=48, min_side_px=32)
    fitted = fit_input(spec, [image(40), image(90)])
    assert (fitted.size_px, fitted.stride_px) == (40, 40)
    assert fit_input(spec, [image(90)]) == spec
    assert fit_input(spec, [Media("t", MediaKind.TEXT, "words", "t")]) == spec
    with pytest.raises(UserError, match="images of 20 px"):
        fit_input(spec, [image(20)])


def test_items_larger_than_the_window_are_cut_into_items():
    item = tiny_items(20, size_px=64)[0]
    cut = cut_items([item], InputSpec(geometry="tiles", size_px=32))
    assert [c.media.id for c in cut] == [item.media.id + end for end in ("", "#1", "#2", "#3")]
    assert {c.media.data.shape for c in cut} == {(32, 32, 3)}
    assert [c.parent for c in cut] == [c.media.id for c in cut]  # each finds its own window
    assert cut_items([item], InputSpec(geometry="crop", size_px=65)) == []
