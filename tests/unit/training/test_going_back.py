"""A loop that goes back to the best state it kept, ends when told, and resumes in between."""

import json

import pytest
import torch

from provenance import FitContext
from provenance.training import EMA, Precision, TrainingLoop, derive_rng, seed_everything
from provenance.training.checkpoints import Checkpoints


class KilledError(Exception):
    """Stands in for a kill."""


class Memory:
    """Counts what happened, and does not forget it when the run goes back."""

    outlives_rollback = True

    def __init__(self):
        self.events = []

    def state_dict(self):
        return {"events": self.events}

    def load_state_dict(self, state):
        self.events = list(state["events"])


def fit(context, plan, *, stop_at=None, **settings):
    """Train a small network; ``plan`` says what happens after which step."""
    seed_everything(context.seed)
    network = torch.nn.Linear(3, 1)
    optimizer = Precision(context.device).optimizer(torch.optim.Adam, network.parameters(), lr=0.1)
    ema, memory = EMA(network), Memory()
    keep = {"network": network, "optimizer": optimizer, "ema": ema, "memory": memory}
    loop = TrainingLoop(context, keep, **{"log_every_s": 0.0, **settings})
    for step in loop:
        batch = torch.randn(8, 3, generator=derive_rng(context.seed, "batch", step))
        loss = (network(batch) - batch.sum(1, keepdim=True)).square().mean()
        Precision(context.device).step(loss, optimizer)
        ema.update(network)
        loop.log(loss=loss)
        if step in plan:
            memory.events.append(step)
            getattr(loop, plan[step])()
        if step == stop_at:
            raise KilledError
    return network, optimizer, memory, loop


def tensors(path):
    return [
        tensor
        for name, state in sorted(torch.load(path, weights_only=True)["keep"].items())
        for tensor in flat(state)
    ]


def flat(state):
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list):
        for value in state.values() if isinstance(state, dict) else state:
            yield from flat(value)


def equal(one, other):
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_going_back_restores_weights_and_moments_but_not_time_and_memory(tmp_path):
    seen = {}

    class Noting(dict):
        def __contains__(self, step):
            seen[step] = True
            return super().__contains__(step)

    kept, optimizer, _, _ = fit(FitContext(tmp_path / "short", max_steps=5), {})
    plan = Noting({4: "keep_best", 9: "restore_best"})
    back, restored, memory, loop = fit(FitContext(tmp_path / "long", max_steps=10), plan)
    assert torch.equal(kept.weight, back.weight)
    for name, value in optimizer.state_dict()["state"][0].items():
        assert torch.equal(value, restored.state_dict()["state"][0][name])
    assert (loop.step, memory.events, len(seen)) == (10, [4, 9], 10)


def test_a_loop_that_can_go_back_keeps_its_first_state(tmp_path):
    seed_everything(0)
    fresh = torch.nn.Linear(3, 1)
    network, *_ = fit(FitContext(tmp_path, max_steps=6), {5: "restore_best"})
    assert torch.equal(fresh.weight, network.weight)


def test_where_nothing_was_kept_nothing_changes(tmp_path):
    network = torch.nn.Linear(1, 1)
    loop = TrainingLoop(FitContext(tmp_path, max_steps=2), {"network": network})
    before = network.weight.detach().clone()
    assert [loop.restore_best() for _ in loop] == [False, False]
    assert torch.equal(before, network.weight)
    assert not (tmp_path / "train" / "best.pt").exists()


def test_a_stopped_run_stays_ended(tmp_path):
    _, _, _, loop = fit(FitContext(tmp_path, max_steps=20), {7: "stop"})
    assert loop.step == 8
    _, _, memory, again = fit(FitContext(tmp_path, max_steps=20, resume=True), {})
    assert (again.step, memory.events) == (8, [7])


PLAN = {5: "keep_best", 8: "restore_best", 11: "keep_best", 14: "restore_best"}


@pytest.mark.parametrize("killed_at", [4, 5, 7, 8, 11, 13, 14, 17])
@pytest.mark.parametrize("every_s", [0.0, 1e9])
def test_a_run_killed_anywhere_ends_as_an_undisturbed_one(tmp_path, killed_at, every_s):
    settings = {"checkpoint_every_s": every_s}
    whole, *_ = fit(FitContext(tmp_path / "whole", max_steps=20), PLAN)
    cut = FitContext(tmp_path / "cut", max_steps=20, resume=True)
    for _ in range(2):  # the second comes from an older checkpoint than the best state, perhaps
        with pytest.raises(KilledError):
            fit(cut, PLAN, stop_at=killed_at, **settings)
    resumed, _, memory, _ = fit(cut, PLAN, **settings)
    assert torch.equal(whole.weight, resumed.weight)
    assert memory.events == list(PLAN)
    for name in ("best.pt", "checkpoint.pt"):
        files = [tensors(tmp_path / run / "train" / name) for run in ("whole", "cut")]
        assert equal(*files), name
    lines = (tmp_path / "cut" / "train" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 21))  # none twice


def test_the_best_state_of_a_checkpoint_outlives_its_successor(tmp_path):
    files = Checkpoints(tmp_path, "cpu")
    files.write_best({"step": 3, "keep": {}})
    files.write({"step": 4, "best_step": 3})
    for _ in range(2):  # a run from that checkpoint is killed twice after it has kept another
        files.write_best({"step": 9, "keep": {}})
        files = Checkpoints(tmp_path, "cpu")
        assert files.read()["best_step"] == 3
        assert files.read_best(3)["step"] == 3
    files.write_best({"step": 9, "keep": {}})
    files.write({"step": 10, "best_step": 9})
    assert files.read_best(9)["step"] == 9
    assert files.read_best(None) is None


def test_a_fresh_run_takes_nothing_from_an_older_one(tmp_path):
    fit(FitContext(tmp_path, max_steps=5), {3: "keep_best"})
    with pytest.raises(KilledError):
        fit(FitContext(tmp_path, max_steps=5), {}, stop_at=0, checkpoint_every_s=1e9)
    _, _, memory, _ = fit(FitContext(tmp_path, max_steps=5, resume=True), {})
    assert memory.events == []


def test_numbers_that_are_none_are_found_wherever_they_are_kept(tmp_path):
    network = torch.nn.Linear(2, 1)
    ema = EMA(network)
    loop = TrainingLoop(FitContext(tmp_path, max_steps=1), {"network": network, "ema": ema})
    assert loop.is_finite()
    ema.network.weight[0, 1] = float("inf")
    assert not loop.is_finite()


def test_a_budget_of_cpu_time(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("provenance.training.loop.time.process_time", lambda: float(next(clock)))
    context = FitContext(tmp_path, budget_s=10, budget_clock="cpu", resume=True)
    with pytest.raises(KilledError):
        fit(context, {}, stop_at=6, checkpoint_every_s=0.0)
    _, _, _, loop = fit(context, {}, checkpoint_every_s=0.0)
    assert loop.elapsed_s == 10
    assert 10 <= loop.step <= 12  # seconds before the kill count


def test_a_note_holds_words_and_the_number_of_steps_taken(tmp_path):
    loop = TrainingLoop(FitContext(tmp_path, max_steps=2), {"network": torch.nn.Linear(1, 1)})
    for step in loop:
        if step == 0:
            loop.note(action="keep", recall=0.5)
    line = json.loads((tmp_path / "train" / "log.jsonl").read_text())
    assert (line["step"], line["action"], line["recall"]) == (1, "keep", 0.5)
