"""The transformer over tokens, cached sampling, how a token is drawn, places of a mask."""

import math

import numpy as np
import pytest
import torch

from provenance import UserError
from provenance_generators.autoregressive.drawing import Sampling, draw
from provenance_generators.autoregressive.model import Prior
from provenance_generators.autoregressive.places import choose_places
from provenance_generators.autoregressive.settings import choose_factor
from provenance_generators.tokenizers import FSQ

CODES, GRID, CLASSES = 12, 4, 3
LENGTH = GRID**2


def prior():
    torch.manual_seed(0)
    made = Prior(
        FSQ((4, 3)).features(),
        classes=CLASSES, grid=GRID, width=16, layers=2, heads=2, dropout=0.1,
    ).eval()  # fmt: skip
    for weight in made.parameters():  # far from the initial near-uniform distribution
        weight.data += 0.3 * torch.randn_like(weight)
    return made


def sequences(n, seed):
    rng = torch.Generator().manual_seed(seed)
    tokens = torch.randint(CODES, (n, LENGTH), generator=rng)
    classes = torch.randint(CLASSES + 1, (n,), generator=rng)
    return tokens, classes, torch.rand(n, LENGTH, generator=rng)


# --- transformer ----------------------------------------------------------------------------------


@torch.no_grad()
def test_cached_logits_equal_uncached_ones():
    made = prior()
    tokens, classes, _ = sequences(3, 1)
    ready = made._prepare(classes)
    x, step_by_step = ready.begin, []
    for t in range(LENGTH):
        step_by_step.append(made._next(x, t, ready))
        x = ready.vectors[tokens[:, t]]
    at_once = made(tokens, classes)
    torch.testing.assert_close(torch.stack(step_by_step, 1), at_once, atol=1e-5, rtol=1e-5)
    assert at_once.std() > 0.1


@pytest.mark.parametrize("guidance", [1.0, 1.7])
@torch.no_grad()
def test_cached_samples_equal_samples_computed_anew_each_time(guidance):
    made = prior()
    _, classes, uniform = sequences(5, 2)
    sampling = Sampling(temperature=0.9, top_p=0.95, top_k=9, guidance=guidance)
    slow = torch.zeros(5, LENGTH, dtype=torch.long)
    for t in range(LENGTH):
        logits = made(slow, classes)[:, t]
        plain = made(slow, torch.full_like(classes, CLASSES))[:, t]
        logits = plain + guidance * (logits - plain)
        slow[:, t] = draw(logits, uniform[:, t].double(), sampling)
    fast = made.complete(slow * 0, torch.ones_like(slow).bool(), uniform, classes, sampling)
    assert torch.equal(fast, slow)


@torch.no_grad()
def test_no_token_sees_itself_or_what_follows_and_all_see_the_class():
    made = prior()
    tokens, classes = torch.zeros(1, LENGTH, dtype=torch.long), torch.tensor([0])
    changed = tokens.clone()
    changed[0, 6:] = 5
    before, after = made(tokens, classes), made(changed, classes)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])
    other = made(tokens, classes + 1)
    assert ((before - other).abs().amax(2) > 1e-3).all()


@torch.no_grad()
def test_a_prefix_gives_the_logits_of_its_positions():
    made = prior()
    tokens, classes, _ = sequences(2, 5)
    torch.testing.assert_close(made(tokens[:, :6], classes), made(tokens, classes)[:, :6])


@torch.no_grad()
def test_completion_keeps_what_is_not_chosen_and_conditions_on_it():
    made = prior()
    tokens, classes, uniform = sequences(4, 3)
    chosen = torch.zeros(4, LENGTH, dtype=torch.bool)
    chosen[:, 9] = True
    result = made.complete(tokens, chosen, uniform, classes)
    expected = draw(made(tokens, classes)[:, 9], uniform[:, 9].double(), Sampling())
    assert torch.equal(result[~chosen], tokens[~chosen])
    assert torch.equal(result[:, 9], expected)


def test_codes_that_look_alike_share_what_they_learn():
    codes = prior().token
    codes.own.weight.data.zero_()
    vectors = codes()
    near, far = (vectors[0] - vectors[1]).norm(), (vectors[0] - vectors[5]).norm()
    assert vectors.shape == (CODES, 16)
    assert 0 < near < far  # codes 0 and 1 differ in one digit, 0 and 5 in both


# --- drawing --------------------------------------------------------------------------------------

P = torch.tensor([0.5, 0.3, 0.2, 0.0])


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), P),
        (Sampling(top_p=0.6), torch.tensor([0.625, 0.375, 0, 0])),
        (Sampling(top_k=1), torch.tensor([1.0, 0, 0, 0])),
        (Sampling(top_k=2), torch.tensor([0.625, 0.375, 0, 0])),
        (Sampling(top_k=100), P),
        (Sampling(top_k=2, top_p=0.6), torch.tensor([1.0, 0, 0, 0])),
        (Sampling(temperature=2.0), P.sqrt() / P.sqrt().sum()),
        (Sampling(temperature=0.0), torch.tensor([1.0, 0, 0, 0])),
    ],
)
def test_draws_follow_the_distribution(sampling, expected):
    rng = torch.Generator().manual_seed(4)
    uniform = torch.rand(20000, generator=rng, dtype=torch.float64)
    drawn = draw(P.log().expand(20000, 4), uniform, sampling)
    shares = torch.bincount(drawn, minlength=4) / 20000
    torch.testing.assert_close(shares, expected, atol=0.015, rtol=0)


def test_the_ends_of_the_unit_interval_never_draw_an_impossible_code():
    logits = torch.tensor([[-math.inf, 0.0, 0.0, -math.inf]])
    for value in (0.0, 1 - 2**-24):
        assert draw(logits, torch.tensor([value]).double(), Sampling()) in (1, 2)


# --- places ---------------------------------------------------------------------------------------


def mask(n=3, size_px=32):
    made = np.zeros((n, size_px, size_px), bool)
    made[:, 5:9, 10:20] = True  # touches rows 1, 2 and columns 2, 3, 4 of a grid of 8 x 8
    return made


def test_tokens_that_the_mask_touches_are_chosen():
    chosen = choose_places(3, 1.0, 0, 32, 4, mask()).view(3, 8, 8)
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:3, 2:5] = True
    assert all(torch.equal(one, expected) for one in chosen)


def test_a_share_of_the_touched_tokens_depends_on_the_row_s_seed_alone():
    half = choose_places(3, 0.5, 7, 32, 4, mask())
    assert half.sum(1).tolist() == [3, 3, 3]
    everything = choose_places(3, 1.0, 7, 32, 4, mask())
    assert (everything | ~half).all()
    assert torch.equal(half[2], choose_places(1, 0.5, 9, 32, 4, mask(1))[0])
    assert not torch.equal(half[0], half[1])
    assert choose_places(3, 0.5, 7, 32, 4, None).sum(1).tolist() == [32, 32, 32]
    assert choose_places(3, 1.0, 7, 32, 4, ~mask() & mask()).sum() == 0


@pytest.mark.parametrize(
    "wrong", [mask(2), mask(3, 16), mask().astype(np.uint8), mask()[..., None]]
)
def test_masks_of_another_shape_or_type_are_refused(wrong):
    with pytest.raises(UserError, match="mask"):
        choose_places(3, 1.0, 0, 32, 4, wrong)


@pytest.mark.parametrize(
    ("size_px", "most", "factor"),
    [(32, 256, 4), (64, 256, 4), (128, 256, 8), (256, 256, 16), (256, 1024, 8), (128, 1024, 8)],
)
def test_tokens_an_image(size_px, most, factor):
    assert choose_factor(size_px, most) == factor
