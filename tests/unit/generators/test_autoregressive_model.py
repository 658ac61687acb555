"""Tokens, the transformer over them, cached sampling."""

import math

import pytest
import torch

from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.model import (
    FiniteScalarQuantiser,
    Prior,
    Tokenizer,
    draw,
)
from provenance_generators.autoregressive.train import usage


def prior(grid=4, codes=12):
    torch.manual_seed(0)
    made = Prior(codes=codes, grid=grid, embedding=16, layers=2, heads=2, dropout=0.1).eval()
    for weight in made.parameters():  # far from the initial near-uniform distribution
        weight.data += 0.3 * torch.randn_like(weight)
    return made


# --- quantiser ------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(8, 8, 8), (6, 6, 6), (8, 5, 3), (3, 7)])
def test_every_code_is_reached_and_survives_the_round_trip(levels):
    quantiser = FiniteScalarQuantiser(levels)
    codes = torch.arange(math.prod(levels))[:, None]  # N images of one token
    values = quantiser.values(codes)
    assert torch.equal(quantiser.tokens(values), codes)
    assert values.abs().max() <= 1
    ramp = torch.linspace(-9, 9, 2001)
    for digit, count in enumerate(levels):
        z = torch.zeros(2001, len(levels), 1, 1)
        z[:, digit, 0, 0] = ramp
        assert len(quantiser(z)[:, digit].unique()) == count


def test_zero_lies_within_a_level_and_gradients_pass_the_rounding():
    quantiser = FiniteScalarQuantiser((8, 5))
    z = torch.zeros(1, 2, 3, 3, requires_grad=True)
    quantised = quantiser(z)
    quantised.sum().backward()
    assert torch.equal(quantised, quantiser(z + 1e-3))  # not on the edge between two levels
    assert (z.grad > 0.1).all()


def test_tokens_are_in_raster_order():
    quantiser = FiniteScalarQuantiser((4, 4))
    tokens = torch.arange(4)[None]
    assert torch.equal(quantiser.tokens(quantiser.values(tokens)), tokens)
    values = quantiser.values(tokens)
    assert not torch.equal(values[0, :, 0, 1], values[0, :, 1, 0])


@pytest.mark.parametrize("size_px", SPEC.sizes_px)
def test_tokenizer_shapes(size_px):
    tokenizer = Tokenizer(width=8, levels=(4, 4))
    images = torch.zeros(2, 3, size_px, size_px)
    made, tokens = tokenizer(images)
    assert made.shape == images.shape
    assert tokens.shape == (2, (size_px // 4) ** 2)
    torch.testing.assert_close(tokenizer.decode(tokens), made)
    assert torch.equal(tokenizer.encode(images), tokens)


# --- transformer ----------------------------------------------------------------------------------


def test_cached_logits_equal_uncached_ones():
    made = prior()
    tokens = torch.randint(12, (3, 16), generator=torch.Generator().manual_seed(1))
    caches, last = made.caches(3), torch.full((3,), made.start)
    step_by_step = []
    with torch.no_grad():
        for t in range(16):
            step_by_step.append(made.next_logits(last, made._places()[t], caches))
            last = tokens[:, t]
        at_once = made(tokens)
    torch.testing.assert_close(torch.stack(step_by_step, 1), at_once, atol=1e-5, rtol=1e-5)
    assert at_once.std() > 0.1


def test_cached_samples_equal_samples_computed_anew_each_time():
    made, rng = prior(), torch.Generator().manual_seed(2)
    uniform = torch.rand(5, 16, generator=rng)
    slow = torch.zeros(5, 16, dtype=torch.long)
    with torch.no_grad():
        for t in range(16):
            slow[:, t] = draw(made(slow)[:, t], uniform[:, t], temperature=0.9, top_p=0.95)
        everything = torch.ones_like(slow, dtype=torch.bool)
        fast = made.complete(slow * 0, everything, uniform, temperature=0.9, top_p=0.95)
    assert torch.equal(fast, slow)


def test_no_token_sees_itself_or_what_follows():
    made = prior()
    tokens = torch.zeros(1, 16, dtype=torch.long)
    changed = tokens.clone()
    changed[0, 6:] = 5
    with torch.no_grad():
        before, after = made(tokens), made(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


def test_completion_keeps_what_is_not_chosen_and_conditions_on_it():
    made, rng = prior(), torch.Generator().manual_seed(3)
    tokens = torch.randint(12, (4, 16), generator=rng)
    uniform, chosen = torch.rand(4, 16, generator=rng), torch.zeros(4, 16, dtype=torch.bool)
    chosen[:, 9] = True
    with torch.no_grad():
        result = made.complete(tokens, chosen, uniform)
        expected = draw(made(tokens)[:, 9], uniform[:, 9], temperature=1.0, top_p=1.0)
    assert torch.equal(result[~chosen], tokens[~chosen])
    assert torch.equal(result[:, 9], expected)


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.5, 0.3, 0.2, 0.0]).log().expand(20000, 4)
    uniform = torch.rand(20000, generator=torch.Generator().manual_seed(4))
    shares = torch.bincount(draw(logits, uniform, temperature=1.0, top_p=1.0), minlength=4) / 20000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2, 0.0]), atol=0.015, rtol=0)
    cut = torch.bincount(draw(logits, uniform, temperature=1.0, top_p=0.6), minlength=4) / 20000
    torch.testing.assert_close(cut, torch.tensor([0.625, 0.375, 0, 0]), atol=0.015, rtol=0)
    hot = torch.bincount(draw(logits, uniform, temperature=2.0, top_p=1.0), minlength=4) / 20000
    root = torch.tensor([0.5, 0.3, 0.2, 0.0]).sqrt()
    torch.testing.assert_close(hot, root / root.sum(), atol=0.015, rtol=0)


def test_the_ends_of_the_unit_interval_never_draw_an_impossible_code():
    logits = torch.tensor([[-math.inf, 0.0, 0.0, -math.inf]])
    for value in (0.0, 1 - 2**-24):
        assert draw(logits, torch.tensor([value]), temperature=1.0, top_p=1.0) in (1, 2)
    assert draw(torch.tensor([[0.0, 2.0]]), torch.tensor([0.0]), temperature=0.0, top_p=1.0) == 1


def test_usage_of_codes():
    found = usage(torch.tensor([[0, 1, 2, 3]]), 8)
    assert found["codes_used"] == pytest.approx(0.5)
    assert found["code_perplexity"] == pytest.approx(4.0)
