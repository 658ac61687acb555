"""Probabilities mean what they say, thresholds promise no more than the reals can vouch for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from provenance.detection import Calibration, Threshold, fit_calibration, fit_threshold
from provenance.detection.opinion import opinion
from provenance.errors import UserError
from provenance.types import Verdict


def draw(seed=0, real=500, synthetic=3000, gain=3.0):
    random = np.random.default_rng(seed)
    logits = np.concatenate([random.normal(-1, 1, real), random.normal(1, 1, synthetic)])
    return gain * logits + 5, np.arange(real + synthetic) >= real


def test_agrees_with_an_unpenalised_balanced_logistic_regression():
    logits, truth = draw()
    expected = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-8).fit(
        logits[:, None], truth
    )
    found = fit_calibration(logits, truth)  # differs by the smoothing of targets alone
    assert found.scale == pytest.approx(expected.coef_[0, 0], rel=0.03)
    assert found.bias == pytest.approx(expected.intercept_[0], rel=0.03)


def test_recovers_the_likelihood_ratio_of_two_normals():
    """log N(x; 1, 1) / N(x; -1, 1) = 2 x, at even odds and whatever the gain."""
    logits, truth = draw(real=4000, synthetic=4000)
    found = fit_calibration(logits, truth)
    assert found.scale == pytest.approx(2 / 3, rel=0.1)
    assert float(found.probability(np.array(5.0))) == pytest.approx(0.5, abs=0.03)


def test_separable_scores_stay_finite():
    found = fit_calibration(np.array([-1.0, -1, -1, 1, 1]), np.array([0, 0, 0, 1, 1], bool))
    assert np.isfinite([found.scale, found.bias]).all()
    assert 0 < found.probability(np.array(-1.0)) < 0.5 < found.probability(np.array(1.0)) < 1


def test_a_detector_upside_down_is_worth_even_odds():
    logits, truth = draw()
    assert fit_calibration(-logits, truth) == Calibration(0.0, 0.0)


def test_equal_scores_are_worth_even_odds():
    found = fit_calibration(np.full(20, 3.0), np.arange(20) >= 5)
    assert float(found.probability(np.array(3.0))) == pytest.approx(0.5, abs=0.1)


def test_a_missing_class_is_an_error():
    with pytest.raises(UserError, match="real and synthetic"):
        fit_calibration(np.zeros(3), np.ones(3, bool))
    with pytest.raises(UserError, match="no real items"):
        fit_threshold(np.zeros(0), 0.01)


def test_extreme_logits_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        probability = Calibration(5.0, 0.0).probability(np.array([-1e30, 1e30]))
    assert probability.tolist() == pytest.approx([0, 1])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.sampled_from([0.01, 0.05]))
def test_the_threshold_promises_what_the_reals_can_vouch_for(count, target):
    logits = np.random.default_rng(count).permutation(count).astype(float)
    found = fit_threshold(logits, target)
    above_or_at = int((logits >= found.logit).sum())
    assert found.attainable_fpr == pytest.approx(above_or_at / (count + 1))
    attainable = count + 1 >= 1 / target
    assert (found.attainable_fpr <= target + 1e-12) == attainable
    if not attainable:
        assert found.logit == logits.max()


def test_new_reals_exceed_the_threshold_no_more_often_than_promised():
    random = np.random.default_rng(0)
    for target, count in ((0.05, 60), (0.01, 150), (0.01, 30)):
        rates, promised = [], 0.0
        for _ in range(400):
            found = fit_threshold(random.normal(size=count), target)
            rates.append((random.normal(size=500) > found.logit).mean())
            promised = found.attainable_fpr
        assert np.mean(rates) <= promised * 1.15
        assert np.mean(rates) >= promised * 0.7  # conservative, but not for nothing


STRICT, LAX = Threshold(0.01, 2.0, 0.01, 200), Threshold(0.05, 1.0, 0.05, 200)


@pytest.mark.parametrize(
    ("logit", "verdict"),
    [
        (2.1, Verdict.SYNTHETIC),
        (2.0, Verdict.INCONCLUSIVE),
        (1.1, Verdict.INCONCLUSIVE),
        (1.0, Verdict.NO_EVIDENCE),
        (-9.0, Verdict.NO_EVIDENCE),
    ],
)
def test_the_band_between_the_thresholds_is_inconclusive(logit, verdict):
    found = opinion(logit, Calibration(1.0, 0.0), STRICT, LAX)
    assert (found.says, found.applicable) == (verdict, True)
    assert found.reason


def test_what_is_rare_and_yet_more_likely_real_is_not_called_synthetic():
    assert opinion(3.0, Calibration(1.0, -5.0), STRICT, LAX).says is Verdict.INCONCLUSIVE


def test_a_detector_that_knows_nothing_says_nothing():
    """Scale 0 is what calibration gives a detector that is upside down: P = 0.5 for everything."""
    found = opinion(3.0, Calibration(0.0, 0.0), STRICT, LAX)
    assert found.says is Verdict.INCONCLUSIVE
    assert "real is as likely" in found.reason
