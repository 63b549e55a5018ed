import itertools

import numpy as np
import pytest

from wiseft_jax.backgrounds import background_gap, image_categories
from wiseft_jax.backgrounds.measures import CATEGORIES
from wiseft_jax.core.errors import InputError


def test_the_published_gaps():
    assert background_gap(0.823, 0.763) == pytest.approx(0.060)
    assert background_gap(0.899, 0.756) == pytest.approx(0.143)


def test_it_may_be_negative_and_takes_arrays():
    gaps = background_gap(np.asarray([0.5, 0.7]), np.asarray([0.6, 0.7]))
    assert np.allclose(gaps, [-0.1, 0.0])


@pytest.mark.parametrize(
    "given", [87.3, -0.1, np.nan, np.asarray([0.5, 1.2]), np.asarray([np.nan, 1.0])]
)
def test_what_is_no_fraction_is_refused(given: object):
    with pytest.raises(InputError, match=r"acc_same: expected fractions in \[0, 1\]"):
        background_gap(given, 0.5)
    with pytest.raises(InputError, match=r"acc_rand: expected fractions in \[0, 1\]"):
        background_gap(0.5, given)


def test_the_categories_are_those_of_the_paper():
    named = {
        (True, False, True): "BG required",
        (False, True, False): "BG fools",
        (True, False, False): "BG and FG required",
        (False, True, True): "BG and FG fools",
        (True, True, True): "BG irrelevant",
        (True, True, False): "BG irrelevant",
        (False, False, True): "BG irrelevant",
        (False, False, False): "BG irrelevant",
    }
    assert set(named) == set(itertools.product([True, False], repeat=3))
    columns = (np.asarray(column) for column in zip(*named, strict=True))
    found = image_categories(*columns)
    assert [CATEGORIES[index] for index in found] == list(named.values())
