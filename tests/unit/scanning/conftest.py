"""Fake evidence readers, as distributions that workers load."""

import fake_distribution
import pytest

# What the reader does stands in the file that it reads; everything that a native library in a
# worker may do to it is done here on purpose.
READER = """
import os, signal, sys, time
import provenance
from provenance import Channel, Evidence, EvidenceSpec, Verdict

class Reader:
    def __init__(self, settings):
        self.settings = settings

    def read(self, path, media_type):
        text = path.read_bytes()[:200].decode(errors="replace")
        word = text.partition("DO ")[2].split("\\n")[0]
        if word == "DIE":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "CRASH":
            os.abort()
        if word == "LEAVE":
            os._exit(0)
        if word == "HANG":
            time.sleep(1e6)
        if word == "SPIN":
            while True:
                pass
        if word == "EAT":
            hoard = []
            while True:
                hoard.append(bytearray(64 << 20))
        if word == "RAISE":
            raise RuntimeError("on purpose")
        if word == "EXIT":
            sys.exit(3)
        if word == "PRINT":
            print("noise")
            os.write(1, b"native noise\\n")
        if word == "ODD":
            detail = {1: float("nan"), "deep": {"bytes": b"x", "set": {1}}, "path": path}
            return [Evidence(Channel.METADATA, "fake@1", Verdict.EDITED, None, "odd", detail)]
        if word == "CHANNEL":
            return [Evidence("exif", "fake@1", Verdict.EDITED)]
        if word == "REAL":
            return [Evidence(Channel.METADATA, "fake@1", "real")]
        if word == "WRONG":
            return [Evidence(Channel.METADATA, "fake@1", Verdict.EDITED, 7.0)]
        if word == "SAY":
            detail = {"settings": dict(self.settings), "media_type": media_type}
            said = (Channel.METADATA, "fake@1", Verdict.SYNTHETIC, None, "it says so", detail)
            return [Evidence(*said)]
        return []

@provenance.hookimpl
def register_evidence(register):
    register(EvidenceSpec("fake", "1", None, "fake", "MIT"), Reader)
"""
BROKEN_FACTORY = """
import provenance
from provenance import EvidenceSpec

def factory(settings):
    raise OSError("cannot be built")

@provenance.hookimpl
def register_evidence(register):
    register(EvidenceSpec("broken", "1", None, "broken", "MIT"), factory)
"""


@pytest.fixture
def only_fakes(tmp_path, monkeypatch):
    """Workers load the fake reader and no built-in plugin: starts are fast, rows are known."""
    fake_distribution.install(tmp_path / "site", "zz-fake", READER)
    fake_distribution.install(tmp_path / "site", "zz-broken", BROKEN_FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PROVENANCE_LOAD_PLUGINS", "zz-fake")
    return tmp_path
