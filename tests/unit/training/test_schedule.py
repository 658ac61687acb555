"""What is due in a run, and when."""

import pytest
import torch

from provenance.training import Milestones, set_learning_rate


def rates(*fractions, peak=2.0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=9.0)
    found = []
    for fraction in fractions:
        set_learning_rate(optimizer, peak, fraction)
        found.append(optimizer.param_groups[0]["lr"] / peak)
    return found


def test_the_rate_rises_to_its_peak_and_falls_to_a_fiftieth():
    assert rates(0.0, 0.015, 0.03, 0.515, 1.0) == pytest.approx([0.05, 0.5, 1.0, 0.51, 0.02])
    falling = rates(*(0.03 + i / 20 for i in range(20)))
    assert falling == sorted(falling, reverse=True)


def test_every_group_has_the_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [w], "lr": 1.0} for w in weights])
    set_learning_rate(optimizer, 0.5, 1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.01]


def test_milestones_speak_once_and_not_again_after_a_resumption():
    milestones = Milestones([0.25, 0.5], 0.3)
    assert [milestones.passed(f) for f in (0.4, 0.5, 0.6)] == [False, True, False]


def test_milestones_passed_together_speak_once():
    milestones = Milestones([0.1, 0.2, 0.9], 0.0)
    assert [milestones.passed(f) for f in (0.5, 0.6, 1.0)] == [True, False, True]
