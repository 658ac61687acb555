"""Our metrics are those of scikit-learn and torchmetrics; intervals cover what they should."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torchmetrics.classification import BinaryCalibrationError, BinaryROC

from provenance.detection import METRICS, Calibration, summarise

SAME = Calibration(1.0, 0.0)


def draw(seed, real=60, synthetic=180, shift=1.0, decimals=1):
    """Scores with many ties."""
    random = np.random.default_rng(seed)
    logits = np.concatenate([random.normal(0, 1, real), random.normal(shift, 1, synthetic)])
    truth = np.arange(real + synthetic) >= real
    return logits.round(decimals), truth


def values(logits, truth, *, calibration=SAME, threshold=0.0, **options):
    clusters = [str(i) for i in range(len(logits))]
    options = {"replicates": 20} | options
    return summarise(
        logits, truth, clusters, calibration=calibration, threshold_logit=threshold, **options
    )


@pytest.mark.parametrize("seed", range(4))
def test_ranking_metrics_agree_with_scikit_learn(seed):
    logits, truth = draw(seed)
    found = values(logits, truth)
    assert found["auroc"].value == pytest.approx(reference.roc_auc_score(truth, logits))
    expected = reference.average_precision_score(truth, logits)
    assert found["average_precision"].value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_rates_agree_with_scikit_learn(seed):
    logits, truth = draw(seed)
    found = values(logits, truth, threshold=0.3)
    expected = reference.balanced_accuracy_score(truth, logits > 0.3)
    assert found["balanced_accuracy"].value == pytest.approx(expected)
    false_rate, true_rate, _ = reference.roc_curve(truth, logits, drop_intermediate=False)
    for name, level in (("tpr_at_1pct_fpr", 0.01), ("tpr_at_5pct_fpr", 0.05)):
        assert found[name].value == pytest.approx(true_rate[false_rate <= level].max())
    assert found["fpr_at_threshold"].value == pytest.approx(np.mean(logits[~truth] > 0.3))


def test_rates_agree_with_torchmetrics():
    logits, truth = draw(5)
    found = values(logits, truth)
    false_rate, true_rate, _ = BinaryROC()(torch.tensor(logits), torch.tensor(truth.astype(int)))
    expected = true_rate[false_rate <= 0.05].max()
    assert found["tpr_at_5pct_fpr"].value == pytest.approx(float(expected), abs=1e-6)


def test_calibration_error_agrees_with_torchmetrics_on_equal_classes():
    logits, truth = draw(6, real=200, synthetic=200, decimals=5)
    expected = BinaryCalibrationError(n_bins=15, norm="l1")(
        torch.sigmoid(torch.tensor(logits)), torch.tensor(truth.astype(int))
    )
    assert values(logits, truth)["ece"].value == pytest.approx(float(expected), abs=1e-6)


def test_calibration_error_does_not_depend_on_the_class_balance():
    logits, truth = draw(7)
    more = np.concatenate([logits, np.repeat(logits[truth], 5)])
    longer = np.concatenate([truth, np.ones(5 * truth.sum(), bool)])
    few, many = values(logits, truth)["ece"].value, values(more, longer)["ece"].value
    assert few == pytest.approx(many)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
        lambda items: 0 < sum(truth for _, truth in items) < len(items)
    )
)
def test_any_ties_agree_with_scikit_learn(items):
    logits = np.array([score for score, _ in items], float)
    truth = np.array([truth for _, truth in items])
    found = values(logits, truth, replicates=5)
    assert found["auroc"].value == pytest.approx(reference.roc_auc_score(truth, logits))
    expected = reference.average_precision_score(truth, logits)
    assert found["average_precision"].value == pytest.approx(expected)
    for estimate in found.values():
        assert 0 <= estimate.low <= estimate.high <= 1


def test_one_class_alone_is_undefined_not_wrong():
    logits = np.array([0.1, 0.2])
    for truth in (np.zeros(2, bool), np.ones(2, bool)):
        estimates = values(logits, truth).items()
        found = {name for name, estimate in estimates if estimate.value is not None}
        assert found == ({"fpr_at_threshold"} if not truth.any() else set())


def test_no_items_are_undefined():
    found = values(np.zeros(0), np.zeros(0, bool))
    assert set(found) == set(METRICS)
    assert all(estimate.value is None for estimate in found.values())


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """AUROC of two unit normals one apart is Phi(1 / sqrt 2) = 0.7602."""
    covered = 0
    for seed in range(100):
        logits, truth = draw(seed, real=50, synthetic=100, decimals=6)
        interval = values(logits, truth, replicates=300, seed=seed)["auroc"]
        covered += interval.low <= 0.7602 <= interval.high
    assert covered >= 88  # 95 in expectation; below 88 with probability 0.2 %


def test_clusters_are_drawn_whole():
    """Ten copies of each item are no new knowledge: the interval must not shrink."""
    logits, truth = draw(3, real=30, synthetic=30)
    clusters = [str(i) for i in range(60)]
    options = {"calibration": SAME, "threshold_logit": 0.0, "replicates": 500}
    plain = summarise(logits, truth, clusters, **options)["auroc"]
    copies = summarise(np.tile(logits, 10), np.tile(truth, 10), clusters * 10, **options)["auroc"]
    naive = values(np.tile(logits, 10), np.tile(truth, 10), replicates=500)["auroc"]
    width, copied, shrunk = (e.high - e.low for e in (plain, copies, naive))
    assert copied == pytest.approx(width, rel=0.15)
    assert shrunk < 0.5 * width


def test_equal_seeds_give_equal_intervals():
    logits, truth = draw(2)
    first = values(logits, truth, replicates=50)
    assert first == values(logits, truth, replicates=50)
    assert first != values(logits, truth, replicates=50, seed=1)


def test_a_thousand_resamples_of_two_thousand_items_take_seconds():
    logits, truth = draw(1, real=300, synthetic=1700, decimals=6)
    start = time.process_time()
    values(logits, truth, replicates=1000)
    assert time.process_time() - start < 5
