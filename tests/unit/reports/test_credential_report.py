"""The folder of pages about credentials: self-contained, escaped, nothing overwritten."""

import base64
import hashlib
import html.parser
import re

import pytest

from provenance.credentials import Credential, ReadingOptions, read_credential
from provenance.credentials.reading.credential import CredentialDetails, Statements, absent
from provenance.credentials.reading.details import CertificateClaim
from provenance.credentials.reading.tree import TreeNode
from provenance.errors import UserError
from provenance.reports import CredentialItem, CredentialReport
from provenance.reports.credential_words import declared, quoted, summary

HOSTILE = '"><script>alert(1)</script>\x1b[2J\u202e\n<b>'
TRUST = {
    "sha256": "ab" * 32,
    "lists": [
        {
            "name": "studio",
            "purpose": "manifest",
            "sha256": "cd" * 32,
            "date": "2026-01-02",
            "source": "roots.pem",
            "anchors": 1,
        }
    ],
}
VERSIONS = {"provenance": "9.9", "c2pa-rs": "1.2.3"}


def node(title, *children, **more):
    values = {
        "label": title,
        "media_type": None,
        "relationship": "parentOf",
        "generator": title,
        "claimed_issuer": title,
        "is_trusted": False,
        "condition": "untrusted",
        **more,
    }
    return TreeNode(title=title, children=children, **values)


@pytest.fixture
def hostile():
    """A credential in which every text is hostile."""
    said = Statements(
        title=HOSTILE,
        generator=HOSTILE,
        claimed_issuer=HOSTILE,
        claimed_signer=HOSTILE,
        claimed_identities=(HOSTILE,),
        signed_at=HOSTILE,
        actions=(HOSTILE,),
    )
    entry = {"code": HOSTILE, "url": HOSTILE, "explanation": HOSTILE}
    store = {
        "active_manifest": HOSTILE,
        "manifests": {
            HOSTILE: {
                "title": HOSTILE,
                "assertions": [{"label": HOSTILE}, {"label": "c2pa.actions.v2", "data": {}}],
                "ingredients": [{"title": HOSTILE, "relationship": HOSTILE}],
            }
        },
        "validation_results": {"activeManifest": {"failure": [entry], "success": [entry]}},
    }
    tree = node(HOSTILE, node(HOSTILE, codes=(HOSTILE,), thumbnail_uri="t"), relationship=None)
    certificate = CertificateClaim(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    details = CredentialDetails(store, tree, {HOSTILE: certificate}, {"t": b"\xff\xd8\xff"})
    return Credential(
        "ok", "untrusted", "none", "untrusted", "Unchanged.", statements=said, details=details
    )


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.words.append(data)


def report(folder, *items):
    made = CredentialReport(folder, TRUST, VERSIONS)
    made.begin()
    for item in items:
        made.file(item)
    made.end()
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_a_page_per_file_and_an_index_that_leads_to_them(tmp_path):
    pages = report(
        tmp_path / "new" / "report",
        CredentialItem("a/b c.png", absent()),
        CredentialItem("a/b c.png", absent("Broken.", error="broken")),
        CredentialItem("/", absent()),
    )
    assert set(pages) == {
        "index.html",
        "00001-b-c.png.html",
        "00002-b-c.png.html",
        "00003-file.html",
    }
    links = [v for k, v in Page(pages["index.html"]).attributes if k == "href"]
    assert links == ["00001-b-c.png.html", "00002-b-c.png.html", "00003-file.html"]


def test_hostile_texts_stay_texts(tmp_path, hostile):
    pages = report(tmp_path / "r", CredentialItem(HOSTILE, hostile))
    harmless = report(tmp_path / "s", CredentialItem("a.png", absent()))
    for name, text in pages.items():
        found = Page(text)
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
        assert "script" not in found.tags
        assert not [attribute for attribute, _ in found.attributes if attribute.startswith("on")]
        assert any("<script>alert(1)" in words for words in found.words)
        if name == "index.html":  # holds the name alone, so that no element may be added
            assert found.tags == Page(harmless[name]).tags


def test_pages_load_and_run_nothing_and_admit_their_own_style_alone(tmp_path, hostile):
    for text in report(tmp_path / "r", CredentialItem("a", hostile, b"\xff\xd8\xff")).values():
        style = re.search("<style>(.*)</style>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
            in text
        )
        assert "http" not in re.sub("http-equiv", "", text)
        attributes = Page(text).attributes
        assert "style" not in {name for name, _ in attributes}
        sources = [value for name, value in attributes if name == "src"]
        assert all(value.startswith("data:image/jpeg;base64,") for value in sources)


def test_pictures_stand_at_their_nodes(tmp_path, hostile):
    pages = report(tmp_path / "r", CredentialItem("a", hostile, b"\xff\xd8\xff\x00"))
    sources = [v for k, v in Page(pages["00001-a.html"]).attributes if k == "src"]
    assert sources == ["data:image/jpeg;base64,/9j/AA==", "data:image/jpeg;base64,/9j/"]


def test_whom_a_verdict_rests_on_stands_on_every_page(tmp_path):
    for text in report(tmp_path / "r", CredentialItem("a", absent())).values():
        assert "Trust list studio (signers): 1 root, dated 2026-01-02" in text
        assert "cd" * 32 in text
        assert "Verified with provenance 9.9, c2pa-rs 1.2.3" in text


@pytest.mark.parametrize(
    ("axes", "more", "tone"),
    [
        (("ok", "trusted", "none", "ok"), {}, "good"),
        (("ok", "untrusted", "none", "none"), {}, "doubt"),
        (("ok", "expired", "none", "none"), {}, "doubt"),
        (("ok", "trusted", "none", "untrusted"), {}, "doubt"),
        (("ok", "trusted", "none", "failed"), {}, "bad"),
        (("ok", "revoked", "none", "none"), {}, "bad"),
        (("failed", "none", "none", "none"), {}, "bad"),
        (("none", "none", "none", "none"), {}, "none"),
        (("none", "none", "none", "none"), {"error": "gone"}, "error"),
    ],
)
def test_the_index_sorts_by_the_worst(tmp_path, axes, more, tone):
    text = report(tmp_path / "r", CredentialItem("a", Credential(*axes, "x", **more)))["index.html"]
    assert f'<article class="{tone}">' in text
    assert f'id="show-{tone}"' in text


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already"):
        CredentialReport(tmp_path, TRUST, VERSIONS)
    with pytest.raises(UserError, match="cannot be made"):
        CredentialReport(tmp_path / "mine.txt", TRUST, VERSIONS)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_names_that_are_not_unicode(tmp_path):
    pages = report(tmp_path / "r", CredentialItem("a\udcff.png", absent()))
    assert "a\\udcff.png" in pages["index.html"]


def test_the_page_of_a_public_file_shows_the_bad_ancestor(tmp_path, shared_data):
    from provenance.credentials import load_trust_anchors

    folder = shared_data / "c2pa"
    path = folder / "public-testfiles/image/jpeg/adobe-20220124-CIE-sig-CA.jpg"
    trust = load_trust_anchors([folder / "test-roots.pem"])
    options = ReadingOptions(detailed=True, thumbnails=True)
    credential = read_credential(path, None, trust, options=options)
    text = report(tmp_path / "r", CredentialItem("a", credential))["00001-a.html"]
    assert "&#34;E-sig-CA.jpg&#34;" in text
    assert "claimSignature.mismatch" in text
    assert text.count("data:image/jpeg") == 3


def test_a_quoted_name_cannot_close_its_quotes_nor_run_on():
    assert quoted('a" is trusted. "b') == "\"a' is trusted. 'b\""
    assert quoted("x" * 100) == '"' + "x" * 60 + '..."'
    assert quoted("\x1b[2J\n") == '"\\x1b[2J\\n"'


def test_the_summary_calls_names_claims_unless_a_list_vouches():
    said = Statements(claimed_issuer="Adobe Inc", source_type="screenCapture")
    claim = Credential("ok", "untrusted", "none", "none", "Unchanged.", statements=said)
    assert summary(claim) == (
        'Unchanged. The signer calls itself "Adobe Inc", which nobody confirms.'
        " Declared: screen capture (screenCapture)."
    )
    fact = Credential(
        "ok", "trusted", "none", "none", "Unchanged.", statements=said, trusted_by="official"
    )
    assert "calls itself" not in summary(fact)
    assert "The trust list official vouches for the signer." in summary(fact)


def test_what_is_declared_in_words_and_terms():
    def of(**said):
        return declared(absent(statements=Statements(**said)))

    ai, mixed = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
    assert of() == ""
    assert of(source_type=ai, origin=ai) == f"fully generated ({ai})"
    assert of(source_type=mixed, origin=ai, edit_types=(mixed, "humanEdits")) == (
        f"partly generated ({mixed}); at first fully generated ({ai});"
        " edits: edited by hand (humanEdits)"
    )
