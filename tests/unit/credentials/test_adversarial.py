"""What attackers do: borrowed names and clocks, text that steers terminals, costly files."""

import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import c2pa
import pytest
from impostors import ATTACKS, certificates, hostile_component, hostile_manifest, sign
from timestamp_authority import timestamp_authority

from provenance.cli.main import run
from provenance.credentials import (
    ReadingOptions,
    TimestampPolicy,
    created_manifest,
    edited_manifest,
    load_signer,
    load_trust_anchors,
    parent_ingredient,
    read_credential,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.engine import context
from provenance.credentials.keys import certificates as our_certificates
from provenance.credentials.reading import examination
from provenance.files import write_atomic

PNG = "image/png"
LEAF_S = 2.0  # a certificate's whole life
MAX_CPU_S = 1.0
MAX_MIB = 300
HOSTILE = [
    "nested_moov_1000.mp4",
    "riff_bomb_1000.wav",
    "tiff_poc.tiff",
    "sample3.svg",
    "sample4.svg",
    "sample3.invalid.wav",
    "id3v23_compression_underflow.mp3",
    "prerelease.jpg",
    "no_alg.jpg",
    "bad_path_archive.zip",
]


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


# --- borrowed names ------------------------------------------------------------------------------


def test_a_borrowed_issuer_is_never_stated(tmp_path, png, nobody, anchors, capsys):
    key, chain, root = certificates("Adobe Inc", "Adobe C2PA")
    path = tmp_path / "a.png"
    manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
    path.write_bytes(sign(png, PNG, manifest, key, chain))
    for trust in (nobody, anchors):
        credential = read_credential(path, None, trust)
        assert axes(credential) == ("ok", "untrusted", "none", "none")
        assert credential.statements.claimed_issuer == "Adobe Inc"
        assert credential.trusted_by is None
        assert "Adobe" not in credential.conclusion
    assert run(["verify", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("Adobe Inc") == out.count('"Adobe Inc", which nobody confirms')
    # whoever trusts that root hears the name, and from which list it is
    (tmp_path / "root.pem").write_bytes(root)
    trusted = read_credential(path, None, load_trust_anchors([tmp_path / "root.pem"]))
    assert "since Adobe Inc signed it" in trusted.conclusion
    assert trusted.trusted_by == "file-1"


def test_a_certificate_beside_a_false_signature_is_nobodys(signed, anchors):
    """The name and the chain are a trusted signer's; only the signature is not."""
    data = bytearray(signed.read_bytes())
    start = data.index(b"c2pa.signature")
    changed = []
    for position in range(start + 900, start + 2500, 7):  # the chain, the signature, the padding
        data[position] ^= 4
        changed.append(read_credential_bytes(bytes(data), PNG, anchors))
        data[position] ^= 4
    false = [one for one in changed if "claimSignature.mismatch" in one.conclusion]
    assert false
    assert {one.signer for one in false} == {"untrusted"}
    assert {one.trusted_by for one in false} == {None}


@pytest.mark.parametrize(
    "name", ["clear", "title", "eight-bit-csi", "newline", "right-to-left", "script", "markup"]
)
def test_no_text_of_a_file_steers_the_terminal(tmp_path, png, capsys, name):
    attack = ATTACKS[name]
    key, chain, root = certificates(attack, attack)
    components = ((hostile_component(attack), png),)
    data = sign(png, PNG, hostile_manifest(attack), key, chain, components=components)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    (tmp_path / "root.pem").write_bytes(root)
    for arguments in ([], ["--json"], ["--trust-anchors", str(tmp_path / "root.pem")]):
        assert run(["verify", str(path), *arguments]) == 0
        shown = capsys.readouterr()
        text = (shown.out + shown.err).replace("\n", "")
        assert text.isprintable(), ascii(text)


def test_a_manifest_put_beside_somebody_elses_is_a_change(png, manifest, signer, anchors):
    """No hash covers it, and the library passes it over; it could say that the parent is bad."""
    key, chain, _ = certificates("Nobody", "nobody")
    changed = bytearray(sign(png, PNG, manifest, key, chain))
    changed[-30] ^= 1
    words = edited_manifest(title="a", source_type="digitalCapture", generator="g")
    own = _store(png, manifest, signer.native())
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    foreign = _store(png, words, c2pa.Signer.from_info(info), bytes(changed))
    start = 8 + int.from_bytes(own[8:12])  # of the first manifest, behind the description
    store = own[:start] + foreign[start:] + own[start:]
    store = len(store).to_bytes(4) + store[4:]
    options = ReadingOptions(detailed=True)
    found = read_credential_bytes(png, PNG, anchors, manifest_data=store, options=options)
    assert (found.library.state, found.signer) == ("Trusted", "trusted")
    assert found.integrity == "failed"
    assert "not what was signed (manifest.unreferenced)" in found.conclusion
    assert "manifest.unreferenced" in found.details.tree.codes
    assert read_credential_bytes(png, PNG, anchors, manifest_data=own).integrity == "ok"


def _store(data, manifest, signer, parent=None):
    with c2pa.Builder(manifest, context()) as builder:
        builder.set_no_embed()
        if parent is not None:
            builder.add_ingredient(parent_ingredient("p"), PNG, io.BytesIO(parent))
        return bytes(builder.sign(signer, PNG, io.BytesIO(data), io.BytesIO()))


# --- borrowed clocks -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expired(tmp_path_factory):
    """A file with a time-stamp and one without, whose certificate has expired since."""
    folder = tmp_path_factory.mktemp("expired")
    root = our_certificates.make_root()
    with pytest.MonkeyPatch.context() as patch, timestamp_authority(folder / "tsa") as authority:
        patch.setattr(our_certificates, "LEAF_DAYS", LEAF_S / 86400)
        leaf = our_certificates.make_leaf(root)
        made = time.monotonic()
        write_atomic(folder / "leaf.pem", leaf.to_pem(root.certificate), mode=0o600)
        settings = {"key": str(folder / "leaf.pem")}
        manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
        png = _png()
        for name, timestamp in (("with", TimestampPolicy(authority.url)), ("without", None)):
            signer = load_signer("pem", settings, timestamp=timestamp)
            (folder / f"{name}.png").write_bytes(sign_bytes(png, PNG, manifest, signer))
    (folder / "root.pem").write_bytes(our_certificates.certificates_pem(root.certificate))
    shutil.copy(folder / "tsa" / "root.pem", folder / "time.pem")
    time.sleep(max(0.0, made + LEAF_S + 1 - time.monotonic()))
    return folder


def _png():
    import numpy as np

    from provenance.media import encode_png

    return encode_png(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("name", "manifest", "clock", "expected"),
    [
        ("with", ["root"], ["time"], ("ok", "trusted", "trusted", "none")),
        ("with", ["root"], [], ("ok", "expired", "untrusted", "none")),
        ("without", ["root"], ["time"], ("ok", "expired", "none", "none")),
        ("with", [], ["time"], ("ok", "untrusted", "trusted", "none")),
        # each root given for the other's purpose, or for both of them the wrong way round
        ("with", ["root", "time"], [], ("ok", "expired", "untrusted", "none")),
        ("with", ["time"], ["root"], ("ok", "expired", "untrusted", "none")),
        ("with", [], ["root", "time"], ("ok", "untrusted", "trusted", "none")),
    ],
)
def test_an_expired_certificate_is_excused_by_a_trusted_clock_only(
    expired, name, manifest, clock, expected
):
    trust = load_trust_anchors(
        [expired / f"{one}.pem" for one in manifest], [expired / f"{one}.pem" for one in clock]
    )
    credential = read_credential(expired / f"{name}.png", None, trust)
    assert axes(credential) == expected
    assert not credential.is_broken
    assert (credential.trusted_by is not None) == (credential.signer == "trusted")


def test_a_root_of_time_stamps_that_signs_media_is_believed_by_the_library_alone(
    tmp_path, png, nobody
):
    key, chain, root = certificates("Time Ltd", "Time")
    path = tmp_path / "a.png"
    manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
    path.write_bytes(sign(png, PNG, manifest, key, chain))
    (tmp_path / "time.pem").write_bytes(root)
    trust = load_trust_anchors([], [tmp_path / "time.pem"])
    assert axes(read_credential(path, None, trust)) == ("ok", "untrusted", "none", "none")
    with path.open("rb") as stream:
        alone = c2pa.Reader(PNG, stream, context=context((), trust.time))
        assert alone.get_validation_state() == "Trusted"


# --- laundering ----------------------------------------------------------------------------------


def test_a_changed_parent_stays_visible_through_two_more_signatures(signed, signer, anchors):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    data = bytes(changed)
    for title in ("once", "twice"):
        edit = edited_manifest(title=title, source_type="humanEdits", generator="g")
        data = sign_bytes(data, PNG, edit, signer, parent=parent_ingredient(title))
    credential = read_credential_bytes(data, None, anchors)
    assert credential.library.state == "Trusted"
    assert axes(credential) == ("ok", "trusted", "none", "failed")
    assert credential.is_broken


def test_a_changed_component_is_an_ancestor_too(signed, png, anchors):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    key, chain, _ = certificates("O", "C")
    manifest = created_manifest(title="a", source_type="composite", generator="g")
    part = {"title": "c", "relationship": "componentOf"}
    data = sign(png, PNG, manifest, key, chain, components=((part, bytes(changed)),))
    assert read_credential_bytes(data, None, anchors).ancestors == "failed"


# --- cost ----------------------------------------------------------------------------------------

# CPU time, since the machine may be busy; the high-water mark of this process's own address space,
# since ru_maxrss remembers the parent's
CHILD = """
import resource, sys, time
from pathlib import Path
from provenance.credentials import load_trust_anchors, read_credential
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
nobody = load_trust_anchors([])
read_credential(Path(sys.argv[1]), None, nobody)
for name in sys.argv[2:]:
    begin = time.process_time()
    credential = read_credential(Path(name), None, nobody)
    spent = time.process_time() - begin
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    print(f"{spent:.3f} {peak} {credential.integrity} {name}")
"""


def costs(warm, *paths):
    """Return (CPU seconds, peak MiB so far, integrity, path) of each file, read in a child."""
    command = [sys.executable, "-c", CHILD, str(warm), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    return [(float(cpu), int(peak), integrity, path) for cpu, peak, integrity, path in rows]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_hostile_fixtures_end_soon_and_take_little(c2pa_data, signed):
    paths = [c2pa_data / "fixtures" / name for name in HOSTILE]
    found = costs(signed, *paths)
    assert len(found) == len(HOSTILE)
    for cpu_s, peak_mib, integrity, path in found:
        assert cpu_s < MAX_CPU_S, path
        assert peak_mib < MAX_MIB, path
        assert integrity != "ok", path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_manifests_end_soon_and_take_little(tmp_path, png, signed):
    key, chain, _ = certificates("O", "C")

    def manifest(*actions):
        made = created_manifest(title="a", source_type="digitalCapture", generator="g")
        made["assertions"][0]["data"]["actions"] += actions
        return made

    nested = manifest()
    nested["assertions"].append({"label": "com.example.n", "data": json.loads("[" * 99 + "]" * 99)})
    parts = manifest()
    parts["ingredients"] = [
        {"title": f"{n}", "format": PNG, "relationship": "componentOf", "instance_id": f"i:{n}"}
        for n in range(500)
    ]
    many = manifest()
    many["assertions"] += [{"label": f"com.example.a{n}", "data": {"n": n}} for n in range(1000)]
    made = {
        "actions": manifest(*[{"action": "c2pa.edited", "description": "x"}] * 15_000),
        "nested": nested,
        "ingredients": parts,
        "assertions": many,
    }
    paths = [tmp_path / f"{name}.png" for name in made]
    for path, one in zip(paths, made.values(), strict=True):
        path.write_bytes(sign(png, PNG, one, key, chain))
    for cpu_s, peak_mib, integrity, path in costs(signed, *paths):
        assert cpu_s < MAX_CPU_S, path
        assert peak_mib < MAX_MIB, path
        assert integrity == "ok", path


def report_of(**store):
    return json.dumps({"validation_state": "Trusted", "manifests": {}, **store})


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (" " * (8 << 20) + report_of(), "exceeds 8 MiB"),
        (report_of(manifests={f"m{n}": {} for n in range(1001)}), "1001 manifests"),
        (report_of(manifests={"m": {"ingredients": [{}] * 10_001}}), "10001 ingredients"),
    ],
)
def test_a_report_that_would_take_long_is_not_walked(signed, anchors, monkeypatch, report, word):
    monkeypatch.setattr(c2pa.Reader, "json", lambda _: report)
    monkeypatch.setattr(examination, "_judge", lambda *_: pytest.fail("it was walked"))
    credential = read_credential(signed, None, anchors)
    assert axes(credential) == ("none",) * 4
    assert credential.is_present
    assert word in credential.error


@pytest.mark.parametrize(
    "report",
    [
        "[" * 200_000,
        "[" * 200_000 + "]" * 200_000,
        '{"a":' * 100_000,
        "nonsense",
        "[]",
        '{"manifests": []}',
        '{"manifests": {"a": 1}, "active_manifest": "a"}',
        '{"manifests": {"a": {"ingredients": [1]}}, "active_manifest": "a"}',
        '{"manifests": {"a": {"assertions": 1}}, "active_manifest": "a"}',
        '{"validation_results": []}',
        '{"validation_results": {"activeManifest": {"failure": [1]}}}',
        '{"validation_results": {"ingredientDeltas": [{"validationDeltas": 1}]}}',
    ],
)
def test_a_report_of_another_shape_is_a_damaged_credential(signed, anchors, monkeypatch, report):
    monkeypatch.setattr(c2pa.Reader, "json", lambda _: report)
    credential = read_credential(signed, None, anchors)
    assert credential.integrity == "failed"
    assert credential.is_present
    json.dumps(credential.to_json(), allow_nan=False)


@pytest.mark.parametrize("length", [1001, 5000])
def test_a_long_line_of_parents_is_followed_so_far_only(length):
    from provenance.credentials.reading.statements import lineage

    manifests = {
        str(n): {"ingredients": [{"relationship": "parentOf", "active_manifest": str(n + 1)}]}
        for n in range(length)
    }
    assert len(list(lineage({"active_manifest": "0", "manifests": manifests}))) == 200
    circle = {"0": {"ingredients": [{"relationship": "parentOf", "active_manifest": "0"}]}}
    assert len(list(lineage({"active_manifest": "0", "manifests": circle}))) == 1


# --- every exception of the library has a place --------------------------------------------------

ERRORS = [
    (c2pa.C2paError.Assertion("x"), "failed"),
    (c2pa.C2paError.AssertionNotFound("x"), "failed"),
    (c2pa.C2paError.Decoding("x"), "failed"),
    (c2pa.C2paError.Encoding("x"), "error"),
    (c2pa.C2paError.FileNotFound("x"), "error"),
    (c2pa.C2paError.Io("x"), "error"),
    (c2pa.C2paError.Json("x"), "failed"),
    (c2pa.C2paError.Manifest("x"), "failed"),
    (c2pa.C2paError.ManifestNotFound("x"), "none"),
    (c2pa.C2paError.NotSupported("x"), "none"),
    (c2pa.C2paError.Other("x"), "error"),
    (c2pa.C2paError.RemoteManifest("x"), "error"),
    (c2pa.C2paError.ResourceNotFound("x"), "error"),
    (c2pa.C2paError.Signature("x"), "failed"),
    (c2pa.C2paError.UntrackedPointer("x"), "error"),
    (c2pa.C2paError.Verify("x"), "failed"),
    (c2pa.C2paError.WrongPointerType("x"), "error"),
    (c2pa.C2paError("x"), "error"),
    (c2pa.C2paError("Remote: must fetch remote manifests from url http://a/b"), "remote"),
    (c2pa.C2paError("Other: prerelease content detected"), "present"),
    (MemoryError(), "error"),
]


def test_the_list_of_exceptions_is_complete():
    known = {value for value in vars(c2pa.C2paError).values() if isinstance(value, type)}
    assert known == {type(error) for error, _ in ERRORS} & known


@pytest.mark.parametrize(("error", "place"), ERRORS, ids=lambda value: repr(value)[:40])
def test_exceptions(png, signed, nobody, monkeypatch, error, place):
    def fail(*_, **__):
        raise error

    def outcome(data):
        credential = read_credential_bytes(data, PNG, nobody)
        assert credential.conclusion.endswith(".")
        if credential.error:
            return "error"
        if credential.integrity == "failed":
            return "failed"
        return (
            ("remote" if credential.remote_url else "present") if credential.is_present else "none"
        )

    monkeypatch.setattr(c2pa.Reader, "__init__", fail)
    assert outcome(png) == place
    # where a manifest store begins in the file, an unknown failure is that of a credential
    unknown = place == "error" and not isinstance(error, MemoryError)
    assert outcome(signed.read_bytes()) == ("failed" if unknown else place)
