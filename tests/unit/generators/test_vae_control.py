"""What a trained VAE does when asked: classes, parts drawn anew, directions, codes."""

from dataclasses import replace

import numpy as np
import pytest
from scenes import scenes

from provenance import ClassConditional, FitContext, Resampler, Steerable, UserError
from provenance_generators.vae.editing import blend, choose_cells
from provenance_generators.vae.generator import VAEGenerator
from provenance_generators.vae.train import choose_rows

CLASSES = ("dark", "light")


def classed(count):
    """Return scenes of two classes, one darkened."""
    return [
        replace(item, category=CLASSES[i % 2], data=item.data if i % 2 else item.data // 4)
        for i, item in enumerate(scenes(count))
    ]


def train(folder, **options):
    model = VAEGenerator()
    given = {"width": 8, "latents": 4, "batch": 8, **options}
    # scenes are so alike that the watch takes those of a young network for copies
    context = FitContext(workdir=folder, seed=3, max_steps=60, options=given, on_collapse="warn")
    model.fit(classed(80), context)
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train(tmp_path_factory.mktemp("classed"))


@pytest.fixture(scope="module")
def photographs():
    return np.stack([item.data for item in classed(6)])


def test_protocols(model):
    assert isinstance(model, ClassConditional)
    assert isinstance(model, Resampler)
    assert isinstance(model, Steerable)


# --- classes --------------------------------------------------------------------------------------


def test_samples_follow_their_label(model):
    assert model.classes == CLASSES
    dark, light = (model.sample(24, seed=0, label=name).mean() for name in CLASSES)
    assert light > dark + 30
    mixed = model.sample(2, seed=5, label=["light", "dark"])
    np.testing.assert_array_equal(mixed[0], model.sample(1, seed=5, label="light")[0])
    np.testing.assert_array_equal(mixed[1], model.sample(1, seed=6, label="dark")[0])


def test_classes_are_drawn_as_often_as_they_were(model):
    means = model.sample(64, seed=0).mean((1, 2, 3))
    dark, light = (model.sample(24, seed=0, label=name).mean() for name in CLASSES)
    share = (means > (dark + light) / 2).mean()
    assert 0.3 < share < 0.7


def test_unknown_labels_are_refused(model):
    with pytest.raises(UserError, match="lihgt"):
        model.sample(1, seed=0, label="lihgt")
    with pytest.raises(UserError, match="2 labels for 3"):
        model.sample(3, seed=0, label=["dark", "light"])


def test_classes_survive_the_artefact(model, tmp_path):
    model.save(tmp_path)
    other = VAEGenerator()
    other.load(tmp_path, "cpu")
    assert other.classes == CLASSES
    assert other.directions() == model.directions()
    np.testing.assert_array_equal(
        other.sample(3, seed=1, label="dark"), model.sample(3, seed=1, label="dark")
    )


def test_rows_are_spread_over_classes():
    numbers = np.array([0] * 1000 + [1] * 10 + [2])
    chosen = numbers[choose_rows(numbers, 100)]
    assert 90 <= len(chosen) <= 103
    assert set(chosen) == {0, 1, 2}
    assert len(choose_rows(numbers, 5000)) == 1011


# --- parts drawn anew -----------------------------------------------------------------------------


def test_fraction_0_is_the_reconstruction_and_1_owes_it_nothing(model, photographs):
    plain = model.reconstruct(photographs)
    np.testing.assert_array_equal(model.resample(photographs, 0.0, seed=1), plain)
    new = model.resample(photographs, 1.0, seed=1)
    np.testing.assert_array_equal(new, model.resample(photographs[::-1], 1.0, seed=1))
    assert not (new == plain).all()


def test_an_item_depends_on_its_own_seed_alone(model, photographs):
    many = model.resample(photographs, 0.5, seed=10)
    for i in range(6):
        alone = model.resample(photographs[i : i + 1], 0.5, seed=10 + i)
        np.testing.assert_array_equal(many[i], alone[0])


def test_what_is_drawn_fits_what_is_kept(model, photographs):
    """Dark photographs stay dark where half of them is drawn anew, and light ones light."""
    lightness = model.resample(photographs, 0.5, seed=3).mean((1, 2, 3))
    assert lightness[::2].max() < lightness[1::2].min()


def test_only_the_masked_part_changes(model, photographs):
    mask = np.zeros(photographs.shape[:3], bool)
    mask[:, 3:17, 5:20] = True
    plain, made = (
        model.reconstruct(photographs),
        model.resample(photographs, 1.0, seed=1, mask=mask),
    )
    np.testing.assert_array_equal(made[~mask], plain[~mask])
    assert (made[:, 3:17, 5:20] != plain[:, 3:17, 5:20]).any((1, 2, 3)).all()
    nothing = model.resample(photographs, 1.0, seed=1, mask=np.zeros_like(mask))
    np.testing.assert_array_equal(nothing, plain)


def test_the_seam_lies_within_the_mask():
    new, plain = np.full((1, 64, 64, 3), 200, np.uint8), np.full((1, 64, 64, 3), 100, np.uint8)
    mask = np.zeros((1, 64, 64), bool)
    mask[:, :, 20:] = True
    row = blend(new, plain, mask)[0, 30, :, 0]
    assert (row[:20] == 100).all()
    assert 100 < row[20] < row[21] < 200
    assert (row[22:] == 200).all()  # to the border, where nothing lies outside


def test_as_many_cells_as_asked_are_chosen():
    mask = np.zeros((40, 32, 32), bool)
    mask[:, :8] = True  # four cells
    for fraction, free, masked in ((0.0, 0, 0), (0.25, 4, 1), (0.5, 8, 2), (1.0, 16, 4)):
        assert (choose_cells(40, fraction, 0, 4, None).sum(1) == free).all()
        chosen = choose_cells(40, fraction, 0, 4, mask)
        assert (chosen.sum(1) == masked).all()
        assert not chosen[:, 4:].any()
    assert len(set(map(tuple, choose_cells(40, 0.5, 0, 4, None).tolist()))) > 10


@pytest.mark.parametrize(
    ("fraction", "mask", "words"),
    [
        (1.5, None, "between 0 and 1"),
        (float("nan"), None, "between 0 and 1"),
        (0.5, np.ones((6, 16, 16), bool), "A mask is bool"),
        (0.5, np.ones((6, 32, 32)), "A mask is bool"),
    ],
)
def test_bad_edits_are_refused(model, photographs, fraction, mask, words):
    with pytest.raises(UserError, match=words):
        model.resample(photographs, fraction, seed=0, mask=mask)


# --- directions -----------------------------------------------------------------------------------


def test_moving_by_nothing_is_the_sample_and_further_is_further(model):
    name = model.directions()[0].name
    way = model.move(7, name, [0.0, 1.0, 3.0]).astype(float)
    np.testing.assert_array_equal(way[0], model.sample(1, seed=7)[0])
    near, far = (np.abs(one - way[0]).mean() for one in way[1:])
    assert 0 < near < far
    assert model.move(7, name, []).shape == (0, 32, 32, 3)


def test_a_class_direction_leads_to_the_class(model):
    names = {direction.name for direction in model.directions() if direction.how == "label"}
    assert names == {"class-dark", "class-light"}
    ways = [model.move(seed, "class-light", [-1.0, 1.0]).mean((1, 2, 3)) for seed in range(8)]
    assert np.mean([way[1] - way[0] for way in ways]) > 10


def test_unknown_directions_are_refused(model):
    with pytest.raises(UserError, match=r"'pca-99'. Known: pca-1"):
        model.move(0, "pca-99", [1.0])


# --- codes, and the plain prior -------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["fsq", "vq"])
def test_codes_are_sampled_edited_and_kept(preset, tmp_path, photographs):
    model = VAEGenerator()
    options = {"preset": preset, "width": 8, "batch": 8}
    model.fit(classed(40), FitContext(workdir=tmp_path, seed=3, max_steps=2, options=options))
    model.save(tmp_path / "saved")
    other = VAEGenerator()
    other.load(tmp_path / "saved", "cpu")
    assert other.classes == CLASSES
    np.testing.assert_array_equal(model.sample(3, seed=1), other.sample(3, seed=1))
    plain = other.reconstruct(photographs)
    np.testing.assert_array_equal(other.resample(photographs, 0.0, seed=1), plain)
    assert not (other.resample(photographs, 1.0, seed=1) == plain).all()
    assert list((tmp_path / "samples").glob("*.png"))


def test_the_plain_preset_samples_the_prior(tmp_path):
    model = VAEGenerator()
    options = {"preset": "plain", "width": 8, "latents": 4, "batch": 8}
    model.fit(classed(40), FitContext(workdir=tmp_path, seed=3, max_steps=2, options=options))
    assert model.classes == ()
    assert list(model.directions()) == []
    assert model.sample(2, seed=0).shape == (2, 32, 32, 3)
    with pytest.raises(UserError, match="knows no classes"):
        model.sample(1, seed=0, label="dark")
