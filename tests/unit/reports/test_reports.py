"""Reports: hostile text stays text, one file is enough, written whole or not at all."""

import base64
import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from io import StringIO

import pytest

from provenance import Channel, Evidence, MediaKind, ScanRow, UserError, Verdict
from provenance.escaping import printable
from provenance.reports import Item, check_destination, render_csv, render_html, write_report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "line\nbreak",
    "right-to-left \u202egnp.exe",
    "escape \x1b[2J",
    "not utf-8 \udcff",
    "</pre></details></article>",
)
ABOUT = {"Scanned": "inbox", "When": "2026-11-24 10:00 UTC"}


def item(text, *, verdict=Verdict.SYNTHETIC, thumbnail=b"\xff\xd8jpeg"):
    evidence = Evidence(
        Channel.DETECTOR, text, Verdict.SYNTHETIC, 0.97, text, {text: [text, {"deep": text}]}
    )
    row = ScanRow(
        text, "ab" * 32, MediaKind.IMAGE, verdict, 0.97, (text,), text, (evidence,), 123_456
    )
    return Item(row, thumbnail)


class Page(HTMLParser):
    """Collects tags, attributes and text; checks that tags nest."""

    VOID = frozenset({"meta", "input", "img"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    clean, dirty = Page(render_html([item("x")], ABOUT)), Page(render_html([item(text)], ABOUT))
    assert dirty.tags == clean.tags
    assert "script" not in dirty.tags
    assert not [name for name, _ in dirty.attributes if name.startswith("on")]
    shown = printable(text)  # as name, error, reason and evidence
    assert sum(shown in piece for piece in dirty.text) >= 5


def test_control_and_direction_characters_are_written_out():
    page = render_html([item(text) for text in HOSTILE], ABOUT)
    assert not set(page) & set("\x1b\u202e\udcff")
    page.encode("utf-8")


def test_nothing_is_loaded_and_only_our_style_is_allowed():
    page = render_html([item("x")], ABOUT)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    parsed = Page(page)
    links = [value for name, value in parsed.attributes if name in ("src", "href", "action")]
    assert links
    assert all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert "url(" not in style
    assert not [name for name, _ in parsed.attributes if name == "style"]  # the policy blocks it


def test_counts_bars_and_filters():
    verdicts = [Verdict.SYNTHETIC] * 3 + [Verdict.ERROR]
    page = render_html([item("x", verdict=verdict) for verdict in verdicts], ABOUT)
    assert 'x="75.000" y="0" width="25.000"' in page
    assert re.search(r'for="show-synthetic">.*synthetic <b>3</b>', page)
    assert 'id="show-captured"' not in page
    style = page.partition("<style>")[2]
    for verdict in Verdict:
        assert f"#show-{verdict}:checked ~ main article:not(.verdict-{verdict})" in style
        assert f"--{verdict}:" in style


def test_no_files_and_no_evidence():
    Page(render_html([], ABOUT))
    bare = Item(ScanRow("x", None, None, Verdict.NO_EVIDENCE))
    assert "That does not make it real" in render_html([bare], {})


def test_long_detail_is_cut():
    evidence = Evidence(Channel.METADATA, "m@1", Verdict.NO_EVIDENCE, detail={"a": "y" * 99_999})
    row = ScanRow("x", None, None, Verdict.NO_EVIDENCE, evidence=(evidence,))
    page = render_html([Item(row)], {})
    assert len(page) < 60_000
    assert "--json has all of it" in page


def test_csv_has_a_row_a_file_and_no_formula():
    names = (*HOSTILE, "=1+1", "+1", "-1", "@SUM(A1)", "  =1+1", "a,b;c\"d'")
    rows = list(csv.DictReader(StringIO(render_csv(item(name) for name in names))))
    assert len(rows) == len(names)
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert rows[0]["probability"] == "0.9700"
    assert rows[8]["path"] == "'=1+1"


def test_jsonl_is_the_scan_row(tmp_path):
    path = tmp_path / "r.jsonl"
    items = [item(text) for text in HOSTILE]
    write_report(path, items, ABOUT)
    rows = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert rows == [item.row.to_json() for item in items]


def test_destinations_are_checked_before_the_scan(tmp_path):
    check_destination(tmp_path / "new" / "folder" / "r.HTML")
    with pytest.raises(UserError, match=r"ends in \.html"):
        check_destination(tmp_path / "r.pdf")
    (tmp_path / "d.html").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_destination(tmp_path / "d.html")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written to"):
        check_destination(tmp_path / "file" / "r.html")


def test_a_report_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    write_report(path, [item("first")], ABOUT)
    before = path.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_report(path, [item("second")], ABOUT)
    assert path.read_text() == before
    assert [found.name for found in tmp_path.iterdir()] == ["r.html"]
