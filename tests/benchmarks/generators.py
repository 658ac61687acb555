"""How good the built-in generators are for their cost, beside plain recipes of the same run.

``python tests/benchmarks/generators.py --data FOLDER`` prints JSON lines, writes a contact sheet
and an artefact of each generator, and exits with 1 when a target is missed. FOLDER holds ``train``
and ``test`` with a folder a class in each, or files called ``train__CLASS__NUMBER.jpg``: CIFAR-10.

Everything learns from the training images, for equal CPU time in one thread, each in a process of
its own. Samples are compared with the test images, on features that need no download: of a small
classifier trained on the same training images, and of a network with random weights.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 32
BATCH = 100
FAMILIES = ("gan", "vae", "autoregressive")
REFERENCES = ("dcgan", "gaussian-vae", "vqvae-transformer", "vqvae-pixelcnn")
ENSEMBLE = "ensemble"
MOST_OF = {  # Frechet distance of the first, as a share of that of the second
    ("gan", "dcgan"): 0.35,
    ("vae", "gaussian-vae"): 0.4,
    ("autoregressive", "vqvae-transformer"): 0.8,
}
LEAST_RECALL = 0.40  # of the gan
Images = NDArray[np.uint8]


def main() -> int:
    """Train, measure, print, and say by the exit code whether all targets were met."""
    arguments = _arguments()
    if arguments.variant:
        run_variant(arguments.variant, arguments)
        return 0
    names = arguments.only or [*REFERENCES, *FAMILIES, ENSEMBLE]
    arguments.out.mkdir(parents=True, exist_ok=True)
    features = obtain_features(arguments)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(_in_a_process, [name for name in names if name != ENSEMBLE]))
    if ENSEMBLE in names:
        _in_a_process(ENSEMBLE)
    rows = [measure(name, arguments, features) for name in ("real", *names)]
    verdicts = list(judge({row["name"]: row for row in rows}))
    for row in (*rows, *verdicts):
        print(json.dumps({"benchmark": "generators", **row}), flush=True)  # noqa: T201 - the result
    return int(any(not row["met"] for row in verdicts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Quality of generators for equal CPU time.")
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10; see above")
    parser.add_argument("--out", type=Path, default=Path("build/generators"))
    parser.add_argument("--budget", type=float, default=120.0, help="CPU seconds of training")
    parser.add_argument("--feature-budget", type=float, default=150.0, help="CPU seconds")
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    parser.add_argument("--only", action="append", metavar="NAME", help="FAMILY or FAMILY:PRESET")
    parser.add_argument("--option", action="append", default=[], metavar="GENERATOR.KEY=VALUE")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- data and features ----------------------------------------------------------------------------


def read_items(folder: Path, split: str) -> list[Any]:
    """Return the images of a split as media with their class, in order of their names."""
    from provenance import Media, MediaKind
    from provenance.media import decode_image

    flat = sorted(folder.glob(f"{split}__*"))
    files = [(path, path.name.split("__")[1]) for path in flat] or [
        (path, path.parent.name) for path in sorted((folder / split).glob("*/*"))
    ]
    if not files:
        raise SystemExit(f"{folder} holds no images of the split {split!r}: see --help.")
    return [
        Media(id=path.name, kind=MediaKind.IMAGE, data=pixels, group=path.name, category=category)
        for path, category in files
        if (pixels := decode_image(path.read_bytes())).shape == (SIDE_PX, SIDE_PX, 3)
    ]


def stack(items: list[Any]) -> Images:
    """Return uint8 (N, 32, 32, 3)."""
    return np.stack([item.data for item in items])


def obtain_features(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the networks whose features are compared; the learned one is kept in the folder."""
    import torch

    from provenance.quality import RandomFeatures, load_features, train_features
    from provenance.training import find_classes, number_classes

    torch.set_num_threads(1)
    folder = arguments.out / "features"
    if not folder.exists():
        items = read_items(arguments.data, "train")
        labels = number_classes(items, find_classes(items))
        train_features(
            stack(items),
            labels,
            seed=arguments.seed,
            budget_s=arguments.feature_budget,
            budget_clock="cpu",
        ).save(folder)
    return {"": load_features(folder), "random_": RandomFeatures(seed=0)}


# --- training, in a process of its own ------------------------------------------------------------


def _in_a_process(name: str) -> None:
    if not (_folder(name) / "samples.npy").exists():
        subprocess.run([sys.executable, *sys.argv, "--variant", name], check=True)


def _folder(name: str) -> Path:
    out: Path = _arguments().out
    return out / name.replace(":", "-")


def run_variant(name: str, arguments: argparse.Namespace) -> None:
    """Train one model, and keep samples, costs and, for ours, the artefact."""
    import torch

    from provenance.training import seed_everything

    torch.set_num_threads(1)
    seed_everything(arguments.seed)
    folder = _folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    items = read_items(arguments.data, "train")
    started = time.process_time()
    model = PlainModel(name) if name in REFERENCES else OurModel(name, arguments, folder)
    model.fit(items, arguments.budget)
    trained = time.process_time()
    samples = np.concatenate(
        [model.sample(BATCH, start) for start in range(0, arguments.samples, BATCH)]
    )
    costs = {
        "cpu_s": round(trained - started, 1),
        "ms_a_sample": round(1000 * (time.process_time() - trained) / len(samples), 3),
    }
    (folder / "costs.json").write_text(json.dumps(costs))
    np.save(folder / "samples.npy", samples)


class PlainModel:
    """A reference recipe."""

    def __init__(self, name: str) -> None:
        from plain_generators import PLAIN

        self._model = PLAIN[name]()

    def fit(self, items: list[Any], budget_s: float) -> None:
        from provenance.training import images_to_tensor

        self._model.fit(images_to_tensor(stack(items)), budget_s)

    def sample(self, n: int, seed: int) -> Images:
        import torch

        from provenance.training import tensor_to_images

        torch.manual_seed(seed)
        with torch.no_grad():
            return tensor_to_images(self._model.sample(n))


class OurModel:
    """A generator of the suite, through the contract that plugins keep."""

    def __init__(self, name: str, arguments: argparse.Namespace, folder: Path) -> None:
        from provenance.cli.options import parse_settings
        from provenance.plugins import registry

        family, _, preset = name.partition(":")
        offer = registry().generator(family)
        self._model, self._spec, self._folder = offer.factory(), offer.spec, folder
        self._seed = arguments.seed
        self._options: dict[str, Any] = parse_settings(arguments.option).get(family, {})
        if preset:
            self._options["preset"] = preset
        if family == ENSEMBLE:
            members = [str(arguments.out / member / "model") for member in FAMILIES]
            self._options = {"members": members, "rule": "mixture"}

    def fit(self, items: list[Any], budget_s: float) -> None:
        from provenance import FitContext

        context = FitContext(
            workdir=self._folder / "work",
            seed=self._seed,
            budget_s=budget_s,
            budget_clock="cpu",
            options=self._options,
        )
        self._model.fit(items, context)
        self._save(items)

    def sample(self, n: int, seed: int) -> Images:
        made: Images = self._model.sample(n, seed=seed)
        return made

    def _save(self, items: list[Any]) -> None:
        from provenance.files import sha256_file

        folder = self._folder / "model"
        folder.mkdir(exist_ok=True)
        self._model.save(folder)
        card = {
            "name": f"{self._spec.name}-{SIDE_PX}",
            "generator": self._spec.name,
            "family": self._spec.family,
            "version": self._spec.version,
            "size_px": SIDE_PX,
            "seed": self._seed,
            "data": {"source": "benchmark", "groups": [item.group for item in items]},
            "weights_sha256": sha256_file(folder / "model.safetensors"),
        }
        (folder / "card.json").write_text(json.dumps(card))


# --- figures --------------------------------------------------------------------------------------


def measure(name: str, arguments: argparse.Namespace, features: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one model's samples; ``real``: of training images, as the floor."""
    from provenance.quality import (
        frechet_distance,
        kernel_distance,
        manifold,
        sliced_wasserstein,
        spectral_distance,
    )

    reals = stack(read_items(arguments.data, "test"))
    samples, costs = obtain_samples(name, arguments)
    row: dict[str, Any] = {"name": name, "budget_cpu_s": arguments.budget, **costs}
    for prefix, extract in features.items():
        theirs, ours = extract(reals), extract(samples)
        row[f"{prefix}fd"] = round(frechet_distance(theirs, ours), 3)
        if not prefix:
            row["kd_x1000"] = round(1000 * kernel_distance(theirs, ours), 1)
            found = manifold(theirs, ours)
            for what in ("precision", "recall", "density", "coverage"):
                row[what] = round(float(getattr(found, what)), 3)
    row["spectral"] = round(spectral_distance(reals, samples), 3)
    row["swd"] = [round(float(band), 1) for band in sliced_wasserstein(reals, samples)]
    return row


def obtain_samples(name: str, arguments: argparse.Namespace) -> tuple[Images, dict[str, Any]]:
    """Return samples and costs of a model, and draw its sheet."""
    if name == "real":
        return stack(read_items(arguments.data, "train"))[:: 10_000 // arguments.samples], {}
    from provenance.media import contact_sheet

    folder = _folder(name)
    samples: Images = np.load(folder / "samples.npy")
    rows = [samples[start : start + 16] for start in range(0, 128, 16)]
    captions = [""] * len(rows)
    (folder / "sheet.png").write_bytes(contact_sheet(rows, captions=captions, scale=2))
    return samples, json.loads((folder / "costs.json").read_text())


def judge(rows: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Compare the figures with the targets, as far as both sides were measured."""
    for (ours, plain), most in MOST_OF.items():
        if {ours, plain} <= set(rows):
            share = rows[ours]["fd"] / rows[plain]["fd"]
            yield {
                "ratio": f"Frechet distance: {ours} / {plain}",
                "value": round(share, 3),
                "target": f"at most {most}",
                "met": share <= most,
            }
    if "gan" in rows:
        recall = rows["gan"]["recall"]
        yield {
            "ratio": "recall of gan",
            "value": recall,
            "target": f"at least {LEAST_RECALL}",
            "met": recall >= LEAST_RECALL,
        }
    if {ENSEMBLE, *FAMILIES} <= set(rows):
        best = max(rows[name]["coverage"] for name in FAMILIES)
        value = rows[ENSEMBLE]["coverage"]
        yield {
            "ratio": "coverage of ensemble, against its best member's",
            "value": [value, best],
            "target": "higher",
            "met": value > best,
        }


if __name__ == "__main__":
    sys.exit(main())
