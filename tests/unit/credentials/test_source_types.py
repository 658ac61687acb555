"""The vocabulary of digital source types: complete, both ways, and checked."""

import pytest

from provenance.credentials import (
    CAPTURED,
    COMPOSED,
    MADE_BY_A_MODEL,
    PARTLY_MADE_BY_A_MODEL,
    SOURCE_TYPES,
    source_type_uri,
)
from provenance.credentials.source_types import source_type_name
from provenance.errors import UserError


@pytest.mark.parametrize("name", SOURCE_TYPES)
def test_they_go_both_ways(name):
    uri = source_type_uri(name)
    assert source_type_uri(uri) == uri
    assert source_type_name(uri) == name
    assert source_type_name(uri.replace("http://", "https://")) == name
    assert source_type_name(uri + "x") is None
    assert source_type_name("http://example.org/" + name) is None


@pytest.mark.parametrize("name", ["digitalcapture", "http://cv.iptc.org/x/digitalCaptur", ""])
def test_an_unknown_one_is_answered_with_known_ones(name):
    with pytest.raises(UserError, match=r"Did you mean 'digitalCapture'|Known: "):
        source_type_uri(name)


def test_groups_hold_known_names_and_do_not_overlap():
    groups = (CAPTURED, COMPOSED, MADE_BY_A_MODEL, PARTLY_MADE_BY_A_MODEL)
    names = [name for group in groups for name in group]
    assert set(names) <= set(SOURCE_TYPES)
    assert len(names) == len(set(names))


def test_the_rubric_and_we_name_the_same_terms_of_generative_models(c2pa_data):
    import yaml

    path = c2pa_data / "rubrics" / "asset-rubric-signals-local.yml"
    head = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    theirs = {uri.strip() for uri in head["variables"]["$genai_dst_types"]}
    ours = MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL
    assert theirs == {source_type_uri(name) for name in ours}
