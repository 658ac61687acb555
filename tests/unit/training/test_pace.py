"""How long a run still takes, in words."""

import pytest

from provenance import FitContext
from provenance.training import TrainingLoop
from provenance.training.pace import Pace, duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr("provenance.training.pace.time.perf_counter", lambda: now[0])
    return now


def test_time_left_and_rate_are_those_of_this_process(clock):
    pace = Pace(step=100, fraction=0.4)
    clock[0] += 20
    assert pace.describe(340, 0.6) == " (40 s left, 12 steps/s)"


def test_nothing_is_guessed_at_the_start_and_nothing_left_at_the_end(clock):
    pace = Pace(step=0, fraction=0.0)
    clock[0] += 0.1
    assert pace.describe(3, 0.01) == ""
    clock[0] += 50
    assert pace.describe(0, 0.0) == ""
    assert pace.describe(300, 1.0) == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(34.4, "34 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_progress_tells_step_time_left_and_rate(tmp_path, clock):
    said = []
    context = FitContext(tmp_path, max_steps=4, progress=lambda f, words: said.append((f, words)))
    loop = TrainingLoop(context, {}, log_every_s=0.0)
    for _ in loop:
        clock[0] += 2
        loop.log(loss=1.5)
    assert said[0] == (0.25, "train step 1 (6 s left, 0.5 steps/s) loss 1.5")
    assert said[-1] == (1.0, "train step 4 loss 1.5")
