"""Mutated files of every format: no crash, no traceback, bounded time, and nothing believed.

They are read, and signed as parents, in a process of their own: a crash of the native library, a
bomb of memory or an endless loop ends that process, and the test fails instead of the run.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import ranges
from carriers import FORMATS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.credentials import sign_bytes

MAX_READ_S = 1.0
N_MUTATIONS = 90  # of each of 18 formats
EXTREMES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
HEADER_BYTES = 64
STEADY = settings(
    max_examples=N_MUTATIONS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Victim:
    """The process that reads; started anew after it died."""

    def __init__(self, folder, command):
        self._path = folder / "hostile"
        self._command = command
        self._process = None

    def examine(self, data):
        """Return the answer on ``data``; fail where the process dies of it."""
        self._path.write_bytes(data)
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
        self._process.stdin.write(f"{self._path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, trace = self._process.communicate()
            code, self._process = self._process.returncode, None
            pytest.fail(f"the reading process ended with {code}: {trace[-2000:]}")
        return json.loads(line)

    def end(self):
        if self._process is not None:
            self._process.communicate()


@pytest.fixture(scope="module")
def victims():
    """Processes by configuration; one in fact, which lives as long as this module's tests."""
    found = {}
    yield found
    for victim in found.values():
        victim.end()


@pytest.fixture
def victim(victims, tmp_path_factory, anchors):
    if "only" not in victims:
        folder = tmp_path_factory.mktemp("victim")
        roots = folder / "roots.pem"
        roots.write_text("".join(one.pem for one in anchors.lists))
        script = Path(__file__).with_name("victim.py")
        victims["only"] = Victim(folder, [sys.executable, script, roots])
    return victims["only"]


def places(data, media_type):
    """Draw where to strike: anywhere, in the header, or at the edges of the manifest."""
    edges = [at for stretch in ranges.uncovered(data, media_type) for at in stretch]
    near = [edge + by for edge in edges for by in range(-12, 13) if 0 <= edge + by < len(data)]
    return st.one_of(
        st.integers(0, len(data) - 1), st.integers(0, HEADER_BYTES), st.sampled_from(near)
    )


def mutations(data, media_type, donor):
    """Draw one to four changes, each a function of bytes."""
    at, n = places(data, media_type), st.one_of(st.integers(1, 16), st.integers(1, 5000))
    noise = st.integers(0, 999).map(lambda seed: random.Random(seed).randbytes)
    start, end = ranges.manifest(data, media_type)
    one = st.one_of(
        st.builds(lambda a: lambda d: d[:a], at),
        st.builds(lambda a, k: lambda d: d[:a] + d[a + k :], at, n),
        st.builds(lambda a, k, r: lambda d: d[:a] + r(k) + d[a:], at, n, noise),
        st.builds(lambda a, k, r: lambda d: d[:a] + r(k) + d[a + k :], at, n, noise),
        st.builds(lambda a, k: lambda d: d[:a] + bytes(k) + d[a + k :], at, n),
        st.builds(lambda a, k: lambda d: d[:a] + d[a : a + k] + d[a:], at, n),
        st.builds(lambda a, b, k: lambda d: d[:b] + d[a : a + k] + d[b + k :], at, at, n),
        st.builds(lambda a, b, k: lambda d: d[:a] + donor[b : b + k] + d[a:], at, at, n),
        st.builds(lambda a: lambda d: d[:a] + data[start:end] + d[a:], at),
        st.builds(
            lambda a, value, order: lambda d: d[:a] + value.to_bytes(4, order) + d[a + 4 :],
            at,
            st.sampled_from(EXTREMES),
            st.sampled_from(["big", "little"]),
        ),
    )
    return st.lists(one, min_size=1, max_size=4)


def test_a_death_of_the_reading_process_is_a_failure(tmp_path):
    dying = "import os, sys; sys.stdin.readline(); os.abort()"
    with pytest.raises(pytest.fail.Exception, match="ended with -6"):
        Victim(tmp_path, [sys.executable, "-c", dying]).examine(b"")


@pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
def test_any_mutation(victim, manifest, signer, made):
    data = sign_bytes(made.make(), made.media_type, manifest, signer)
    donor = sign_bytes(FORMATS["jpeg"].make(), "image/jpeg", manifest, signer)
    expected = victim.examine(data)["report"]
    assert (expected["integrity"], expected["signer"]) == ("ok", "trusted")
    content = [data[start:end] for start, end in ranges.covered(data, made.media_type)]
    found = []

    @STEADY
    @given(mutations(data, made.media_type, donor))
    def check(changes):
        mutated = data
        for change in changes:
            mutated = change(mutated)
        answer = victim.examine(mutated)
        found.append(answer["report"]["integrity"])
        assert answer["read_s"] < MAX_READ_S
        if found[-1] == "ok":
            assert answer["report"] == expected
            assert all(stretch in mutated for stretch in content)
        if found[-1] == "failed":  # nobody launders it by signing anew
            assert "refused" in answer or answer["signed"]["ancestors"] == "failed"

    check()
    assert len(found) >= N_MUTATIONS
    assert "failed" in found
