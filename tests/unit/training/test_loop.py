"""The loop ends when its budget does, and goes on where a killed run stood."""

import json

import pytest
import torch

from provenance import FitContext
from provenance.training import EMA, Precision, TrainingLoop, seed_everything


class KilledError(Exception):
    """Stands in for a kill."""


def fit(context, *, stop_at=None, checkpoint_every_s=0.0):
    """A small regression; returns the weights and the losses that this run saw."""
    seed_everything(context.seed)
    network = torch.nn.Linear(3, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    ema = EMA(network)
    keep = {"network": network, "optimizer": optimizer, "ema": ema}
    loop = TrainingLoop(context, keep, checkpoint_every_s=checkpoint_every_s, log_every_s=0.0)
    losses = []
    for step in loop:
        if step == stop_at:
            raise KilledError
        batch = torch.randn(8, 3)
        loss = (network(batch) - batch.sum(1, keepdim=True)).square().mean()
        Precision(context.device).step(loss, optimizer)
        ema.update(network)
        loop.log(loss=loss)
        losses.append(loss.item())
    return network.weight.detach().clone(), losses, loop


def test_equal_seeds_and_steps_give_equal_weights(tmp_path):
    first, losses, _ = fit(FitContext(tmp_path / "a", seed=3, max_steps=20))
    second, _, _ = fit(FitContext(tmp_path / "b", seed=3, max_steps=20))
    other, _, _ = fit(FitContext(tmp_path / "c", seed=4, max_steps=20))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert losses[-1] < losses[0]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole, _, _ = fit(FitContext(tmp_path / "whole", max_steps=20))
    with pytest.raises(KilledError):
        fit(FitContext(tmp_path / "cut", max_steps=20), stop_at=11)
    resumed, losses, _ = fit(FitContext(tmp_path / "cut", max_steps=20, resume=True))
    assert len(losses) == 9
    assert torch.equal(whole, resumed)


def test_without_resume_an_old_checkpoint_is_not_used(tmp_path):
    fit(FitContext(tmp_path, max_steps=5))
    _, losses, _ = fit(FitContext(tmp_path, max_steps=5))
    assert len(losses) == 5


def test_a_finished_run_does_nothing_more(tmp_path):
    before, _, _ = fit(FitContext(tmp_path, max_steps=5))
    after, losses, loop = fit(FitContext(tmp_path, max_steps=5, resume=True))
    assert losses == []
    assert loop.fraction == 1.0
    assert torch.equal(before, after)


def test_time_spent_counts_after_resumption(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("provenance.training.loop.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(KilledError):
        fit(FitContext(tmp_path, budget_s=10), stop_at=6)
    _, losses, loop = fit(FitContext(tmp_path, budget_s=10, resume=True))
    assert 1 <= len(losses) <= 5
    assert loop.elapsed_s >= 10


def test_a_share_of_the_budget(tmp_path):
    seen = []
    context = FitContext(tmp_path, max_steps=10, progress=lambda f, text: seen.append((f, text)))
    network = torch.nn.Linear(1, 1)
    loop = TrainingLoop(context, {"network": network}, name="prior", share=0.3, log_every_s=0.0)
    for _ in loop:
        loop.log(loss=1.0)
    assert loop.step == 3
    assert seen[-1] == (1.0, "prior step 3 loss 1")


def test_the_log_has_averages_and_no_torn_line(tmp_path):
    with pytest.raises(KilledError):
        fit(FitContext(tmp_path, max_steps=20), stop_at=11)
    log = tmp_path / "train" / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 12, "lo')  # killed while writing
    fit(FitContext(tmp_path, max_steps=20, resume=True))
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps[-1] == 20
    assert 12 in steps


def test_the_last_line_describes_the_network(tmp_path):
    _, _, loop = fit(FitContext(tmp_path, max_steps=3))
    loop.conclude(error=torch.tensor(0.5), units=7)
    last = json.loads((tmp_path / "train" / "log.jsonl").read_text().splitlines()[-1])
    assert last["elapsed_s"] == pytest.approx(loop.elapsed_s, abs=0.01)
    assert {name: last[name] for name in ("step", "error", "units")} == {
        "step": 3, "error": 0.5, "units": 7
    }  # fmt: skip


def test_the_average_trails_the_network():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 0.0)
    ema = EMA(network, decay=0.9, warmup=1)
    torch.nn.init.constant_(network.weight, 1.0)
    ema.update(network)
    assert ema.network.weight.item() == pytest.approx(0.1)
    ema.update(network)
    assert ema.network.weight.item() == pytest.approx(0.19)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_mixed_precision_and_memory_format_on_a_gpu(tmp_path):
    precision = Precision("cuda")
    network = precision.place(torch.nn.Conv2d(3, 8, 3))
    images = precision.images(torch.randn(2, 3, 16, 16))
    assert images.is_contiguous(memory_format=torch.channels_last)
    with precision.autocast():
        result = network(images)
    assert result.dtype in (torch.bfloat16, torch.float16)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before = network.weight.detach().clone()
    precision.step(result.float().square().mean(), optimizer, clip_norm=1.0)
    assert not torch.equal(before, network.weight)
