"""Features of ``spectral`` against slow and plain definitions, and its models against sklearn."""

import numpy as np
import pytest
from scipy.fft import dctn
from sklearn.linear_model import LogisticRegression

from provenance import FitContext, UserError
from provenance.testing.corpus import tiny_items
from provenance.types import Split
from provenance_plugins.spectral import SPEC, build
from provenance_plugins.spectral import features as f
from provenance_plugins.spectral.model import extract, logits
from provenance_plugins.spectral.train import _logistic, mean_auroc


@pytest.fixture
def windows():
    return np.random.default_rng(0).integers(0, 256, (3, 40, 48, 3), np.uint8)


def test_features_have_one_length_for_all_sizes(windows):
    widths = {f.features(windows[:, :h, :w]).shape for h, w in ((32, 32), (40, 48), (33, 47))}
    assert len(widths) == 1
    mixed = extract([windows[0], windows[1][:32, :32], windows[2]])
    assert np.allclose(mixed[2], f.features(windows[2:])[0], atol=1e-4)
    assert np.isfinite(f.features(np.zeros((1, 32, 32, 3), np.uint8))).all()


def test_the_azimuthal_spectrum_is_the_mean_power_over_rings(windows):
    planes = np.moveaxis(windows[:1], -1, 1).astype(np.float32)
    plane = planes[0, 0].astype(np.float64)
    taper = np.hanning(42)[1:-1, None] * np.hanning(50)[None, 1:-1]
    power = np.abs(np.fft.rfft2((plane - plane.mean()) * taper)) ** 2
    radius = np.hypot(np.fft.fftfreq(40)[:, None], np.fft.rfftfreq(48)[None]) / np.sqrt(0.5)
    ring = np.minimum((radius * 20).astype(int), 19)
    profile = np.array([power[ring == r].mean() for r in range(20)])
    expected = np.log(profile / profile.sum() + 1e-6)
    assert np.allclose(f.azimuthal(planes)[0, :20], expected, atol=1e-3)


def test_a_chequerboard_raises_the_highest_frequencies():
    y, x = np.indices((64, 64))
    noise = np.random.default_rng(1).normal(0, 5, (64, 64))
    board = noise + np.where((x + y) % 2, 10, -10)
    plain, marked = (f.azimuthal(p[None, None].astype(np.float32))[0] for p in (noise, board))
    assert np.argmax(marked - plain) == 19


def test_block_statistics_are_those_of_scipys_dct(windows):
    planes = np.moveaxis(windows[:1], -1, 1).astype(np.float32)
    blocks = planes[0].reshape(3, 5, 8, 6, 8).transpose(0, 1, 3, 2, 4).reshape(3, 30, 8, 8)
    coefficients = dctn(blocks.astype(float), axes=(2, 3), norm="ortho").reshape(3, 30, 64)
    spread = 0.5 * np.log((coefficients**2).mean(1) + 1e-6)[:, 1:]
    shape = spread[0] - np.log(np.abs(coefficients[0]).mean(0)[1:] + 1e-6)
    expected = np.concatenate([spread.ravel(), shape])
    assert np.allclose(f.block_dct(planes)[0], expected, atol=1e-3)


def slow_co_occurrences(residuals, step):
    counts = {}
    for residual in residuals:  # rows run along the direction of the difference
        for row in residual:
            levels = [int(np.clip(np.sign(v) * np.floor(abs(v) / step + 0.5), -2, 2)) for v in row]
            for i in range(len(levels) - 3):
                run = tuple(levels[i : i + 4])
                minus = tuple(-v for v in run)
                key = min(run, run[::-1], minus, minus[::-1])
                counts[key] = counts.get(key, 0) + 1
    total = sum(counts.values())
    return sorted(np.sqrt(v / total) for v in counts.values())


@pytest.mark.parametrize(("place", "step", "order"), [(0, 1, 1), (1, 2, 2)])
def test_co_occurrences_are_counted_as_defined(place, step, order):
    random = np.random.default_rng(2)
    pixels = (128 + random.integers(-3, 4, (32, 32, 3))).astype(np.int16)
    found = f.co_occurrences(np.moveaxis(pixels, -1, 0)[None])[0].reshape(4, 169)[place]
    green = pixels[..., 1].astype(int)
    expected = slow_co_occurrences([np.diff(green, order), np.diff(green.T, order)], step)
    assert np.allclose(sorted(found[found > 0]), expected, atol=1e-5)


@pytest.mark.parametrize("symmetry", [np.flipud, np.fliplr, lambda p: p.transpose(1, 0, 2)])
def test_co_occurrences_do_not_depend_on_direction(windows, symmetry):
    turned = symmetry(windows[0])
    a, b = (
        f.co_occurrences(np.moveaxis(p.astype(np.int16), -1, 0)[None]) for p in (windows[0], turned)
    )
    assert np.allclose(a, b, atol=1e-6)


def test_correlations_are_those_of_numpy(windows):
    planes = np.moveaxis(windows[:1], -1, 1).astype(np.float32)
    found = f.correlations(planes)[0]
    red, green = (np.diff(planes[0, c], axis=0).ravel() for c in (0, 1))
    uncentred = red @ green / np.sqrt((red @ red) * (green @ green))
    assert found[0] == pytest.approx(uncentred, abs=1e-4)


def test_a_rebuilt_model_scores_as_sklearn_does():
    random = np.random.default_rng(3)
    values, truth = random.normal(size=(80, 6)).astype(np.float32), np.arange(80) % 4 > 0
    arrays = {"mean": np.zeros(6), "scale": np.ones(6), **_logistic(values, truth, 0.1)}
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300, tol=1e-3)
    expected = model.fit(values, truth).decision_function(values)
    assert np.allclose(logits(values, arrays), expected, atol=1e-5)


def test_mean_auroc_weighs_generators_alike():
    scores = np.array([0.0, 1, 2, 3, -1], np.float32)
    truth = np.array([0, 1, 1, 1, 1], bool)
    assert mean_auroc(scores, truth, [None, "a", "a", "a", "b"]) == 0.5


def fit(tmp_path, *, resume=False, **options):
    items = tiny_items(40)
    train, validation = (
        [item for item in items if item.split is split] for split in (Split.TRAIN, Split.VALIDATION)
    )
    context = FitContext(tmp_path, resume=resume, options={**SPEC.options, **options})
    detector = build()
    detector.fit(train, validation, context)
    return detector, [item.media.data for item in items]


def test_a_run_killed_before_its_features_were_written_resumes(tmp_path):
    (tmp_path / "features-train").mkdir()
    fit(tmp_path, resume=True, model="lda")


@pytest.mark.parametrize("model", ["lda", "logistic-0.003", "logistic-0.03", "mlp"])
def test_each_model_learns_and_survives_the_disk(tmp_path, model):
    detector, windows = fit(tmp_path, model=model)
    detector.save(tmp_path / "model")
    again = build()
    again.load(tmp_path / "model", "cpu")
    scores = detector.score(windows).logit
    assert np.array_equal(scores, again.score(windows).logit)
    assert scores[1::3].mean() > scores[::3].mean()
    assert scores[2::3].mean() > scores[::3].mean()


def test_an_unknown_model_is_named(tmp_path):
    with pytest.raises(UserError, match="no model 'forest'"):
        fit(tmp_path, model="forest")
