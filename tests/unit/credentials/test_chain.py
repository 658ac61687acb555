"""A file's whole life: made by a model, edited, signed again, updated; nothing of it is lost."""

import cv2
import numpy as np
import pytest

import provenance
from provenance.credentials import ReadingOptions, sign_bytes
from provenance.media import decode_image

COMPOSITE = "compositeWithTrainedAlgorithmicMedia"


@pytest.fixture
def chain(tmp_path, png, manifest, signer):
    """Paths of the four stations; OpenCV drops every credential, as editors do."""
    made, edited, signed, sold, updated = (
        tmp_path / f"{name}.png" for name in ("made", "edited", "signed", "sold", "updated")
    )
    made.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    picture = cv2.GaussianBlur(cv2.imread(str(made)), (5, 5), 0)
    assert cv2.imwrite(str(edited), picture)
    parent = {"path": str(made), "relationship": "parent"}
    resized = {"name": "filtered", "source_type": COMPOSITE, "software": "OpenCV"}
    provenance.sign(edited, signed, ingredients=[parent], actions=[resized])
    provenance.sign(signed, sold, actions=[{"name": "cropped", "source_type": "humanEdits"}])
    provenance.sign(sold, updated, update=True, actions=[{"name": "published"}])
    return made, edited, signed, sold, updated


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def test_the_edit_alone_has_lost_everything(chain):
    assert provenance.verify(chain[1]).integrity == "none"


def test_the_last_station_shows_the_whole_tree_trusted(chain):
    credential = provenance.verify(chain[-1], options=ReadingOptions(detailed=True))
    assert (credential.integrity, credential.signer, credential.ancestors) == (
        "ok",
        "trusted",
        "ok",
    )
    tree = list(nodes(credential.details.tree))
    assert [node.condition for node in tree] == ["ok"] * 4
    assert [node.relationship for node in tree] == [None, "parentOf", "parentOf", "parentOf"]
    assert [node.title for node in tree] == ["updated.png", "sold.png", "signed.png", "a.png"]
    assert tree[2].source_types == (COMPOSITE,)
    assert tree[3].source_types == ("trainedAlgorithmicMedia",)


def test_the_edit_is_declared_a_composite_and_its_origin_kept(chain):
    credential = provenance.verify(chain[2])
    assert credential.statements.edit_types == (COMPOSITE,)
    assert credential.source_type == COMPOSITE
    assert credential.origin == "trainedAlgorithmicMedia"  # what the first signer said
    last = provenance.verify(chain[-1])
    assert (last.source_type, last.origin) == (COMPOSITE, "trainedAlgorithmicMedia")
    assert last.statements.edit_types == ("humanEdits", COMPOSITE)


def test_the_content_is_that_of_the_editor(chain):
    first, last = (decode_image(chain[n].read_bytes()) for n in (1, -1))
    assert np.array_equal(first, last)


def test_without_a_word_an_edit_of_a_models_work_is_a_composite(chain, tmp_path):
    parent = {"path": str(chain[0]), "relationship": "parent"}
    out = provenance.sign(chain[1], tmp_path / "out.png", ingredients=[parent])
    assert provenance.verify(out).statements.edit_types == (COMPOSITE,)


def test_a_change_after_the_fact_shows_at_every_station(chain):
    data = bytearray(chain[2].read_bytes())
    data[-30] ^= 1
    chain[2].write_bytes(data)
    later = provenance.sign(chain[2], chain[2].with_name("later.png"))
    credential = provenance.verify(later)
    assert (credential.integrity, credential.ancestors) == ("ok", "failed")
