"""A plugin's scores are checked, and what is wrong with one item costs that item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance import Scores
from provenance.detection import abstain, score_items, score_usable
from provenance.detection.scoring import score_files


class Doubles:
    """Scores a number as its double; raises, or breaks the contract, when told to by the item."""

    def __init__(self):
        self.batches = []

    def score(self, batch):
        self.batches.append(len(batch))
        if "raise" in batch:
            raise RuntimeError("cannot")
        values = [0.0 if isinstance(item, str) else 2.0 * item for item in batch]
        if "nan" in batch:
            values[batch.index("nan")] = np.nan
        if "short" in batch:
            values.pop()
        applicable = np.array([item != "abstain" for item in batch], bool)
        reasons = tuple("told to" if item == "abstain" else "" for item in batch)
        return Scores(np.array(values, np.float32), applicable, reasons)


def test_scores_come_back_in_order_over_batches():
    detector = Doubles()
    scores = score_items(detector, [1, 2, 3, 4, 5], batch=2)
    assert scores.logit.tolist() == [2, 4, 6, 8, 10]
    assert detector.batches == [2, 2, 1]


@pytest.mark.parametrize(
    ("bad", "reason"), [("raise", "RuntimeError: cannot"), ("nan", "finite"), ("short", "shape")]
)
def test_a_bad_item_costs_only_itself(bad, reason):
    scores = score_items(Doubles(), [1, bad, 3])
    assert scores.applicable.tolist() == [True, False, True]
    assert scores.logit[[0, 2]].tolist() == [2, 6]
    assert reason in scores.reason[1]


def test_interrupts_are_not_swallowed():
    class Interrupted:
        def score(self, batch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_items(Interrupted(), [1])


def test_windows_of_a_file_are_averaged_without_those_that_abstain():
    scores = score_files(Doubles(), [[1, 2], [3, "abstain"], ["abstain"], [], [4]])
    assert scores.logit.tolist() == [3, 6, 0, 0, 8]
    assert scores.applicable.tolist() == [True, True, False, False, True]
    assert scores.reason[2:4] == ("told to", "has no window to score")


@given(st.lists(st.lists(st.integers(-5, 5), max_size=4), max_size=8))
def test_averages_for_any_windows(files):
    scores = score_files(Doubles(), files)
    assert len(scores.logit) == len(files)
    for file, logit, applies in zip(files, scores.logit, scores.applicable, strict=True):
        assert applies == bool(file)
        assert logit == pytest.approx(2 * np.mean(file) if file else 0)


def test_usable_items_are_scored_and_others_say_why():
    scores = score_usable(
        [1, -1, 3], lambda x: "negative" if x < 0 else "", lambda xs: np.array(xs) * 10.0
    )
    assert scores.logit.tolist() == [10, 0, 30]
    assert scores.reason == ("", "negative", "")
    assert scores.logit.dtype == np.float32


def test_abstaining_on_nothing_is_empty():
    assert abstain([]).logit.shape == (0,)
