"""Ensembles: who makes what, what is kept in the artefact, and what each rule is for."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from scenes import scenes

from provenance import ArtefactError, FitContext, Media, MediaKind, UserError
from provenance.errors import PluginError
from provenance.plugins import registry
from provenance.training import load_weights, save_weights
from provenance_generators.ensemble import SPEC
from provenance_generators.ensemble.generator import EnsembleGenerator
from provenance_generators.ensemble.weighing import _covered, _grid

SMALL = {
    "gan": {"width": 2, "critic_width": 4, "batch": 8},
    "vae": {"width": 8, "batch": 4},
}


def classed(count=40):
    """Return scenes of two classes: dark ones and bright ones."""
    return [
        Media(
            id=f"{item.id}-{number}",
            kind=MediaKind.IMAGE,
            data=(item.data // 3 + (160 if number % 2 else 0)).astype(np.uint8),
            group=item.group,
            category="bright" if number % 2 else "dark",
        )
        for number, item in ((n, scenes(32)[n % len(scenes(32))]) for n in range(count))
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Train two members for a moment, on a source with classes."""
    found = []
    for name, options in SMALL.items():
        folder = tmp_path_factory.mktemp(name)
        offer = registry().generator(name)
        model = offer.factory()
        model.fit(classed(), FitContext(folder / "work", seed=1, max_steps=3, options=options))
        model.save(folder)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        card = {"name": f"{name}-32", "generator": name, "size_px": 32, "weights_sha256": digest}
        (folder / "card.json").write_text(json.dumps(card))
        found.append(str(folder))
    return found


def fitted(folders, folder, **options):
    model = EnsembleGenerator()
    options = {"members": folders, "critic_width": 8, **options}
    model.fit(classed(), FitContext(folder, seed=2, max_steps=8, options=options))
    return model


@pytest.fixture(scope="module")
def mixture(folders, tmp_path_factory):
    return fitted(folders, tmp_path_factory.mktemp("mixture"), weights=[1, 1])


def test_each_item_is_that_of_the_member_that_is_named(mixture, folders):
    images, names = mixture.sample(24, seed=5), mixture.members(24, seed=5)
    assert set(names) == {"gan-32", "vae-32"}
    for folder, name in zip(folders, ("gan-32", "vae-32"), strict=True):
        model = registry().generator(name[:3]).factory()
        model.load(Path(folder), "cpu")
        alone = model.sample(24, seed=5)
        rows = [row for row, who in enumerate(names) if who == name]
        apart = np.abs(images[rows].astype(int) - alone[rows])
        assert apart.max() <= 1  # other batches round otherwise


def test_an_item_depends_on_its_own_seed_alone(mixture):
    images, names = mixture.sample(9, seed=3), mixture.members(9, seed=3)
    assert mixture.members(2, seed=7) == names[4:6]
    apart = np.abs(mixture.sample(2, seed=7).astype(int) - images[4:6])
    assert apart.max() <= 1
    assert mixture.sample(0, seed=0).shape == (0, 32, 32, 3)


def test_weights_are_kept(folders, tmp_path):
    names = fitted(folders, tmp_path, weights=[1, 9]).members(400, seed=0)
    assert names.count("vae-32") / 400 == pytest.approx(0.9, abs=0.05)


def test_everything_is_in_one_file(mixture, tmp_path):
    mixture.save(tmp_path)
    again = EnsembleGenerator()
    again.load(tmp_path, "cpu")
    np.testing.assert_array_equal(again.sample(5, seed=1), mixture.sample(5, seed=1))
    assert again.members(5, seed=1) == mixture.members(5, seed=1)
    assert again.classes == mixture.classes


@pytest.mark.parametrize("damage", ["missing", "left over", "critic"])
def test_parts_that_do_not_fit_are_refused(mixture, tmp_path, damage):
    mixture.save(tmp_path)
    arrays, config = load_weights(tmp_path)
    if damage == "missing":
        arrays.pop(next(name for name in arrays if name.startswith("member1.")))
    else:
        arrays["critic.x" if damage == "critic" else "member7.x"] = np.zeros(1)
    save_weights(tmp_path, arrays, config)
    with pytest.raises((ArtefactError, PluginError)):
        EnsembleGenerator().load(tmp_path, "cpu")


def test_weights_that_are_not_given_are_those_that_cover_most(folders, tmp_path):
    model = fitted(folders, tmp_path)
    line = json.loads((tmp_path / "train" / "log.jsonl").read_text().splitlines()[0])
    assert 0 <= line["coverage"] <= 1
    assert len(model.members(3, seed=0)) == 3


def test_coverage_of_a_mixture_is_more_than_its_members_where_they_complete_each_other():
    rng = np.random.default_rng(0)
    left, right = (rng.normal(place, 1.0, (200, 2)).astype(np.float32) for place in (-9, 9))
    reals = np.concatenate([left, right])
    drawn = [left + np.float32(0.01), right + np.float32(0.01)]
    assert _covered(reals, drawn, (10, 0)) == pytest.approx(0.5, abs=0.01)
    assert _covered(reals, drawn, (5, 5)) > 0.8
    weights = list(_grid(3))
    assert len(weights) == 66
    assert {sum(one) for one in weights} == {10}


def test_by_class_each_class_has_one_member(folders, tmp_path):
    model = fitted(folders, tmp_path, rule="by-class")
    if not {"bright", "dark"} <= set(model.classes):
        pytest.fail("the members did not learn the classes")
    for name in ("bright", "dark"):
        assert len(set(model.members(6, seed=0, label=name))) == 1
    assert len(model.members(6, seed=0)) == 6


def test_the_best_of_several_scores_higher_than_the_first(folders, tmp_path):
    from provenance_generators.ensemble.critic import scores

    model = fitted(folders, tmp_path, rule="best-of", weights=[1, 1], candidates=3)
    plain = fitted(folders, tmp_path / "plain", weights=[1, 1])
    critic = model._is.critic
    best = scores(critic, model.sample(16, seed=4), "cpu")
    first = scores(critic, plain.sample(16, seed=4), "cpu")
    assert (best >= first - 1e-4).all()
    assert best.mean() > first.mean()
    model.save(tmp_path)
    again = EnsembleGenerator()
    again.load(tmp_path, "cpu")
    np.testing.assert_array_equal(again.sample(4, seed=9), model.sample(4, seed=9))


def test_labels_go_to_members_that_know_them(mixture):
    assert len(mixture.sample(4, seed=0, label=["dark", "bright", "dark", "dark"])) == 4
    with pytest.raises(UserError, match=r"no class 'drak'.*dark"):
        mixture.sample(1, seed=0, label="drak")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"members": []}, "two members or more"),
        ({"weights": [1]}, "one number of at least 0 a member"),
        ({"weights": [0, 0]}, "not all 0"),
        ({"rule": "vote"}, "one of mixture, by-class, best-of"),
        ({"candidates": 0}, "'candidates' is at least 1"),
    ],
)
def test_wrong_settings_are_named(folders, tmp_path, options, words):
    options = dict(options)
    members = options.pop("members", folders)
    with pytest.raises(UserError, match=words):
        fitted(members, tmp_path, **options)


def test_members_of_another_size_are_refused(folders, tmp_path):
    model = EnsembleGenerator()
    context = FitContext(tmp_path, max_steps=1, options={"members": folders})
    with pytest.raises(UserError, match="32 px, not of 64"):
        model.fit(scenes(32, size_px=64), context)


def test_it_is_trained_only_where_it_is_asked_for():
    assert not SPEC.is_default
