"""Labels on which the library aborts never reach it; each file here would end the test run."""

import base64
import io
import re
import time
from random import Random

import pytest

from provenance.credentials import development_signer, read_credential, read_credential_bytes
from provenance.credentials.reading.labels import holds_deadly_label
from provenance.errors import UserError

HARMLESS, DEADLY = b"com.example.AB", b"com.example.\xc2\x9b"
BEFORE_LABEL = b"\0\0\0\x99jumb\0\0\0\x44jumd" + bytes(17)


@pytest.fixture
def label_in(manifest):
    """Signs a carrier with an assertion whose label can be replaced byte for byte."""

    def make(data, media_type):
        from provenance.credentials import sign_bytes

        extra = {"label": HARMLESS.decode(), "data": {"x": 1}}
        said = {**manifest, "assertions": [*manifest["assertions"], extra]}
        return sign_bytes(data, media_type, said, development_signer())

    return make


@pytest.fixture(params=["image/png", "image/jpeg", "audio/wav", "image/svg+xml"])
def signed_pair(request, label_in, carriers):
    """(media type, file that reads well, the same with the label on which the library aborts)."""
    good = label_in(carriers[request.param], request.param)
    if request.param != "image/svg+xml":
        assert HARMLESS in good
        return request.param, good, good.replace(HARMLESS, DEADLY)
    text = re.findall(rb"manifest>([^<]+)<", good)[0]
    store = base64.b64decode(text)
    changed = base64.b64encode(store.replace(HARMLESS, DEADLY))
    return request.param, good, good.replace(text, changed)


@pytest.fixture
def carriers(png, pixels):
    from provenance.media import encode_jpeg

    wav = b"RIFF" + (36 + 64).to_bytes(4, "little") + b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    wav += (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little")
    wav += b"\x02\x00\x10\x00data" + (64).to_bytes(4, "little") + bytes(64)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="4"/></svg>'
    return {
        "image/png": png,
        "image/jpeg": encode_jpeg(pixels),
        "audio/wav": wav,
        "image/svg+xml": svg,
    }


def test_such_a_credential_is_damaged_and_nothing_else_is(signed_pair, nobody, tmp_path):
    media_type, good, deadly = signed_pair
    assert read_credential_bytes(good, media_type, nobody).integrity == "ok"
    found = read_credential_bytes(deadly, media_type, nobody)
    assert (found.integrity, found.signer, found.is_present) == ("failed", "none", True)
    assert "end the process" in (found.library.error or "")
    path = tmp_path / "deadly"
    path.write_bytes(deadly)
    assert read_credential(path, media_type, nobody).integrity == "failed"


def test_it_is_neither_signed_again_nor_taken_as_an_ingredient(signed_pair, tmp_path, png):
    import provenance

    _, _, deadly = signed_pair
    path = tmp_path / "deadly"
    path.write_bytes(deadly)
    with pytest.raises(UserError, match="cannot be kept"):
        provenance.sign(deadly)
    with pytest.raises(UserError):
        provenance.sign(png, ingredients=[{"path": str(path), "relationship": "component"}])


def test_a_label_across_two_segments_of_a_jpeg_is_seen():
    def segment(payload):
        return b"\xff\xeb" + (len(payload) + 20 - 2).to_bytes(2) + b"JP" + bytes(14) + payload

    box = bytes(30) + BEFORE_LABEL + DEADLY + b"x\0"
    other = b"\xff\xeb\0\x20JP\0\x07" + bytes(26)  # a piece of another box, which is passed over
    for cut in range(1, len(box)):
        for between in (b"", other):
            halves = segment(box[:cut]) + between + segment(box[cut:])
            assert holds_deadly_label(io.BytesIO(b"\xff\xd8" + halves + b"\xff\xda")), cut


def test_a_label_across_two_blocks_of_a_gif_is_seen():
    box = BEFORE_LABEL + DEADLY + b"x\0"
    for cut in range(1, len(box)):
        blocks = b"".join(bytes([len(one)]) + one for one in (box[:cut], box[cut:]))
        gif = b"GIF89a" + bytes(7) + b"\x21\xff\x0bC2PA_GIF\x01\0\0" + blocks + b"\0;"
        assert holds_deadly_label(io.BytesIO(gif)), cut


@pytest.mark.parametrize(
    "disguise",
    [
        (b"manifest>", b'manifest a="' + b"x" * 2000 + b'">'),
        (b"manifest>", b'manifest a="&gt;" b=">">'),
        (b"manifest>", b"manifest><!-- -->"),
        (b"<svg", b"\xef\xbb\xbf" + b" " * 100 + b"<svg"),
        (b"c2pa:", b"x:"),
    ],
    ids=["long attribute", "angle in an attribute", "comment", "blanks", "other prefix"],
)
def test_no_form_of_an_svg_hides_a_label(label_in, carriers, disguise):
    svg = label_in(carriers["image/svg+xml"], "image/svg+xml")
    text = re.findall(rb"manifest>([^<]+)<", svg)[0]
    deadly = base64.b64encode(base64.b64decode(text).replace(HARMLESS, DEADLY))
    assert holds_deadly_label(io.BytesIO(svg.replace(text, deadly).replace(*disguise)))
    assert not holds_deadly_label(io.BytesIO(svg.replace(*disguise)))


def test_bytes_that_look_like_a_label_by_chance_accuse_no_file(carriers, nobody):
    by_chance = b"jumd" + bytes(17) + b"\xc3\xbc"  # one in a video of 4 GB, on average
    wav = carriers["audio/wav"][:-64] + by_chance.ljust(64, b"\xc3")
    found = read_credential_bytes(wav, "audio/wav", nobody)
    assert (found.integrity, found.is_present, found.error) == ("none", False, None)


def test_a_sidecar_is_looked_at_too():
    store = BEFORE_LABEL + DEADLY
    assert holds_deadly_label(io.BytesIO(b"anything"), store)
    assert not holds_deadly_label(io.BytesIO(b"anything"), store.replace(DEADLY, HARMLESS))


def test_a_file_of_marks_alone_is_refused_in_bounded_time():
    assert holds_deadly_label(io.BytesIO(b"RIFF" + b"jumd" * 60_000))


def test_a_large_file_is_looked_at_in_windows(tmp_path, monkeypatch):
    from provenance.credentials.reading import labels

    monkeypatch.setattr(labels, "_IN_MEMORY_BYTES", 5000)
    label = BEFORE_LABEL + DEADLY + b"\0"
    path = tmp_path / "large"
    for at in (*range(4930, 5010), 20_000 - len(label)):
        path.write_bytes((b"x" * at + label).ljust(20_000, b"x"))
        with path.open("rb") as stream:
            assert holds_deadly_label(stream), at
    path.write_bytes((b"x" * 4990 + label.replace(DEADLY, HARMLESS)).ljust(20_000, b"x"))
    with path.open("rb") as stream:
        assert not holds_deadly_label(stream)


def plainly_deadly(content):
    """What the search amounts to, label by label."""
    for found in re.finditer(rb"(?=jumb.{4}jumd.{17})", content, re.DOTALL):
        start = found.start() + 29
        label = content[start : start + 4096].partition(b"\0")[0]
        if re.search(rb"(?:\A|\.)[\x80-\xff]", label):
            return True
    return False


def test_labels_of_any_bytes_are_told_as_by_a_plain_walk():
    from provenance.credentials.reading.labels import _is_deadly

    random, seen = Random(1), set()
    box = BEFORE_LABEL[4:]
    parts = [b"jumb", b"jumd", b"\0", b".", b"\xff", b"\n", b"a" * 4, b"x" * 4092, box, box + b"a"]
    for _ in range(4_000):
        content = b"".join(random.choices(parts, k=random.randint(1, 12)))
        seen.add(plainly_deadly(content))
        assert _is_deadly(content) == plainly_deadly(content), content
    for length in range(4090, 4100):  # about the longest label that is looked at
        for start in (b"", b"a\xff"):
            content = box + start + b"x" * length + b".\xff"
            assert _is_deadly(content) == plainly_deadly(content), length
    assert seen == {True, False}


def test_many_labels_that_look_almost_deadly_take_no_long_time():
    labels = (BEFORE_LABEL[4:] + b"x\x80" + b"." * 300) * 4_000
    started = time.process_time()
    assert not holds_deadly_label(io.BytesIO(labels))
    assert time.process_time() - started < 5
