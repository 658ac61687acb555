"""The watch over collapse: what it sees, what it does, and that a resumed run does the same."""

import json
import logging

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import FitContext
from provenance.quality import CollapseWatch
from provenance.training import TrainingLoop

REALS = np.stack([item.data for item in scenes(96)])
ALIKE = np.repeat(REALS[:1], 64, 0)
STEPS = 200
AT = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)


class KilledError(Exception):
    """Stands in for a kill."""


def fit(folder, shown, *, stop_at=None, damage=None, **changes):
    """Train a weight upwards while a watch is shown ``shown(step)``; return all three."""
    context = FitContext(**{"workdir": folder, "max_steps": STEPS, **changes})
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
    watch = CollapseWatch(context, REALS, samples=64)
    keep = {"network": network, "optimizer": optimizer, "watch": watch}
    loop = TrainingLoop(context, keep, checkpoint_every_s=1e9, log_every_s=1e9)
    for step in loop:
        if step == stop_at:
            raise KilledError
        optimizer.param_groups[0]["lr"] = watch.gentleness
        optimizer.zero_grad()
        (-network.weight.sum()).backward()
        optimizer.step()
        if step == damage:
            network.weight.data.fill_(float("nan"))
        if watch.is_due(loop.fraction):
            watch.look(loop, shown(step), score_gap=0.5)
    if watch.is_due(loop.fraction):
        watch.look(loop, shown(step))
    return network.weight.item(), watch, loop


def varied(step):
    return REALS[:64]


def collapses_at(start):
    return lambda step: REALS[:64] if step < start else ALIKE


def looks(folder):
    return [json.loads(line) for line in (folder / "train" / "log.jsonl").read_text().splitlines()]


def test_it_looks_once_for_each_check():
    watch = CollapseWatch(FitContext("."), REALS)
    fractions = [i / 100 for i in range(101)]
    assert [f for f in fractions if watch.is_due(f)] == list(AT)
    assert not watch.is_due(1.0)


def test_a_healthy_run_is_logged_and_left_alone(tmp_path, caplog):
    weight, watch, _ = fit(tmp_path, varied)
    found = looks(tmp_path)
    assert [line["collapse"] for line in found] == ["none"] * 7
    assert {line["action"] for line in found} <= {"keep", "none"}
    assert found[0]["score_gap"] == 0.5
    assert found[0]["diversity"] == pytest.approx(1.0, abs=0.1)
    assert found[0]["recall"] > 0.9
    assert watch.gentleness == 1
    assert weight == pytest.approx(STEPS, rel=0.01)
    assert not caplog.records


def test_samples_that_become_all_alike_are_noticed_at_the_next_look(tmp_path, caplog):
    weight, watch, loop = fit(tmp_path, collapses_at(60))
    found = looks(tmp_path)
    assert [line["action"] for line in found[:3]] == ["keep", "none", "roll-back"]
    assert "times as far apart" in found[2]["collapse"]
    assert "goes back to the best state" in caplog.text
    assert all(record.name.startswith("provenance") for record in caplog.records)
