"""What verifying and signing many files costs, against a bare loop over the library's own calls.

Run by ``make bench``, or alone: ``python tests/benchmarks/credentials.py``. Prints JSON lines, and
exits with 1 when a target is missed. Needs no data: 200 JPEG of 1 MP are made of smooth noise.

``bare``    The calls of c2pa-python that the task needs, one after the other, with our settings:
            Reader.try_create, json and state; Builder.sign into a file under its final name.
``verify``  What ``provenance verify FOLDER`` does for a file: recognise it, look for sidecars and
            credentials, put them on axes; in worker processes, also with one.
``sign``    What ``provenance sign FOLDER --out`` does: look for a credential that must be kept, sign
            aside, flush to the disk, rename; with one worker in the main process.

Each round measures all variants one after the other, and ratios are taken within a round, so that
whatever else the machine does falls on all. The rate of workers is given from the first result on,
and once more with the start of the processes. Writing to a screen is in none of the figures.
"""

import argparse
import functools
import itertools
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

SIDE_PX = 1000
NOISE = 5.0  # makes about 224 kB at quality 90
SEED = 7
LEAST_OF_BARE = 0.85
LEAST_OF_TWO = 1.6
MOST_GROWTH_BYTES = 16 << 20
EARLY_FILES = 1_000
Results = Iterator[object]


@dataclass(frozen=True)
class Pace:
    """How fast one variant was.

    Attributes:
        rate: Files per second from the first result on.
        rate_with_start: Files per second, the start of processes included.
        cpu_ms: CPU time per file of all processes, start included.
    """

    rate: float
    rate_with_start: float
    cpu_ms: float


def main() -> int:
    """Measure, print, and say by the exit code whether all targets were met."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="provenance-bench-") as name:
        folder = Path(name)
        os.environ["PROVENANCE_CONFIG_DIR"] = str(folder / "config")
        bench = Bench(folder, arguments.files)
        paces = measure(bench.variants(), arguments.rounds)
        rows = [*pace_rows(paces), *ratio_rows(paces)]
        rows += [memory_row(bench, task, arguments.memory_files) for task in ("verify", "sign")]
        about = {
            "files": arguments.files,
            "mean_bytes": bench.mean_bytes,
            "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[0], 2),
        }
    for row in rows:
        print(json.dumps({"benchmark": "credentials", **row, **about}))  # noqa: T201 - the result
    return int(any(row.get("met") is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of verifying and signing.")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-files", type=int, default=5_000)
    return parser.parse_args()


class Bench:
    """The files, and what is done with them."""

    def __init__(self, folder: Path, count: int) -> None:
        from provenance.credentials import CredentialSession, load_trust_anchors

        self.session = CredentialSession(generator="benchmark", model="noise")
        self.plain = folder / "plain"
        self.signed = folder / "signed"
        self.out = folder / "out"
        for one in (self.plain, self.signed, self.out):
            one.mkdir()
        self.names = [f"{i:04}.jpg" for i in range(count)]
        for name, data in zip(self.names, noise_jpegs(), strict=False):
            (self.plain / name).write_bytes(data)
        for name in self.names:
            self.session.sign(self.plain / name, self.signed / name)
        self.trust = load_trust_anchors(None)
        self.mean_bytes = round(
            statistics.mean((self.plain / n).stat().st_size for n in self.names)
        )

    def variants(self) -> dict[tuple[str, str], Callable[[], Results]]:
        """Return (task, way) to a function that begins to work on all files."""
        return {
            ("verify", "bare"): self.verify_bare,
            ("verify", "here"): self.verify_here,
            ("verify", "1"): functools.partial(self.verify, self.names, 1),
            ("verify", "2"): functools.partial(self.verify, self.names, 2),
            ("sign", "bare"): self.sign_bare,
            ("sign", "1"): functools.partial(self.sign, self.names, 1),
            ("sign", "2"): functools.partial(self.sign, self.names, 2),
        }

    def verify_bare(self) -> Results:
        import c2pa

        from provenance.credentials.engine import context

        settings = context(self.trust.manifest)
        for name in self.names:
            with (self.signed / name).open("rb") as stream:
                reader = c2pa.Reader.try_create("image/jpeg", stream, context=settings)
                assert reader is not None
                with reader:
                    yield reader.json(), check(reader.get_validation_state(), "Trusted")

    def verify_here(self) -> Results:
        """What a worker does, without the worker."""
        read = self._reader()()
        for name in self.names:
            path = str(self.signed / name)
            yield check(read(self._item(path)).credential.signer, "trusted")

    def verify(self, names: "Iterator[str] | list[str]", jobs: int) -> Results:
        """What ``provenance verify`` does."""
        from provenance.cli.credential_files import lost
        from provenance.workers import map_in_workers

        items = (self._item(str(self.signed / name)) for name in names)
        options = {"jobs": jobs, "lost": lost, "item_s": 60.0, "worker_bytes": 2 << 30}
        with closing(map_in_workers(self._reader(), items, **options)) as results:
            for read in results:
                yield check(read.credential.signer, "trusted")

    def sign_bare(self) -> Results:
        import c2pa

        from provenance.credentials.engine import context
        from provenance.credentials.signing.planning import plan
        from provenance.credentials.signing.sources import source_of_path

        settings, native = context(), self.session.signer.native()
        made = plan(source_of_path(self.plain / self.names[0]), self.session.recipe, title="a.jpg")
        manifest = json.dumps(made.job.manifest)
        for name in self.names:
            with (
                (self.plain / name).open("rb") as source,
                (self.out / name).open("w+b") as destination,
                c2pa.Builder(manifest, settings) as builder,
            ):
                yield builder.sign(native, "image/jpeg", source, destination)

    def sign(self, names: "Iterator[str] | list[str]", jobs: int) -> Results:
        """What ``provenance sign`` does with a folder."""
        from provenance.credentials import sign_many

        pairs = ((self.plain / name, self.out / name) for name in names)
        with closing(sign_many(pairs, self.session, jobs=jobs)) as rows:
            for row in rows:
                yield check(row.state, "signed")

    def _reader(self) -> Callable[[], Callable[[object], object]]:
        from provenance.cli.credential_files import make_reader
        from provenance.credentials import ReadingOptions

        return functools.partial(make_reader, self.trust, ReadingOptions(), None)

    @staticmethod
    def _item(path: str) -> object:
        from provenance.cli.credential_files import Item

        return Item(path, path)


def noise_jpegs() -> Iterator[bytes]:
    """Yield JPEG of 1 MP and of a realistic size: waves, and fine noise over them."""
    from provenance.media import encode_jpeg

    generator = np.random.default_rng(SEED)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    noise = generator.normal(0.0, NOISE, (SIDE_PX, SIDE_PX, 1))
    while True:
        waves = [np.sin(a * x + b * y) for a, b in generator.uniform(2, 20, (3, 2))]
        shifted = np.roll(noise, int(generator.integers(SIDE_PX)), axis=0)
        pixels = 128 + 80 * np.stack(waves, axis=-1) + shifted
        yield encode_jpeg(pixels.clip(0, 255).astype(np.uint8), quality=90)


def check(value: str | None, wanted: str) -> str:
    """Return a value that is as it should be: speed without the result counts nothing."""
    if value != wanted:
        raise RuntimeError(f"expected {wanted}, not {value}")
    return wanted


def measure(
    variants: dict[tuple[str, str], Callable[[], Results]], rounds: int
) -> dict[tuple[str, str], list[Pace]]:
    """Run all variants in turn, round by round, after one round to warm up."""
    paces: dict[tuple[str, str], list[Pace]] = {key: [] for key in variants}
    for number in range(rounds + 1):
        for key, begin in variants.items():
            one = pace(begin)
            if number:
                paces[key].append(one)
    return paces


def pace(begin: Callable[[], Results]) -> Pace:
    """Run one variant over all files."""
    cpu_before, start = _cpu_s(), time.perf_counter()
    results = begin()
    next(results)
    first = time.perf_counter()
    count = 1 + sum(1 for _ in results)
    end = time.perf_counter()
    cpu_ms = 1000 * (_cpu_s() - cpu_before) / count
    return Pace((count - 1) / (end - first), count / (end - start), cpu_ms)


def _cpu_s() -> float:
    """Return CPU seconds of this process and of all processes of its that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def pace_rows(paces: dict[tuple[str, str], list[Pace]]) -> Iterator[dict[str, object]]:
    """Yield what was measured of each variant: medians over the rounds."""
    for (task, way), found in paces.items():
        yield {
            "task": task,
            "way": way if way in ("bare", "here") else f"{way} workers",
            "files_per_s": round(statistics.median(one.rate for one in found), 1),
            "files_per_s_with_start": round(
                statistics.median(one.rate_with_start for one in found), 1
            ),
            "cpu_ms_per_file_with_start": round(statistics.median(one.cpu_ms for one in found), 3),
        }


def ratio_rows(paces: dict[tuple[str, str], list[Pace]]) -> Iterator[dict[str, object]]:
    """Yield ratios, taken round by round, with their targets."""
    for task in ("verify", "sign"):
        for way, base, target in (("1", "bare", LEAST_OF_BARE), ("2", "1", LEAST_OF_TWO)):
            pairs = list(zip(paces[task, way], paces[task, base], strict=True))
            ratios = sorted(one.rate / other.rate for one, other in pairs)
            with_start = statistics.median(
                one.rate_with_start / other.rate_with_start for one, other in pairs
            )
            ratio = statistics.median(ratios)
            yield {
                "task": task,
                "ratio": f"{way} workers / {base if base == 'bare' else '1 worker'}",
                "median": round(ratio, 3),
                "range": [round(ratios[0], 3), round(ratios[-1], 3)],
                "with_start": round(with_start, 3),
                "target": target,
                "met": ratio >= target,
            }


def memory_row(bench: Bench, task: str, count: int) -> dict[str, object]:
    """Return the memory of all processes early and late in a long run with two workers."""
    names = itertools.islice(itertools.cycle(bench.names), count)
    results = bench.verify(names, 2) if task == "verify" else bench.sign(names, 2)
    early = late = 0
    for number, _ in enumerate(results, 1):
        if number == min(EARLY_FILES, count // 2):
            early = family_bytes()
        if number == count - 50:  # workers are still there
            late = family_bytes()
    return {
        "task": task,
        "memory": f"main process and 2 workers, {count} files",
        "early_mib": round(early / (1 << 20), 1),
        "late_mib": round(late / (1 << 20), 1),
        "target": f"growth below {MOST_GROWTH_BYTES >> 20} MiB",
        "met": late - early < MOST_GROWTH_BYTES,
    }


def family_bytes() -> int:
    """Return the resident memory of this process and its workers."""
    main_process = psutil.Process()
    return sum(one.memory_info().rss for one in (main_process, *main_process.children()))


if __name__ == "__main__":
    sys.exit(main())
