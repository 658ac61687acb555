"""Every registered detector keeps the promises of the kit."""

import pytest

from provenance.plugins import registry
from provenance.testing.detectors import check_detector

NAMES = ("spectral", "timm")


def test_all_built_in_detectors_are_checked():
    built_in = {
        name
        for name, offer in registry().detectors.items()
        if offer.owner.distribution == "provenance-suite"
    }
    assert built_in == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_conformance(name):
    offer = registry().detector(name)
    results = check_detector(offer.factory, offer.spec, module=offer.owner.target)
    assert {result.status for result in results} == {"passed"}
