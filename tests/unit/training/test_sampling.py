"""Arguments of samples, their draws, and settings of a family."""

import math

import pytest
import torch

from provenance import UserError
from provenance.training import check_sample_arguments, draw_rows, override_settings


def test_good_arguments_pass():
    check_sample_arguments("gan", 0, None, 0.0, 0.0)
    check_sample_arguments("gan", 5, None, 1.0, 3.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, None, 1.0, 1.0), "gan cannot make -1"),
        ((1, "cat", 1.0, 1.0), "gan knows no classes, so not 'cat'"),
        ((1, None, 1.1, 1.0), "Truncation .* 1.1"),
        ((1, None, math.nan, 1.0), "Truncation"),
        ((1, None, 1.0, -0.1), "Temperature .* -0.1"),
        ((1, None, 1.0, math.inf), "Temperature"),
    ],
)
def test_bad_arguments_are_the_users_to_mend(arguments, words):
    with pytest.raises(UserError, match=words):
        check_sample_arguments("gan", *arguments)


def draw(rng):
    return torch.randn(5, generator=rng)


def test_a_row_depends_on_its_own_seed_alone():
    state = torch.get_rng_state()
    rows = draw_rows(4, 7, draw)
    assert rows.shape == (4, 5)
    assert torch.equal(rows[2:], draw_rows(2, 9, draw))
    assert len(rows.unique(dim=0)) == 4
    assert torch.equal(torch.get_rng_state(), state)


def test_no_rows_have_a_shape_too():
    assert draw_rows(0, 7, draw).shape == (0, 5)


DEFAULTS = {"width": 8, "rate": 0.5, "levels": (8, 8)}


def test_settings_take_the_type_of_their_default():
    assert override_settings("vae", DEFAULTS, {}) == DEFAULTS
    given = {"width": "16", "rate": 1, "levels": [4, 4]}
    made = override_settings("vae", DEFAULTS, given)
    assert made == {"width": 16, "rate": 1.0, "levels": (4, 4)}
    assert [type(value) for value in made.values()] == [int, float, tuple]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"widht": 8}, "vae has no setting 'widht'. Known: width, rate, levels"),
        ({"width": "wide"}, "vae's setting 'width' is 'wide'. Give a value such as 8"),
        ({"width": math.inf}, "'width' is inf"),
        ({"rate": None}, "'rate' is None"),
        ({"levels": 8}, "'levels' is 8"),
    ],
)
def test_settings_that_do_not_exist_or_fit_are_refused(given, words):
    with pytest.raises(UserError, match=words):
        override_settings("vae", DEFAULTS, given)
