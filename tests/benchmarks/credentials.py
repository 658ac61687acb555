"""What verifying and signing many files costs, against a bare loop over the library's own calls.

Run by ``make bench``, or alone: ``python tests/benchmarks/credentials.py``. Prints JSON lines, and
exits with 1 when a target is missed. Needs no data: 200 JPEG of 1 MP are made of smooth noise.

``bare``    The calls of c2pa-python that the task needs, one after the other, with our settings:
            Reader.try_create, json and state; Builder.sign into a file under its final name.
``verify``  What ``provenance verify FOLDER`` does for a file: recognise it, look for sidecars and
            credentials, put them on axes; in worker processes, also with one. ``here``: the same
            without a worker.
``sign``    What ``provenance sign FOLDER --out`` does: look for a credential that must be kept,
            sign aside, flush to the disk, rename; with one worker in the main process.

Each variant is a process of its own, as a script or a command is, and goes over the files several
times. ``files_per_s`` and CPU time are those
of all passes but the first, when all workers are at work; ``first_pass_files_per_s`` is from the
call to the last result of the first pass, so that it holds the start of processes and what they
import. The state of each result is checked; showing it is in none of the figures.

Each round measures all variants one after the other, and ratios are taken within a round, so that
whatever else the machine does falls on all. Ratios of CPU time are told beside, as a check: they
hardly depend on what else it does, but do not see waiting for the disk.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

SIDE_PX = 1000
NOISE = 4.0  # makes about 224 kB at quality 90
SEED = 7
LEAST_OF_BARE = 0.85
LEAST_OF_TWO = 1.6
MOST_GROWTH_BYTES = 16 << 20
EARLY_FILES = 1_000
SAMPLE_EVERY = 50
Results = Iterator[object]


@dataclass(frozen=True)
class Pace:
    """How fast one variant was.

    Attributes:
        rate: Files per second from the second pass on.
        first_pass_rate: Files per second of the first pass, the start of processes included.
        cpu_ms: CPU time per file of all processes, from the second pass on.
    """

    rate: float
    first_pass_rate: float
    cpu_ms: float


def main() -> int:
    """Measure, print, and say by the exit code whether all targets were met."""
    arguments = _arguments()
    if arguments.variant:
        return run_variant(arguments)
    load_before = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="provenance-bench-", dir=arguments.folder) as name:
        folder = Path(name)
        os.environ["PROVENANCE_CONFIG_DIR"] = str(folder / "config")
        bench = Bench(folder, arguments.files)
        bench.make_files()
        paces = measure(bench, arguments.rounds, arguments.passes)
        rows = [*pace_rows(paces), *ratio_rows(paces)]
        rows += [memory_row(bench, task, arguments.memory_files) for task in ("verify", "sign")]
        about = {
            "files": arguments.files,
            "mean_bytes": bench.mean_bytes,
            "rounds": arguments.rounds,
            "passes": arguments.passes,
            "cores": len(os.sched_getaffinity(0)),
            "load": [load_before, round(os.getloadavg()[0], 2)],
        }
    for row in (about, *rows):
        print(json.dumps({"benchmark": "credentials", **row}))  # noqa: T201 - the result
    return int(any(row.get("met") is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of verifying and signing.")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=5, help="over the files, per round")
    parser.add_argument("--folder", help="where files are made; flushing depends on the disk")
    parser.add_argument("--memory-files", type=int, default=5_000)
    parser.add_argument("--variant", nargs=2, metavar=("TASK", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def run_variant(arguments: argparse.Namespace) -> int:
    """Measure one variant in this process, on files that are there, and print its pace."""
    bench = Bench(Path(arguments.folder), arguments.files)
    found = pace(bench.variants()[tuple(arguments.variant)], bench, arguments.passes)
    print(json.dumps(asdict(found)))  # noqa: T201 - for the process that started this one
    return 0


class Bench:
    """The files, and what is done with them."""

    def __init__(self, folder: Path, count: int) -> None:
        from provenance.credentials import CredentialSession, load_trust_anchors

        self.session = CredentialSession(generator="benchmark", model="noise")
        self.folder = folder
        self.plain = folder / "plain"
        self.signed = folder / "signed"
        self.out = folder / "out"
        self.names = [f"{i:04}.jpg" for i in range(count)]
        self.trust = load_trust_anchors(None)

    def make_files(self) -> None:
        """Write the files, and signed ones."""
        for one in (self.plain, self.signed, self.out):
            one.mkdir()
        for name, data in zip(self.names, noise_jpegs(), strict=False):
            (self.plain / name).write_bytes(data)
        for name in self.names:
            self.session.sign(self.plain / name, self.signed / name)

    @property
    def mean_bytes(self) -> int:
        """Mean size of the files that are signed."""
        return round(statistics.mean((self.plain / n).stat().st_size for n in self.names))

    def variants(self) -> dict[tuple[str, str], Callable[[Iterable[str]], Results]]:
        """Return (task, way) to a function that begins to work on files by their names."""
        return {
            ("verify", "bare"): self.verify_bare,
            ("verify", "here"): self.verify_here,
            ("verify", "1"): functools.partial(self.verify, jobs=1),
            ("verify", "2"): functools.partial(self.verify, jobs=2),
            ("sign", "bare"): self.sign_bare,
            ("sign", "1"): functools.partial(self.sign, jobs=1),
            ("sign", "2"): functools.partial(self.sign, jobs=2),
        }

    def take(self, count: int) -> Iterator[str]:
        """Yield so many names of files, again and again the same ones."""
        return itertools.islice(itertools.cycle(self.names), count)

    def verify_bare(self, names: Iterable[str]) -> Results:
        import c2pa

        from provenance.credentials.engine import context

        settings = context(self.trust.manifest)
        for name in names:
            with (self.signed / name).open("rb") as stream:
                reader = c2pa.Reader.try_create("image/jpeg", stream, context=settings)
                assert reader is not None
                with reader:
                    yield reader.json(), check(reader.get_validation_state(), "Trusted")

    def verify_here(self, names: Iterable[str]) -> Results:
        """What a worker does, without the worker."""
        read = self._reader()()
        for name in names:
            path = str(self.signed / name)
            yield check(read(self._item(path)).credential.signer, "trusted")

    def verify(self, names: Iterable[str], *, jobs: int) -> Results:
        """What ``provenance verify`` does."""
        from provenance.cli.credential_files import lost
        from provenance.workers import map_in_workers

        items = (self._item(str(self.signed / name)) for name in names)
        options = {"jobs": jobs, "lost": lost, "item_s": 60.0, "worker_bytes": 2 << 30}
        with closing(map_in_workers(self._reader(), items, **options)) as results:
            for read in results:
                yield check(read.credential.signer, "trusted")

    def sign_bare(self, names: Iterable[str]) -> Results:
        import c2pa

        from provenance.credentials.engine import context
        from provenance.credentials.signing.planning import plan
        from provenance.credentials.signing.sources import source_of_path

        settings, native = context(), self.session.signer.native()
        made = plan(source_of_path(self.plain / self.names[0]), self.session.recipe, title="a.jpg")
        manifest = json.dumps(made.job.manifest)
        for name in names:
            with (
                (self.plain / name).open("rb") as source,
                (self.out / name).open("w+b") as destination,
                c2pa.Builder(manifest, settings) as builder,
            ):
                yield builder.sign(native, "image/jpeg", source, destination)

    def sign(self, names: Iterable[str], *, jobs: int) -> Results:
        """What ``provenance sign`` does with a folder."""
        from provenance.credentials import sign_many
        from provenance.workers import keep_freed_memory

        keep_freed_memory()  # as the command does
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
    import numpy as np

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


def measure(bench: Bench, rounds: int, passes: int) -> dict[tuple[str, str], list[Pace]]:
    """Run all variants in turn, round by round, each in a process of its own."""
    paces: dict[tuple[str, str], list[Pace]] = {key: [] for key in bench.variants()}
    size = ["--files", str(len(bench.names)), "--passes", str(passes)]
    for _ in range(rounds):
        for task, way in bench.variants():
            command = [sys.executable, __file__, "--folder", str(bench.folder), *size]
            command += ["--variant", task, way]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            paces[task, way].append(Pace(**json.loads(done.stdout)))
    return paces


def pace(begin: Callable[[Iterable[str]], Results], bench: Bench, passes: int) -> Pace:
    """Run one variant over all files."""
    first, count = len(bench.names), passes * len(bench.names)
    times, cpu = [time.perf_counter()], []
    for number, _ in enumerate(begin(bench.take(count)), 1):
        if number in (first, count):
            times.append(time.perf_counter())
            cpu.append(_cpu_s())
    n_later = count - first
    return Pace(
        n_later / (times[2] - times[1]),
        first / (times[1] - times[0]),
        1000 * (cpu[1] - cpu[0]) / n_later,
    )


def _cpu_s() -> float:
    """Return CPU seconds of this process and of its children, living and dead."""
    used = [one.cpu_times() for one in family()]
    return (
        sum(one.user + one.system for one in used) + used[0].children_user + used[0].children_system
    )


def pace_rows(paces: dict[tuple[str, str], list[Pace]]) -> Iterator[dict[str, object]]:
    """Yield what was measured of each variant: medians over the rounds."""
    for (task, way), found in paces.items():
        yield {
            "task": task,
            "way": {"1": "1 worker", "2": "2 workers"}.get(way, way),
            "files_per_s": round(statistics.median(one.rate for one in found), 1),
            "first_pass_files_per_s": round(
                statistics.median(one.first_pass_rate for one in found), 1
            ),
            "cpu_ms_per_file": round(statistics.median(one.cpu_ms for one in found), 3),
        }


def ratio_rows(paces: dict[tuple[str, str], list[Pace]]) -> Iterator[dict[str, object]]:
    """Yield ratios, taken round by round, with their targets."""
    for task in ("verify", "sign"):
        for way, base, target in (("1", "bare", LEAST_OF_BARE), ("2", "1", LEAST_OF_TWO)):
            pairs = list(zip(paces[task, way], paces[task, base], strict=True))
            ratios = sorted(one.rate / other.rate for one, other in pairs)
            firsts = (one.first_pass_rate / other.first_pass_rate for one, other in pairs)
            cpu = (other.cpu_ms / one.cpu_ms for one, other in pairs)
            ratio = statistics.median(ratios)
            yield {
                "task": task,
                "ratio": f"{way} worker{'s' * (way != '1')} / {base.replace('1', '1 worker')}",
                "median": round(ratio, 3),
                "range": [round(ratios[0], 3), round(ratios[-1], 3)],
                "first_pass": round(statistics.median(firsts), 3),
                "by_cpu_time": round(statistics.median(cpu), 3),
                "target": target,
                "met": ratio >= target,
            }


def memory_row(bench: Bench, task: str, count: int) -> dict[str, object]:
    """Return the most memory of all processes, early and late in a long run with two workers."""
    begin = bench.verify if task == "verify" else bench.sign
    results = begin(bench.take(count), jobs=2)
    early = late = 0
    for number, _ in enumerate(results, 1):
        if number % SAMPLE_EVERY == 0 and number <= EARLY_FILES:
            early = max(early, family_bytes())
        elif number % SAMPLE_EVERY == 0:
            late = max(late, family_bytes())
    return {
        "task": task,
        "memory": f"main process and 2 workers, {count} files",
        "most_mib_to_1000": round(early / (1 << 20), 1),
        "most_mib_from_1000": round(late / (1 << 20), 1),
        "target": f"growth below {MOST_GROWTH_BYTES >> 20} MiB",
        "met": late - early < MOST_GROWTH_BYTES,
    }


def family_bytes() -> int:
    """Return the resident memory of this process and its workers."""
    return sum(one.memory_info().rss for one in family())


def family() -> list[psutil.Process]:
    """Return this process and its workers."""
    main_process = psutil.Process()
    return [main_process, *main_process.children()]


if __name__ == "__main__":
    sys.exit(main())
