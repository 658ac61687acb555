"""What encoding, signing and writing cost beside sampling, in files that a generator makes.

Run by ``make bench``, or alone: ``python tests/benchmarks/corpora.py``. Prints JSON lines, and
exits with 1 when the target is missed. Needs no data: a generator is trained for seconds on the
photographs that come with a dependency; how good it is changes nothing in what it costs.

``sample``  Only draws: the batches of 64 that ``provenance generate`` draws, in worker processes.
``write``   Draws, encodes, and writes the files without a signature.
``sign``    Draws, encodes, signs and writes: what ``provenance generate`` does.

Each worker has loaded its model and drawn a batch before the clock starts; it stops when the last
file of the last worker is on the disk. Each round measures the three one after the other, and the
ratio, (sign - sample) / sample, is taken within a round, so that whatever else the machine does
falls on all. The same of CPU time is told beside. All files of the last round are verified.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WAYS = ("sample", "write", "sign")
MOST_OF_SAMPLING = 0.5
SIZE_PX = 32


def main() -> int:
    """Measure, print, and say by the exit code whether the target was met."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="provenance-bench-", dir=arguments.folder) as name:
        folder = Path(name)
        os.environ["PROVENANCE_CONFIG_DIR"] = str(folder / "config")
        plan = make_plan(folder, arguments)
        load_before = round(os.getloadavg()[0], 2)
        paces = measure(plan, folder, arguments)
        rows = [*pace_rows(paces, arguments.count), ratio_row(paces)]
        rows.append(verify(plan, folder / "sign"))
    about = {
        "generator": arguments.family,
        "size_px": SIZE_PX,
        "count": arguments.count,
        "workers": arguments.workers,
        "rounds": arguments.rounds,
        "cores": len(os.sched_getaffinity(0)),
        "load": [load_before, round(os.getloadavg()[0], 2)],
    }
    for row in (about, *rows):
        print(json.dumps({"benchmark": "corpora", **row}))  # noqa: T201 - the result
    return int(any(row.get("met") is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of signing and writing beside sampling.")
    parser.add_argument("--family", default="vae")
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=5.0, help="seconds of training")
    parser.add_argument("--folder", help="where files are written; flushing depends on the disk")
    return parser.parse_args()


def make_plan(folder: Path, arguments: argparse.Namespace) -> Any:
    """Train a generator, and plan so many samples of it."""
    from provenance.corpora import Request, generate
    from provenance.corpora.plan import PlannedItem, load_plan
    from provenance.types import Split, Step

    trained, budget_s = folder / "trained", arguments.budget
    asked = Request(families=(arguments.family,), count=64, budget_s=budget_s, size_px=SIZE_PX)
    generate(dataclasses.replace(asked, sign=False), trained, device="cpu", jobs=1)
    plan = load_plan(trained)
    assert plan is not None
    items = [
        PlannedItem(n, str(n), str(n), None, None, Split.TRAIN) for n in range(arguments.count)
    ]
    generators = [dataclasses.replace(one, steps=(Step.SAMPLE,)) for one in plan.generators]
    return dataclasses.replace(plan, items=tuple(items), generators=tuple(generators))


def measure(plan: Any, folder: Path, arguments: argparse.Namespace) -> dict[str, list[Any]]:
    """Return wall and CPU seconds of each way in each round."""
    from provenance.credentials import development_signer
    from provenance.workers import ONE_THREAD

    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    gate, signer = context.Barrier(arguments.workers), development_signer()
    found: dict[str, list[Any]] = {way: [] for way in WAYS}
    with context.Pool(arguments.workers, _begin, (gate,)) as pool:
        for _ in range(arguments.rounds):
            for way in WAYS:
                out = _emptied(folder / way, folder / "trained")
                parts = [(plan, out, way, signer, (n, arguments.workers))
                         for n in range(arguments.workers)]  # fmt: skip
                spans = pool.map(_work, parts, chunksize=1)
                wall_s = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
                found[way].append((wall_s, sum(cpu_s for _, _, cpu_s in spans)))
    return found


def _emptied(out: Path, trained: Path) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(trained / "generators", out / "generators")
    return out


def _begin(gate: Any) -> None:
    import torch

    global _gate
    _gate = gate
    torch.set_num_threads(1)


def _work(part: tuple[Any, ...]) -> tuple[float, float, float]:
    """Do one worker's part; return when it began, when it ended, and its CPU seconds."""
    from provenance.corpora.making import _Maker

    plan, out, way, signer, (number, count) = part
    generator = plan.generators[0]
    maker = _Maker(plan, generator, out, "cpu", signer if way == "sign" else None)
    batches = list(plan.batches(generator))
    maker._caller.make(batches[number])  # loads the model
    _gate.wait(300)
    start, cpu_s = time.monotonic(), time.process_time()
    if way == "sample":
        for batch in batches[number::count]:
            maker._caller.make(batch)
    else:
        maker.run(lambda fraction, message: None, (number, count))
    return start, time.monotonic(), time.process_time() - cpu_s


def pace_rows(paces: dict[str, list[Any]], count: int) -> Iterator[dict[str, Any]]:
    """Yield what was measured of each way: medians over the rounds."""
    for way, found in paces.items():
        yield {
            "way": way,
            "files_per_s": round(count / statistics.median(wall for wall, _ in found), 1),
            "wall_ms_per_file": round(
                1000 * statistics.median(wall for wall, _ in found) / count, 4
            ),
            "cpu_ms_per_file": round(1000 * statistics.median(cpu for _, cpu in found) / count, 4),
        }


def ratio_row(paces: dict[str, list[Any]]) -> dict[str, Any]:
    """Return what signing and writing cost, as a part of sampling, with its target."""
    pairs = list(zip(paces["sign"], paces["sample"], strict=True))
    ratios = sorted((all_s - s) / s for (all_s, _), (s, _) in pairs)
    by_cpu = statistics.median((all_s - s) / s for (_, all_s), (_, s) in pairs)
    return {
        "ratio": "encoding, signing and writing / sampling",
        "median": round(statistics.median(ratios), 3),
        "range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "by_cpu_time": round(by_cpu, 3),
        "target": f"at most {MOST_OF_SAMPLING}",
        "met": statistics.median(ratios) <= MOST_OF_SAMPLING,
    }


def verify(plan: Any, out: Path) -> dict[str, Any]:
    """Verify all files of the last round."""
    from provenance.credentials import load_trust_anchors, read_credential

    trust = load_trust_anchors(None)
    name, sample = plan.generators[0].name, plan.generators[0].steps[0]
    files = [out / plan.file_name(sample, item.number, name) for item in plan.items]
    found = [read_credential(path, "image/png", trust) for path in files]
    good = sum((one.integrity, one.signer) == ("ok", "trusted") for one in found)
    return {"verified": good, "of": len(files), "met": good == len(files)}


if __name__ == "__main__":
    sys.exit(main())
