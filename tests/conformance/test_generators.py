"""Every registered generator keeps the promises of the kit: one case a generator and check."""

import pytest

from provenance.plugins import registry
from provenance.testing import generator_checks, trained_generator

NAMES = ("gan", "vae", "autoregressive")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """Return the trained generator of a name; trained once a process."""
    made = {}

    def subject(name):
        if name not in made:
            offer = registry().generator(name)
            folder = tmp_path_factory.mktemp(name)
            made[name] = trained_generator(
                offer.factory, offer.spec, folder, module=offer.owner.target
            )
        return made[name]

    return subject


def test_all_built_in_generators_are_checked():
    built_in = {
        name
        for name, offer in registry().generators.items()
        if offer.owner.distribution == "provenance-suite"
    }
    assert built_in == set(NAMES)


@pytest.mark.parametrize("check", generator_checks())
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"kit-{name}")) for name in NAMES]
)
def test_conformance(name, check, subjects):
    generator_checks()[check](subjects(name))
