"""The scan: rows in order whatever happens to workers, windows cut once, batches bounded."""

import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest

from provenance import InputSpec, MediaKind, Verdict
from provenance.errors import ProvenanceError
from provenance.media import encode_png
from provenance.scanning import ScanLimits, ScanOptions, scan


@dataclass
class Opinion:
    applicable: bool = True
    probability: float | None = 0.9
    says: Verdict = Verdict.SYNTHETIC
    reason: str = "as told"


@dataclass
class FakeJudge:
    """Says the same of every file, and keeps what it was shown."""

    name: str = "fake"
    version: str = "1"
    input: InputSpec = field(default_factory=InputSpec)
    kinds: frozenset[MediaKind] = frozenset({MediaKind.IMAGE})
    opinion: Opinion = field(default_factory=Opinion)
    batches: list = field(default_factory=list)

    def judge(self, windows):
        self.batches.append([list(cut) for cut in windows])
        return [self.opinion for _ in windows]


def rows_of(*paths, **options):
    detectors = options.pop("detectors", ())
    options.setdefault("jobs", 2)
    results = scan(list(paths), detectors=detectors, options=ScanOptions(**options))
    return [item.row for item in results]


def write(folder, **contents):
    folder.mkdir(exist_ok=True)
    for name, word in contents.items():
        (folder / f"{name}.txt").write_text(f"DO {word}\n")
    return folder


def pictures(folder, count, side=40):
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(encode_png(np.full((side, side, 3), i, np.uint8)))
    return folder


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("DIE", "SIGKILL, as the system does when memory runs out"),
        ("CRASH", "SIGABRT"),
        ("LEAVE", "exit code 0"),
        ("HANG", "took longer than the limit of 1.5 s"),
        ("SPIN", "took longer than the limit of 1.5 s"),
        ("EAT", "needs more memory than the limit of 256 MiB"),
        ("RAISE", "fake failed: RuntimeError: on purpose"),
        ("EXIT", "fake failed: SystemExit: 3"),
        ("CHANNEL", "fake failed: ValueError: 'exif' is not a valid Channel"),
        ("REAL", "fake failed: ValueError: 'real' is not a valid Verdict"),
        ("WRONG", "fake failed: ValueError: fake@1 gives a probability of 7.0"),
    ],
)
def test_a_file_that_ends_its_worker_costs_itself_alone(only_fakes, word, error):
    folder = write(only_fakes / "files", a="SAY", b=word, c="SAY", d="SAY")
    limits = ScanLimits(file_s=1.5, worker_bytes=256 << 20)
    rows = rows_of(folder, jobs=1, limits=limits)
    assert [Path(row.path).name for row in rows] == ["a.txt", "b.txt", "c.txt", "d.txt"]
    assert error in rows[1].error
    assert rows[1].verdict == Verdict.ERROR
    assert [row.verdict for row in (rows[0], *rows[2:])] == [Verdict.SYNTHETIC] * 3


def test_many_deaths_in_a_row_are_survived(only_fakes):
    words = {f"f{i:02}": "SAY" if i % 3 == 2 else "LEAVE" for i in range(9)}
    rows = rows_of(write(only_fakes / "files", **words))
    assert [row.error is None for row in rows] == [i % 3 == 2 for i in range(9)]


def test_settings_reach_the_readers_and_odd_details_become_json(only_fakes):
    folder = write(only_fakes / "files", a="SAY", b="ODD", c="PRINT")
    said, odd, _ = rows_of(folder, settings={"trust_anchors": ["x.pem"]})
    assert said.evidence[0].detail == {
        "settings": {"trust_anchors": ["x.pem"]},
        "media_type": "text/plain",
    }
    assert odd.to_json()["evidence"][0]["detail"] == {
        "1": None,
        "deep": {"bytes": "b'x'", "set": [1]},
        "path": odd.path,
    }


def test_a_reader_that_cannot_be_built_is_told_once(only_fakes, monkeypatch, caplog):
    monkeypatch.setenv("PROVENANCE_LOAD_PLUGINS", "zz-fake,zz-broken")
    monkeypatch.setattr(logging.getLogger("provenance"), "propagate", True)
    rows = rows_of(write(only_fakes / "files", a="SAY", b="LEAVE", c="SAY"))
    assert [row.verdict for row in rows] == ["synthetic", "error", "synthetic"]
    told = [record.message for record in caplog.records]
    assert told == ["Evidence reader broken left out: OSError: cannot be built"]


def test_workers_that_never_start_are_an_error(only_fakes, monkeypatch):
    (only_fakes / "site" / "zz_fake.py").write_text("import os; os._exit(9)\n")
    with pytest.raises(ProvenanceError, match=r"cannot be started \(exit code 9\)"):
        rows_of(write(only_fakes / "files", a="SAY"))


def test_hash_size_and_kind(only_fakes):
    folder = pictures(only_fakes / "files", 1)
    (row,) = rows_of(folder)
    data = (folder / "000.png").read_bytes()
    assert row.size_bytes == len(data)
    assert row.kind is MediaKind.IMAGE
    assert len(row.sha256) == 64
    assert row.verdict == Verdict.NO_EVIDENCE


def test_equal_inputs_share_windows_and_the_rest_is_cut_apart(only_fakes):
    folder = pictures(only_fakes / "files", 3, side=40)
    crop, tiles = InputSpec("crop", 32), InputSpec("tiles", 20)
    judges = [FakeJudge("a", input=crop), FakeJudge("b", input=crop), FakeJudge("c", input=tiles)]
    rows = rows_of(folder, detectors=judges)
    assert [len(cut) for cut in judges[0].batches[0]] == [1, 1, 1]
    assert judges[0].batches[0][2][0].shape == (32, 32, 3)
    assert [len(cut) for cut in judges[2].batches[0]] == [4, 4, 4]
    assert {int(piece[0, 0, 0]) for cut in judges[1].batches[0] for piece in cut} == {0, 1, 2}
    assert all(len(row.evidence) == 3 for row in rows)


def test_batches_have_the_size_asked_for(only_fakes):
    judge = FakeJudge()
    rows = rows_of(pictures(only_fakes / "files", 10), detectors=[judge], batch_size=4)
    assert len(rows) == 10
    assert sum(map(len, judge.batches)) == 10
    assert max(map(len, judge.batches)) <= 4


def test_a_detector_that_fails_abstains_and_the_others_count(only_fakes, monkeypatch, caplog):
    class Failing(FakeJudge):
        def judge(self, windows):
            raise SystemExit(1)

    class Short(FakeJudge):
        def judge(self, windows):
            return []

    monkeypatch.setattr(logging.getLogger("provenance"), "propagate", True)
    folder = pictures(only_fakes / "files", 3)
    judges = [Failing("failing"), Short("short"), FakeJudge("good")]
    rows = rows_of(folder, detectors=judges, batch_size=1)
    assert [row.verdict for row in rows] == [Verdict.SYNTHETIC] * 3
    reasons = [said.reason for said in rows[0].evidence]
    assert reasons == [
        "failing abstains: failed: SystemExit: 1",
        "short abstains: failed: ValueError: 0 opinions of 1 files",
        "good as told",
    ]
    assert len(caplog.records) == 2  # once each, not per batch


@pytest.mark.parametrize("fault", ["raises", "says nonsense"])
def test_one_odd_file_does_not_silence_a_detector_on_its_neighbours(only_fakes, fault):
    class Picky(FakeJudge):
        def judge(self, windows):
            odd = [int(cut[0][0, 0, 0]) == 3 for cut in windows]
            if fault == "raises" and any(odd):
                raise ValueError("odd")
            return [Opinion(says="odd") if is_odd else self.opinion for is_odd in odd]

    rows = rows_of(pictures(only_fakes / "files", 6), detectors=[Picky()])
    assert [row.probability is None for row in rows] == [i == 3 for i in range(6)]
    assert rows[3].evidence[0].reason.startswith("fake abstains: failed: ValueError: ")


def test_abstentions_say_why(only_fakes):
    folder = pictures(only_fakes / "files", 1, side=16)
    write(folder, text="SAY")
    judges = [
        FakeJudge("large", input=InputSpec("crop", 64)),
        FakeJudge("unsure", opinion=Opinion(False, None, Verdict.NO_EVIDENCE, "too smooth")),
    ]
    picture, text = rows_of(folder, detectors=judges)
    assert [said.reason for said in picture.evidence] == [
        "large abstains: 16 x 16 px is below the 64 px that are needed",
        "unsure abstains: too smooth",
    ]
    assert (picture.verdict, picture.probability) == (Verdict.NO_EVIDENCE, None)
    assert [said.source for said in text.evidence] == ["fake@1"]


def test_text_detectors_see_text(only_fakes):
    judge = FakeJudge(kinds=frozenset({MediaKind.TEXT}))
    folder = write(only_fakes / "files", a="NOTHING")
    pictures(folder, 1)
    picture, text = rows_of(folder, detectors=[judge])
    assert judge.batches == [[["DO NOTHING\n"]]]
    assert (picture.evidence, text.verdict) == ((), Verdict.SYNTHETIC)


def test_rows_keep_the_order_of_the_walk_behind_a_slow_file(only_fakes):
    folder = pictures(only_fakes / "files", 6)
    write(folder, **{"!slow": "HANG"})
    rows = rows_of(folder, limits=ScanLimits(file_s=1.0), detectors=[FakeJudge()])
    assert [row.path for row in rows] == sorted(row.path for row in rows)
    assert "longer" in rows[0].error


def test_a_file_over_the_limit_of_bytes_is_hashed_and_its_evidence_read(only_fakes):
    folder = pictures(only_fakes / "files", 1)
    write(folder, text="SAY")
    picture, text = rows_of(folder, limits=ScanLimits(max_bytes=1000))
    size = (folder / "000.png").stat().st_size
    assert picture.error == f"{size:,} bytes are over the limit of 1,000"
    assert len(picture.sha256) == 64
    assert text.verdict == Verdict.SYNTHETIC


def test_thumbnails_only_when_asked(only_fakes):
    folder = pictures(only_fakes / "files", 1, side=300)
    (without,) = scan([folder], options=ScanOptions())
    (with_one,) = scan([folder], options=ScanOptions(thumbnails=True))
    assert without.thumbnail is None
    assert with_one.thumbnail.startswith(b"\xff\xd8")


def test_closing_early_ends_the_workers(only_fakes):
    folder = write(only_fakes / "files", a="SAY", b="HANG", c="HANG")
    results = scan([folder], options=ScanOptions(jobs=2))
    next(results)
    workers = [
        p for p in psutil.Process().children() if "provenance.workers" in " ".join(p.cmdline())
    ]
    assert workers
    results.close()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive


def test_no_worker_is_started_for_nothing(only_fakes):
    folder = only_fakes / "files"
    folder.mkdir()
    (folder / "loop").symlink_to(".")
    start = time.perf_counter()
    (row,) = rows_of(folder)
    assert row.error == "symbolic link, not followed"
    assert time.perf_counter() - start < 0.2


def test_a_file_swapped_for_a_pipe_after_the_walk_is_not_waited_for(tmp_path):
    from provenance.errors import UnreadableError
    from provenance.scanning.worker import read_content

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="no longer a regular file"):
        read_content(str(tmp_path / "pipe"), 1000)
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        read_content(str(tmp_path / "link"), 1000)


def test_workers_never_import_torch_or_sklearn():
    """An import of the worker and of all that it uses; detectors stay in the main process."""
    import subprocess
    import sys

    code = (
        "import sys; from provenance.scanning.worker import build_readers, examine;"
        "from provenance.scanning.messages import WorkerPlan; plan = WorkerPlan();"
        "readers, _ = build_readers(plan); examine(sys.executable, plan, readers);"
        "print(sorted({'torch', 'sklearn', 'timm', 'skimage'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
