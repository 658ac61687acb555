"""Samples a second with keys and values cached, against the same transformer without."""

import json
import os
import time

import pytest
import torch

from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.drawing import Sampling, draw
from provenance_generators.autoregressive.model import Prior
from provenance_generators.tokenizers import FSQ

pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="a speed is measured alone: make bench"
)
BATCHES = {32: 128, 64: 32}  # the generator draws 128 together; more only widens the gap
LEAST = 10.0  # times as fast


def build(grid):
    torch.manual_seed(0)
    names = {"width": "embedding", "layers": "layers", "heads": "heads"}
    shape = {name: SPEC.options[option] for name, option in names.items()}
    features = FSQ(SPEC.options["levels"]).features()
    return Prior(features, classes=10, grid=grid, dropout=0.0, **shape).eval()


def without_cache(prior, uniform, classes):
    """Draw as the equation says: for each token a forward pass over all that stand before it."""
    tokens = torch.zeros(uniform.shape, dtype=torch.long)
    for t in range(prior.length):
        logits = prior(tokens[:, : t + 1], classes)[:, t]
        tokens[:, t] = draw(logits, uniform[:, t].double(), Sampling())
    return tokens


def with_cache(prior, uniform, classes):
    nothing = torch.zeros(uniform.shape, dtype=torch.long)
    return prior.complete(nothing, torch.ones_like(nothing).bool(), uniform, classes)


def timed(function, repeats):
    """Return the result, and the least CPU time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(1000 * (time.process_time() - start))
    return result, min(times)


@pytest.mark.parametrize(("size_px", "repeats"), [(32, 3), (64, 1)])
@torch.no_grad()
def test_speed_up_by_the_cache(size_px, repeats, capsys):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    prior, batch = build(size_px // 4), BATCHES[size_px]
    rng = torch.Generator().manual_seed(1)
    uniform = torch.rand(batch, prior.length, generator=rng)
    classes = torch.randint(10, (batch,), generator=rng)
    with_cache(prior, uniform, classes)  # first calls set things up
    fast, fast_ms = timed(lambda: with_cache(prior, uniform, classes), repeats + 1)
    slow, slow_ms = timed(lambda: without_cache(prior, uniform, classes), repeats)
    torch.set_num_threads(threads)
    result = {
        "benchmark": "autoregressive cache",
        "size_px": size_px,
        "tokens": prior.length,
        "ms_a_sample": round(fast_ms / batch, 3),
        "ms_a_sample_without": round(slow_ms / batch, 3),
        "ratio": round(slow_ms / fast_ms, 1),
    }
    with capsys.disabled():
        print(json.dumps(result))  # noqa: T201 - the result of a benchmark
    assert (fast == slow).float().mean() > 0.999  # rounding may tip a draw, and what follows it
    assert result["ratio"] >= LEAST
