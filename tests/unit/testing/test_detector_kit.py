"""The conformance kit finds each broken promise, and nothing in a good detector."""

import random
from dataclasses import replace

import numpy as np
import pytest
from example_detector import SPEC, Example, problem

from provenance import Scores
from provenance.testing import check_detector, tiny_items
from provenance.testing.detector_promises import CHECKS
from provenance.training import save_weights


class Negative(Example):
    def score(self, batch):
        scores = super().score(batch)
        return replace(scores, logit=-scores.logit)


class NotFinite(Example):
    def logits(self, usable):
        values = super().logits(usable)
        values[0] = np.nan
        return values


class OneTooMany(Example):
    def score(self, batch):
        scores = super().score(batch)
        return replace(scores, reason=(*scores.reason, ""))


class NoReason(Example):
    def score(self, batch):
        scores = super().score(batch)
        return replace(scores, reason=("",) * len(batch))


class BatchNormalised(Example):
    def logits(self, usable):
        values = super().logits(usable)
        return values - values.mean() + values.std()


class DependsOnOrder(Example):
    def logits(self, usable):
        return super().logits(usable) + 0.1 * np.arange(len(usable))


class Random(Example):
    def logits(self, usable):
        return super().logits(usable) + np.random.default_rng().normal(size=len(usable))


class WritesIntoInput(Example):
    def logits(self, usable):
        values = super().logits(usable)
        for window in usable:
            window[0, 0] = 0
        return values


class DiesOfOddItems(Example):
    def score(self, batch):
        if any(problem(item) for item in batch):
            raise ValueError("odd")
        return super().score(batch)


class DiesOfNothing(Example):
    def score(self, batch):
        return super().score(batch) if len(batch) else max(batch)


class Prints(Example):
    def score(self, batch):
        print("scoring")  # noqa: T201
        return super().score(batch)


class SeedsGlobally(Example):
    def score(self, batch):
        random.seed(0)
        return super().score(batch)


class SeedsTorch(Example):
    def load(self, folder, device):
        import torch

        torch.manual_seed(0)
        super().load(folder, device)


class SetsThreads(Example):
    def score(self, batch):
        import torch

        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().score(batch)


class LoadsAnything(Example):
    def load(self, folder, device):
        try:
            super().load(folder, device)
        except Exception:  # noqa: BLE001 - this is the fault
            self.arrays = {"mean": np.zeros(1), "std": np.ones(1)}


class SavesCode(Example):
    def save(self, folder):
        super().save(folder)
        (folder / "extra.pkl").write_bytes(b"")


class SavesRounded(Example):
    def save(self, folder):
        save_weights(folder, {k: np.round(v * 0.9, 1) for k, v in self.arrays.items()}, {})


class ScoresUntrained(Example):
    def score(self, batch):
        if not self.arrays:
            return Scores(
                np.zeros(len(batch), np.float32), np.ones(len(batch), bool), ("",) * len(batch)
            )
        return super().score(batch)


class CannotResume(Example):
    def fit(self, train, validation, context):
        if context.resume:
            raise FileNotFoundError("no checkpoint")
        super().fit(train, validation, context)


WRONG = {
    Negative: {"higher_means_synthetic"},
    NotFinite: {"one_score_per_item"},
    OneTooMany: {"one_score_per_item", "an_empty_batch_is_no_error"},
    NoReason: {"odd_items_do_not_crash"},
    BatchNormalised: {"batches_do_not_matter"},
    DependsOnOrder: {"order_does_not_matter", "batches_do_not_matter"},
    Random: {"scores_repeat"},
    WritesIntoInput: {"input_is_not_modified"},
    DiesOfOddItems: {"odd_items_do_not_crash"},
    DiesOfNothing: {"an_empty_batch_is_no_error"},
    Prints: {"stdout_is_quiet"},
    SeedsGlobally: {"global_random_state_is_untouched"},
    SeedsTorch: {"global_random_state_is_untouched"},
    SetsThreads: {"torch_settings_are_untouched"},
    LoadsAnything: {"untrained_does_not_score", "damaged_weights_are_refused"},
    SavesCode: {"artefact_holds_no_code"},
    SavesRounded: {"saved_is_what_was_trained"},
    ScoresUntrained: {"untrained_does_not_score"},
    CannotResume: {"training_resumes"},
}


@pytest.fixture
def _threads():
    torch = pytest.importorskip("torch")
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def failures(factory, spec=SPEC, **options):
    results = check_detector(factory, spec, on_fail="collect", **options)
    assert [result.name for result in results] == list(CHECKS)
    return {result.name for result in results if result.status == "failed"}


def test_a_good_detector_passes():
    assert failures(Example, module="json") == set()


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_broken_promise_is_found(wrong):
    assert WRONG[wrong] <= failures(wrong)


def test_a_spec_without_media_kinds_is_found():
    assert failures(Example, replace(SPEC, kinds=frozenset()), items=tiny_items(60)) == {
        "spec_is_complete"
    }
