"""What a file was made from is kept whole, wherever its credential lies."""

import json

import c2pa
import pytest

import provenance
from provenance.credentials import CredentialSession, Recipe
from provenance.credentials.signing.ingredients import load_ingredients
from provenance.errors import CredentialError, UnreadableError, UserError
from provenance.media import encode_png


@pytest.fixture
def made(tmp_path, png):
    """A signed file that a model made."""
    path = tmp_path / "made.png"
    return provenance.sign(png, path, model="gan-32", claims={"desk": "north"})


@pytest.fixture
def edit(tmp_path, pixels):
    """What an editor that knows nothing of credentials left of it."""
    path = tmp_path / "edit.png"
    path.write_bytes(encode_png(pixels[::-1].copy()))
    return path


def part(path, relationship="parent", **more):
    return {"path": str(path), "relationship": relationship, **more}


def store_of(path):
    with path.open("rb") as stream:
        return json.loads(c2pa.Reader("image/png", stream).json())


def assertions_of(path):
    store = store_of(path)
    manifest = store["manifests"][store["active_manifest"]]
    return {one["label"]: one["data"] for one in manifest["assertions"]}


def test_a_parent_is_kept_with_its_credential(tmp_path, made, edit):
    out = provenance.sign(edit, tmp_path / "out.png", ingredients=[part(made, title="First")])
    credential = provenance.verify(out)
    assert (credential.integrity, credential.signer, credential.ancestors) == (
        "ok",
        "trusted",
        "ok",
    )
    assert credential.library.n_manifests == 2
    assert credential.statements.actions == ("c2pa.opened", "c2pa.edited")
    assert credential.statements.edit_types == ("compositeWithTrainedAlgorithmicMedia",)
    store = store_of(out)
    (kept,) = store["manifests"][store["active_manifest"]]["ingredients"]
    assert (kept["title"], kept["relationship"]) == ("First", "parentOf")


def test_a_parent_without_a_credential_is_kept_as_it_is(tmp_path, edit, png):
    (tmp_path / "plain.png").write_bytes(png)
    parts = [part(tmp_path / "plain.png")]
    out = provenance.sign(edit, tmp_path / "out.png", ingredients=parts)
    credential = provenance.verify(out)
    assert (credential.integrity, credential.library.n_manifests) == ("ok", 1)
    assert credential.statements.edit_types == ("composite",)


def test_components_and_inputs(tmp_path, made, edit, png):
    (tmp_path / "prompt.png").write_bytes(png)
    parts = [part(made, "component"), part(tmp_path / "prompt.png", "input")]
    out = provenance.sign(edit, tmp_path / "out.png", ingredients=parts)
    credential = provenance.verify(out)
    assert (credential.integrity, credential.ancestors) == ("ok", "ok")
    assert credential.source_type == "compositeWithTrainedAlgorithmicMedia"
    created, placed = assertions_of(out)["c2pa.actions.v2"]["actions"]
    assert (created["action"], placed["action"]) == ("c2pa.created", "c2pa.placed")
    assert created["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3__1")
    assert placed["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3")


def test_an_action_may_name_its_ingredients(tmp_path, made, edit):
    removed = {"name": "removed", "source_type": "humanEdits", "ingredients": ["logo"]}
    parts = [part(made, "component", label="logo")]
    out = provenance.sign(edit, tmp_path / "out.png", ingredients=parts, actions=[removed])
    assert provenance.verify(out).statements.actions == ("c2pa.created", "c2pa.removed")


def test_a_credential_beside_the_parent_is_taken_along(tmp_path, edit, png):
    (tmp_path / "plain.png").write_bytes(png)
    beside = provenance.sign(tmp_path / "plain.png", tmp_path / "beside.png", sidecar=True)
    out = provenance.sign(edit, tmp_path / "out.png", ingredients=[part(beside)])
    credential = provenance.verify(out)
    assert (credential.integrity, credential.ancestors) == ("ok", "ok")
    assert credential.library.n_manifests == 2
    assert credential.statements.edit_types == ("compositeWithTrainedAlgorithmicMedia",)


def test_a_sidecar_becomes_the_parent_of_the_file_that_it_is_of(tmp_path, png):
    (tmp_path / "plain.png").write_bytes(png)
    first = provenance.sign(tmp_path / "plain.png", tmp_path / "first.png", sidecar=True)
    second = provenance.sign(first, tmp_path / "second.png")
    assert provenance.verify(second).library.n_manifests == 2
    CredentialSession(sidecar=True).sign(first, in_place=True)
    again = provenance.verify(first)
    assert (again.place, again.integrity, again.library.n_manifests) == ("sidecar", "ok", 2)
    assert first.read_bytes() == png


@pytest.mark.parametrize("place", ["embedded", "sidecar"])
def test_a_broken_credential_is_kept_and_said_so(tmp_path, png, pixels, place):
    (tmp_path / "plain.png").write_bytes(png)
    path = tmp_path / "broken.png"
    provenance.sign(tmp_path / "plain.png", path, sidecar=place == "sidecar")
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    session = CredentialSession()
    made = session.write(path, tmp_path / "out.png")
    assert made.kept.is_broken
    assert "broken.png does not hold" in made.notes[0]
    credential = provenance.verify(tmp_path / "out.png")
    assert (credential.integrity, credential.ancestors) == ("ok", "failed")


def test_the_credential_that_a_file_carries_leaves_no_room_for_another_parent(tmp_path, made, edit):
    with pytest.raises(UserError, match="cannot have another"):
        provenance.sign(made, tmp_path / "out.png", ingredients=[part(edit)])


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("none.png", UnreadableError, "none.png"),
        ("words.txt", UserError, "cannot carry"),
        (".", UnreadableError, "regular file"),
    ],
)
def test_ingredients_that_cannot_be_taken_along(tmp_path, edit, name, error, words):
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(error, match=words):
        provenance.sign(edit, tmp_path / "out.png", ingredients=[part(tmp_path / name)])
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(("name", "words"), [("cloud.jpg", "server"), ("prerelease.jpg", "kept")])
def test_credentials_that_cannot_be_kept_are_not_dropped(tmp_path, c2pa_data, edit, name, words):
    path = c2pa_data / "fixtures" / name
    with pytest.raises(UserError, match=words):
        load_ingredients(Recipe.of(ingredients=[part(path)]))


# --- updates and redactions -----------------------------------------------------------------------


def test_an_update_adds_words_and_leaves_the_content(tmp_path, made):
    words = {"claims": {"checked": "yes"}, "actions": [{"name": "published"}]}
    out = provenance.sign(made, tmp_path / "out.png", update=True, **words)
    credential = provenance.verify(out)
    assert (credential.integrity, credential.signer, credential.ancestors) == (
        "ok",
        "trusted",
        "ok",
    )
    assert credential.statements.actions == ("c2pa.opened", "c2pa.published")
    assert not any(label.startswith("c2pa.hash") for label in assertions_of(out))
    assert assertions_of(out)["com.provenance.claims"] == {"checked": "yes"}


def test_what_is_redacted_is_gone_from_the_file(tmp_path, png):
    made = provenance.sign(png, tmp_path / "made.png", claims={"witness": "Ada Lovelace"})
    out = provenance.sign(made, tmp_path / "out.png", redact=["com.provenance.claims"])
    assert b"Ada Lovelace" in made.read_bytes()
    assert b"Ada Lovelace" not in out.read_bytes()
    credential = provenance.verify(out)
    assert (credential.integrity, credential.signer, credential.ancestors) == (
        "ok",
        "trusted",
        "ok",
    )
    assert credential.statements.actions == ("c2pa.opened", "c2pa.redacted")


def test_an_older_ancestor_is_redacted_by_its_uri(tmp_path, png):
    made = provenance.sign(png, tmp_path / "made.png", claims={"witness": "Ada Lovelace"})
    label = store_of(made)["active_manifest"]
    later = provenance.sign(made, tmp_path / "later.png")
    uri = f"self#jumbf=/c2pa/{label}/c2pa.assertions/com.provenance.claims"
    out = provenance.sign(later, tmp_path / "out.png", redact=[uri])
    assert b"Ada Lovelace" not in out.read_bytes()
    assert provenance.verify(out).integrity == "ok"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("com.provenance.claim", "Did you mean 'com.provenance.claims'"),
        ("c2pa.actions.v2", "holds the credential together"),
        ("self#jumbf=/c2pa/urn:c2pa:other/c2pa.assertions/x.y", "no assertion"),
        ("self#jumbf=", "no assertion"),
    ],
)
def test_what_cannot_be_redacted(tmp_path, made, name, words):
    with pytest.raises(UserError, match=words):
        provenance.sign(made, tmp_path / "out.png", redact=[name])


def test_nothing_can_be_updated_where_there_is_nothing(tmp_path, edit):
    with pytest.raises(UserError, match="no credential to update"):
        provenance.sign(edit, tmp_path / "out.png", update=True)


def test_an_update_that_would_not_hold_is_refused(tmp_path):
    from carriers import FORMATS

    wav = provenance.sign(FORMATS["wav"].make())
    with pytest.raises(UserError, match="cannot be updated"):
        provenance.sign(wav, update=True)


def test_every_other_format_can_be_updated(tmp_path):
    from carriers import FORMATS

    from provenance.credentials.signing.planning import _UPDATABLE

    updated = set()
    for made in FORMATS.values():
        if made.media_type in _UPDATABLE:
            first = provenance.sign(made.make(), media_type=made.media_type)
            second = provenance.sign(first, media_type=made.media_type, update=True)
            assert provenance.verify(second, media_type=made.media_type).integrity == "ok", (
                made.name
            )
            updated.add(made.media_type)
    assert updated == _UPDATABLE


def test_a_sidecar_is_updated_where_it_lies(tmp_path, png):
    (tmp_path / "plain.png").write_bytes(png)
    beside = provenance.sign(tmp_path / "plain.png", tmp_path / "beside.png", sidecar=True)
    with pytest.raises(UserError, match="Add 'sidecar'"):
        provenance.sign(beside, tmp_path / "out.png", update=True)
    out = provenance.sign(beside, tmp_path / "out.png", update=True, sidecar=True, claims={"a": 1})
    credential = provenance.verify(out)
    assert (credential.place, credential.integrity, credential.signer) == (
        "sidecar",
        "ok",
        "trusted",
    )
    assert out.read_bytes() == png


# --- sidecars -------------------------------------------------------------------------------------


def test_a_sidecar_leaves_the_file_as_it_is(tmp_path, png):
    (tmp_path / "plain.png").write_bytes(png)
    out = provenance.sign(tmp_path / "plain.png", tmp_path / "out.png", sidecar=True)
    assert out.read_bytes() == png
    assert provenance.verify(out).place == "sidecar"
    assert not (tmp_path / "plain.c2pa").exists()


def test_the_bytes_of_a_sidecar_come_from_bytes(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "a.c2pa").write_bytes(provenance.sign(png, sidecar=True))
    credential = provenance.verify(tmp_path / "a.png")
    assert (credential.place, credential.integrity, credential.signer) == (
        "sidecar",
        "ok",
        "trusted",
    )


def test_no_sidecar_beside_a_credential_inside(tmp_path, made):
    with pytest.raises(UserError, match="would not match"):
        provenance.sign(made, tmp_path / "out.png", sidecar=True)


def test_a_format_that_the_library_rewrites_gets_no_sidecar():
    from carriers import FORMATS

    for name in ("mp3", "flac", "pdf"):
        with pytest.raises(UserError, match="would not match"):
            provenance.sign(FORMATS[name].make(), sidecar=True)


def test_the_sidecar_of_another_file_is_never_overwritten(tmp_path, png, edit):
    (tmp_path / "plain.png").write_bytes(png)
    provenance.sign(tmp_path / "plain.png", tmp_path / "a.png", sidecar=True)
    before = (tmp_path / "a.c2pa").read_bytes()
    with pytest.raises(UserError, match=r"not the sidecar of a\.jpg"):
        provenance.sign(edit, tmp_path / "a.jpg", sidecar=True)
    assert (tmp_path / "a.c2pa").read_bytes() == before
    assert not (tmp_path / "a.jpg").exists()
    provenance.sign(tmp_path / "plain.png", tmp_path / "a.png", sidecar=True, title="again")
    assert provenance.verify(tmp_path / "a.png").statements.title == "again"  # its own may be


def test_a_sidecar_that_cannot_be_read_is_no_reason_to_sign_without_it(tmp_path, png):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    (tmp_path / "a.c2pa").write_bytes(b"no manifest store")
    with pytest.raises((UserError, CredentialError), match=r"a\.c2pa exists"):
        CredentialSession(sidecar=True).sign(path, in_place=True)
    assert (tmp_path / "a.c2pa").read_bytes() == b"no manifest store"
