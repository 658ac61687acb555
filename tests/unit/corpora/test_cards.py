"""Cards of trained generators: what anybody may have written there is refused in words."""

import json

import pytest

from provenance import UserError
from provenance.corpora.artefacts import read_card
from provenance.files import sha256_file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def write(folder, **changes):
    digest = sha256_file(folder / "model.safetensors")
    card = {"name": "toy-16", "generator": "toy", "size_px": 16, "weights_sha256": digest} | changes
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_px": None}, "size_px"),
        ({"size_px": "<b>"}, "size_px"),
        ({"size_px": True}, "size_px"),
        ({"size_px": 10**30}, "size_px"),
        ({"size_px": 0}, "size_px"),
        ({"name": ["toy"]}, "name"),
        ({"data": {"groups": [["a"]]}}, "data.groups"),
        ({"data": {"groups": {"a": 1}}}, "data.groups"),
        ({"data": {"items": "many"}}, "data.items"),
        ({"data": {"items": -1}}, "data.items"),
        ({"weights_sha256": "ab"}, "weights are not those"),
    ],
)
def test_values_of_another_form_are_named(folder, changes, message):
    write(folder, **changes)
    with pytest.raises(UserError, match=message):
        read_card(folder)


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "[]", "\x00", '{"size_px": 16}'])
def test_what_is_no_card_is_refused(folder, text):
    (folder / "card.json").write_text(text)
    with pytest.raises(UserError, match=r"no trained generator|weights"):
        read_card(folder)


def test_what_is_absent_is_filled_in(folder):
    write(folder, data="none")
    card = read_card(folder)
    assert (card["name"], card["data"]) == ("toy-16", {})
    card.pop("name")
    (folder / "card.json").write_text(json.dumps(card))
    assert read_card(folder)["name"] == "toy"
