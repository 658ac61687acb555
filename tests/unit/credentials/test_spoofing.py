"""What a hostile file and certificate say, in every view of the command line, from a user's side.

35 attacks, each in titles, generators, actions, labels, ingredients and the certificate's names.
All of them lie in one folder, so that each view is asked once.
"""

import html.parser
import json
import re
import unicodedata

import pytest
from carriers import FORMATS
from impostors import ATTACKS, MARK, certificates, hostile_component, hostile_manifest, sign

from provenance.cli.main import run

# names of certificates may have 64 characters, and these do not ask
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length")
ISSUER_AS_FACT = re.compile(rf"since [^\n<.]*(Adobe|{MARK})|signed by [^\n<.]*(Adobe|{MARK})")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """(folder of hostile files, PEM of the roots that made their certificates)."""
    folder, roots = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("roots")
    png, pem = FORMATS["png"].make(), b""
    for name, attack in ATTACKS.items():
        key, chain, root = certificates(attack, attack)
        words = hostile_manifest(attack)
        parent = sign(png, "image/png", words, key, chain)
        component = (hostile_component(attack), parent)
        data = sign(png, "image/png", words, key, chain, components=(component,))
        (folder / f"{name}.png").write_bytes(data)
        pem += root
    (roots / "roots.pem").write_bytes(pem)
    return folder, roots / "roots.pem"


@pytest.fixture
def command(capsys):
    def command_(*arguments):
        code = run([str(argument) for argument in arguments])
        return code, capsys.readouterr()

    return command_


def commands_in(text):
    """Return the characters by which text steers a terminal or deceives the eye."""
    return {
        f"U+{ord(character):04X} {unicodedata.name(character, '')}"
        for character in text
        if not character.isprintable() and character != "\n"
    }


class Page(html.parser.HTMLParser):
    """Elements and addresses of a page, and the attributes that run code."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.handlers, self.addresses = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.addresses += [value for name, value in attributes if name in ("href", "src")]


def assert_harmless_page(text):
    page = Page(text)
    assert page.elements & {"script", "iframe", "object", "embed", "base", "form"} == set()
    assert page.handlers == []
    foreign = [a for a in page.addresses if a and not a.startswith(("data:image/", "#"))]
    assert all(re.fullmatch(r"[\w./-]+\.html", address) for address in foreign)
    assert "<h1>" + MARK not in text


TERMINAL_VIEWS = {
    "table": ("verify",),
    "trusting nobody": ("verify", "--no-trust-anchors"),
    "tree": ("verify", "--tree"),
    "detailed": ("verify", "--detailed"),
    "tree and details": ("verify", "--tree", "--detailed"),
    "scan": ("scan",),
}
WITHOUT_TEXTS = ("table", "trusting nobody", "scan")  # show verdicts, and little of what files say


@pytest.mark.parametrize("view", TERMINAL_VIEWS)
def test_no_view_lets_a_file_steer_the_terminal(command, hostile, view):
    _, captured = command(*TERMINAL_VIEWS[view], hostile[0])
    shown = re.sub(r"[\s│]", "", captured.out)  # names of files are folded
    assert all(f"{name}.png" in shown for name in ATTACKS)
    assert commands_in(captured.out) == set()
    assert commands_in(captured.err) == set()
    assert MARK in shown or view in WITHOUT_TEXTS
    assert not ISSUER_AS_FACT.search(captured.out + captured.err)


@pytest.mark.parametrize("view", [("verify", "--json"), ("verify", "--json", "--detailed")])
def test_json_holds_every_text_and_is_ascii(command, hostile, view):
    code, captured = command(*view, hostile[0])
    rows = {row["path"].rpartition("/")[2]: row for row in json.loads(captured.out)}
    assert code in (0, 11)
    assert captured.out.isascii()
    assert set(rows) == {f"{name}.png" for name in ATTACKS}
    for name, attack in ATTACKS.items():
        row = rows[f"{name}.png"]
        assert row["signer"] == "untrusted"
        assert MARK not in row["conclusion"]
        assert row["claimed_issuer"][:900] == attack[:900]
        assert row["title"][:900] == attack[:900]


@pytest.mark.parametrize("view", [("verify",), ("verify", "--json")])
def test_names_of_trusted_certificates_are_escaped_too(command, hostile, view):
    folder, roots = hostile
    _, captured = command(*view, folder, "--trust-anchors", roots)
    assert commands_in(captured.out) == set()
    assert commands_in(captured.err) == set()
    if "--json" in view:
        rows = json.loads(captured.out)
        assert {"trusted"} == {row["signer"] for row in rows if row["integrity"] == "ok"}


def test_verify_writes_pages(command, hostile, tmp_path):
    _, captured = command("verify", hostile[0], "--report", tmp_path / "report")
    assert commands_in(captured.out + captured.err) == set()
    pages = sorted((tmp_path / "report").rglob("*.html"))
    assert len(pages) == len(ATTACKS) + 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert_harmless_page(text)
        assert not ISSUER_AS_FACT.search(text)


def test_scan_in_json_and_as_a_page(command, hostile, tmp_path):
    page = tmp_path / "page.html"
    _, captured = command("scan", hostile[0], "--json", "--report", page)
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert len(rows) == len(ATTACKS)
    assert captured.out.isascii()
    assert_harmless_page(page.read_text(encoding="utf-8"))


def test_scan_as_a_table_of_cells_guards_against_formulas(command, hostile, tmp_path):
    table = tmp_path / "table.csv"
    command("scan", hostile[0], "--report", table)
    assert not re.search(r'(^|[,"\n])[=@+\t\r]', table.read_text(encoding="utf-8"))


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_signing_anew_shows_no_raw_text(command, hostile, tmp_path, more):
    for name in ATTACKS:
        source, out = hostile[0] / f"{name}.png", tmp_path / f"{name}.png"
        _, captured = command("sign", source, "--out", out, *more)
        assert commands_in(captured.out) == set()
        assert commands_in(captured.err) == set()
        if more:
            assert json.loads(captured.out)["path"] == str(out)
