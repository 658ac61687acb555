"""What hostile files may cost: time and memory of reading, and reports of any size and shape."""

import json
import subprocess
import sys
from pathlib import Path

import c2pa
import pytest
from impostors import certificates, sign

from provenance.credentials import created_manifest, read_credential
from provenance.credentials.reading import examination

PNG = "image/png"
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
    assert (credential.integrity, credential.signer) == ("none", "none")
    assert (credential.time, credential.ancestors) == ("none", "none")
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
