"""What a worker makes of one file, where no other process is needed to see it."""

import os

import numpy as np
import pytest

from provenance import Channel, Evidence, EvidenceSpec, InputSpec, MediaKind, Verdict
from provenance.errors import UnreadableError
from provenance.media import encode_png
from provenance.scanning.messages import ScanLimits, WorkerPlan
from provenance.scanning.worker import Reader, examine

PLAN = WorkerPlan(inputs=((InputSpec(), frozenset({MediaKind.IMAGE})),))
SAID = Evidence(Channel.METADATA, "fake@1", Verdict.SYNTHETIC, reason="it says so")


def reader(read):
    class Fake:
        def read(self, path, media_type):
            return read(path)

    return Reader(EvidenceSpec("fake", "1", None, "fake", "MIT"), Fake())


def cannot(path):
    raise UnreadableError("its credential could not be examined")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((40, 40, 3), np.uint8)))
    return path


@pytest.mark.parametrize("where", ["decode_bytes", "cut_windows"])
def test_too_little_memory_for_pixels_keeps_the_evidence(picture, monkeypatch, where):
    def starve(*_):
        raise MemoryError

    monkeypatch.setattr(f"provenance.media.{where}", starve)
    finding = examine(str(picture), PLAN, [reader(lambda path: [SAID])])
    assert (finding.evidence, len(finding.sha256)) == ((SAID,), 64)
    assert finding.error == "needs more memory than the limit of 1,024 MiB"
    assert finding.retire
    assert finding.windows == ("could not be decoded",)


def test_a_file_that_a_reader_cannot_examine_is_an_error(picture):
    finding = examine(str(picture), PLAN, [reader(cannot)])
    assert finding.error == "fake: its credential could not be examined"
    assert len(finding.windows[0]) == 1  # detectors look at it all the same


def test_a_damaged_file_has_one_error_and_the_rest_is_a_note(picture):
    picture.write_bytes(picture.read_bytes()[:2000])
    finding = examine(str(picture), PLAN, [reader(cannot)])
    assert finding.error == "truncated: the PNG ends at byte 2,000, without IEND"
    assert "fake: its credential could not be examined" in finding.notes


def test_an_empty_file_is_asked_nothing(picture):
    picture.write_bytes(b"")
    finding = examine(str(picture), PLAN, [reader(cannot)])
    assert (finding.error, finding.notes) == ("the file is empty", ())


def test_a_file_that_grows_while_it_is_read_says_so(picture, monkeypatch):
    status = picture.stat()
    shorter = os.stat_result((*status[:6], status.st_size - 100, *status[7:]))
    monkeypatch.setattr("provenance.scanning.worker.os.fstat", lambda _: shorter)
    finding = examine(str(picture), PLAN, [])
    assert finding.error == "changed while it was read"


def test_a_file_over_the_limit_still_says_that(picture):
    finding = examine(str(picture), WorkerPlan(limits=ScanLimits(max_bytes=1000)), [])
    assert finding.error.endswith("bytes are over the limit of 1,000")
