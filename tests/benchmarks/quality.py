"""What each figure of provenance.quality sees: real photographs, damaged in known ways.

    python tests/benchmarks/quality.py CIFAR10_FOLDER --out FOLDER

CIFAR10_FOLDER holds 32 px files whose names begin with split and class, as test__cat__0001.jpg.
Learned features are trained on those of ``train`` (kept in FOLDER/features), and all sets are made
of those of ``test``. Prints one JSON object a set.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from provenance.media import decode_image
from provenance.quality import RandomFeatures, evaluate, load_features, train_features

Images = np.ndarray[Any, np.dtype[np.uint8]]
SHOWN = ("frechet", "kernel", "precision", "recall", "density", "coverage")


def main() -> None:
    """Measure all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--feature-budget", type=float, default=150.0, help="CPU-seconds")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    reals, labels = read(arguments.data, "test")
    features = obtain_features(arguments)
    order = np.random.default_rng(0).permutation(len(reals))
    half = len(reals) // 2
    reference, labels = reals[order], labels[order[half:]]
    for name, images in make_sets(reference[half:], labels).items():
        # the reference is the first half; the row "real" is the second
        row = evaluate(images, reference, [features, RandomFeatures()]).row("samples")
        print(json.dumps({"set": name, **shown(row)}), flush=True)  # noqa: T201


def read(folder: Path, split: str) -> tuple[Images, "np.ndarray[Any, np.dtype[np.int64]]"]:
    """Return images (N, 32, 32, 3) and the number of their classes (N,)."""
    files = sorted(folder.glob(f"{split}__*"))
    classes = sorted({path.name.split("__")[1] for path in files})
    images = np.stack([decode_image(path.read_bytes()) for path in files])
    return images, np.array([classes.index(path.name.split("__")[1]) for path in files])


def obtain_features(arguments: argparse.Namespace) -> Any:
    """Train features once, and say how good they are."""
    folder = arguments.out / "features"
    if not folder.exists():
        train_features(
            *read(arguments.data, "train"),
            seed=0,
            budget_s=arguments.feature_budget,
            budget_clock="cpu",
            held_out=read(arguments.data, "test"),
        ).save(folder)
    features = load_features(folder)
    print(json.dumps({"features": features.card}))  # noqa: T201
    return features


def make_sets(images: Images, labels: "np.ndarray[Any, np.dtype[np.int64]]") -> dict[str, Images]:
    """Return real images, damaged in ways of which each is a generator's fault."""
    rows, columns = np.indices(images.shape[1:3])
    grid = np.where((rows + columns) % 2, 6, -6)[None, :, :, None]
    count = len(images)
    some = images[labels == 0]
    noise = np.random.default_rng(0).normal(0, 8, images.shape)
    return {
        "other real images": images,
        "50 images, repeated": np.repeat(images[:50], count // 50, axis=0),
        "one class of ten, repeated": np.concatenate([some] * (count // len(some) + 1))[:count],
        "blur, sigma 1.5": np.stack([cv2.GaussianBlur(image, (0, 0), 1.5) for image in images]),
        "checkerboard of 6 levels": (images.astype(int) + grid).clip(0, 255).astype(np.uint8),
        "noise of 8 levels": (images + noise).clip(0, 255).astype(np.uint8),
    }


def shown(row: Any) -> dict[str, float]:
    """Return the figures that the README shows."""
    keys = [f"{name}.{key}" for name in ("learned", "random") for key in SHOWN]
    keys += ["spectral_db", "swd.32", "swd.16", "ms_ssim", "duplicates"]
    return {key: float(f"{row[key]:.3g}") for key in keys}


if __name__ == "__main__":
    main()
