"""The looks themselves: samples, classes, ways between samples, directions, real items, tokens.

Notation: N images of side S, K classes, V codes.
"""

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.errors import PluginError
from provenance.quality.copies import duplicates
from provenance.quality.inspection import Look, Section, Strip, View
from provenance.quality.memorisation import see_neighbours
from provenance.quality.variety import diversity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from provenance.contracts import Direction

SHOWN = 48
AMOUNTS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
_PAIRS, _STEPS = 4, 9
_MOST_DIRECTIONS, _SEEDS_A_DIRECTION = 10, 2
_MOST_CLASSES, _OF_EACH_CLASS = 12, 24
_NEAREST = 3  # of so few images, wider balls cover everything
_REAL_ITEMS, _FRACTION = 9, 0.5
_SCORED = 48
_BARS = 64


def all_looks() -> tuple[Look, ...]:
    """Return every look, in the order of the page."""
    return (
        Look("samples", see_samples),
        Look("classes", see_classes, capability="class-conditional"),
        Look("interpolations", see_interpolations, capability="interpolate"),
        Look("directions", see_directions, capability="directions"),
        Look("reconstructions", see_reconstructions, capability="reconstruct", needs_reals=True),
        Look("resamples", see_resamples, capability="resample", needs_reals=True),
        Look("neighbours", see_neighbours, needs_reals=True),
        Look("likelihoods", see_likelihoods, capability="likelihood", needs_reals=True),
        Look("tokens", see_tokens, method="token_usage"),
        Look("members", see_members, capability="members"),
    )


def see_samples(view: View) -> Section:
    """Show samples, and measure their variety beside that of real images."""
    samples = view.samples
    figures: dict[str, Any] = {"samples": len(samples)}
    if len(samples) > 1:
        figures |= _variety(samples)
    if view.reals is not None and len(view.reals.unseen) > 1:
        real = _variety(view.reals.unseen[: len(samples)])
        figures |= {f"real_{name}": value for name, value in real.items()}
    return Section("samples", (Strip("Samples", samples[:SHOWN]),), figures)


def _variety(images: "NDArray[np.uint8]") -> dict[str, float]:
    return {
        "distance_levels": round(diversity(images).thumbnail, 2),
        "duplicates": round(duplicates(images).share, 4),
    }


# --- ways and moves -------------------------------------------------------------------------------


def see_interpolations(view: View) -> Section:
    """Go from one sample to another in several pairs, and measure how evenly."""
    strips = []
    for pair in range(_PAIRS):
        a, b = view.first_seed + 2 * pair, view.first_seed + 2 * pair + 1
        made = view.images("interpolate", _STEPS, a, b, _STEPS)
        places = tuple(f"{100 * i / (_STEPS - 1):.0f} %" for i in range(_STEPS))
        figures = {**smoothness(made), "from_mixture": from_mixture(made)}
        strips.append(Strip(f"Seeds {a} and {b}", made, places, figures))
    return Section("interpolations", tuple(strips), {"between_samples": _typical(view)})


def see_directions(view: View) -> Section:
    """Move samples along the strongest directions, and measure how evenly."""
    found = view.call("directions", convert=strongest_in_turn)
    strips = []
    for one in found[:_MOST_DIRECTIONS]:
        for seed in range(view.first_seed, view.first_seed + _SEEDS_A_DIRECTION):
            made = view.images("move", len(AMOUNTS), seed, one.name, list(AMOUNTS))
            figures = {**smoothness(made), "strength": round(float(one.strength), 4)}
            captions = tuple(f"{amount:+g}" if amount else "0" for amount in AMOUNTS)
            strips.append(Strip(f"{one.name} ({one.how}), seed {seed}", made, captions, figures))
    figures = {"directions": len(found), "between_samples": _typical(view)}
    return Section("directions", tuple(strips), figures)


def strongest_in_turn(directions: "Sequence[Direction]") -> "list[Direction]":
    """Return directions, the strongest of each kind first, then the second of each, and so on.

    Strengths compare directions of one kind (``how``) only.
    """
    ranked: dict[str, list[Direction]] = {}
    for one in sorted(directions, key=lambda one: -float(one.strength)):
        ranked.setdefault(one.how, []).append(one)
    turns = zip_longest(*ranked.values())
    return [one for turn in turns for one in turn if one is not None]


def smoothness(images: "NDArray[np.uint8]") -> dict[str, float]:
    """Measure a row of images that should change little by little.

    Args:
        images: uint8 (N, S, S, 3), N at least 2.

    Returns:
        ``mean_step`` and ``largest_step`` between neighbours, ``total`` from first to last: root
        mean square over the pixels, in grey levels (0..255). ``unevenness``: the largest step over
        the mean one; 1 is perfectly even, N - 1 one jump.
    """
    pixels = images.astype(np.float32)
    steps = np.sqrt(np.square(np.diff(pixels, axis=0)).mean((1, 2, 3)))  # (N - 1,)
    mean, largest = float(steps.mean()), float(steps.max())
    return {
        "mean_step": round(mean, 2),
        "largest_step": round(largest, 2),
        "unevenness": round(largest / mean, 2) if mean else 0.0,
        "total": round(float(np.sqrt(np.square(pixels[-1] - pixels[0]).mean())), 2),
    }


def from_mixture(images: "NDArray[np.uint8]") -> float:
    """Return how far the middle image is from the mean of both ends, in grey levels.

    0 is a fade from one picture to the other, for which nobody needs a generator.
    """
    pixels = images.astype(np.float32)
    apart = pixels[len(pixels) // 2] - (pixels[0] + pixels[-1]) / 2
    return round(float(np.sqrt(np.square(apart).mean())), 2)


def _typical(view: View) -> float:
    """Return the mean distance of two samples, in grey levels: what a change is measured by."""
    pixels = view.samples[:128].astype(np.float32)
    apart = np.sqrt(np.square(pixels - np.roll(pixels, 1, axis=0)).mean((1, 2, 3)))
    return round(float(apart.mean()), 2)


# --- real items -----------------------------------------------------------------------------------


def see_reconstructions(view: View) -> Section:
    """Pass real images through the generator."""
    real = _real_items(view)
    made = view.images("reconstruct", len(real), real)
    return _beside("reconstructions", real, made, "Reconstructed")


def see_resamples(view: View) -> Section:
    """Let the generator make half of real images anew."""
    real = _real_items(view)
    made = view.images("resample", len(real), real, _FRACTION, seed=view.first_seed)
    return _beside("resamples", real, made, "Half drawn anew")


def _real_items(view: View) -> "NDArray[np.uint8]":
    return view.real_images.unseen[:_REAL_ITEMS].copy()


def _beside(key: str, real: "NDArray[np.uint8]", made: "NDArray[np.uint8]", title: str) -> Section:
    difference = made.astype(np.float32) - real
    error = np.sqrt(np.square(difference).mean((1, 2, 3)))
    captions = tuple(f"{one:.1f}" for one in error)
    figures = {"items": len(real), "error_levels": round(float(error.mean()), 2)}
    return Section(key, (Strip("Real", real), Strip(title, made, captions)), figures)


def see_likelihoods(view: View) -> Section:
    """Compare how likely samples, unseen and training images are, in bits a value."""
    reals = view.real_images
    sets = {
        "samples": view.samples[:_SCORED],
        "unseen": reals.unseen[:_SCORED] if reals.is_unseen else None,
        "training": reals.training[:_SCORED],
    }
    figures = {}
    for name, images in sets.items():
        if images is not None and len(images):
            bits = view.call("bits_per_dim", images.copy(), convert=_numbers)
            if bits.shape != (len(images),) or not np.isfinite(bits).all():
                raise PluginError(f"{view.name}: bits_per_dim gave {bits.shape}, or no numbers")
            figures[name] = round(float(bits.mean()), 4)
    return Section("likelihoods", figures=figures)


# --- classes, tokens, members ---------------------------------------------------------------------


def see_classes(view: View) -> Section:
    """Show samples of each class, and how much of each class's real images they cover."""
    classes = view.attribute("classes", convert=_names)
    if not classes:
        return Section("classes", missing="What it learned from had no classes.")
    chosen = np.linspace(0, len(classes) - 1, min(len(classes), _MOST_CLASSES)).astype(int)
    strips = []
    for number in dict.fromkeys(chosen.tolist()):
        name = classes[number]
        made = view.images(
            "sample", _OF_EACH_CLASS, _OF_EACH_CLASS, seed=view.first_seed, label=name
        )
        strips.append(Strip(name, made, figures=_of_class(view, name, made)))
    return Section("classes", tuple(strips), {"classes": len(classes)})


def _of_class(view: View, name: str, made: "NDArray[np.uint8]") -> dict[str, float]:
    """Return the coverage of one class's images; that by others of it says what is reachable."""
    from provenance.quality.features import RandomFeatures
    from provenance.quality.neighbourhoods import manifold

    found = _reals_of_class(view, name)
    if len(found) < 2 * len(made):
        return {}
    features = RandomFeatures()
    one, other = features(found[: len(made)]), features(found[len(made) : 2 * len(made)])
    return {
        "coverage": round(manifold(one, features(made), k=_NEAREST).coverage, 4),
        "coverage_by_real": round(manifold(one, other, k=_NEAREST).coverage, 4),
    }


def _reals_of_class(view: View, name: str) -> "NDArray[np.uint8]":
    reals = view.reals
    if reals is None or reals.labels is None or name not in reals.classes:
        return np.empty((0, 8, 8, 3), np.uint8)
    found: NDArray[np.uint8] = reals.to_learn[reals.labels == reals.classes.index(name)]
    return found


def see_tokens(view: View) -> Section:
    """Count how often each code is used, most used first."""
    usage = view.call("token_usage", convert=_numbers)
    if usage.ndim != 1 or not len(usage) or not np.isfinite(usage).all() or usage.min() < 0:
        raise PluginError(f"{view.name}: token_usage gave {usage.shape}, or no shares")
    shares = np.sort(usage / max(usage.sum(), 1e-12))[::-1]
    positive = shares[shares > 0]
    perplexity = float(np.exp(-(positive * np.log(positive)).sum())) if len(positive) else 0.0
    bars = [float(part.sum()) for part in np.array_split(shares, min(_BARS, len(shares)))]
    figures = {
        "codes": len(shares),
        "used": int((usage > 0).sum()),
        "perplexity": round(perplexity, 1),
        "bars": [round(bar, 6) for bar in bars],
    }
    return Section("tokens", figures=figures)


def see_members(view: View) -> Section:
    """Say which member made which sample."""
    count = len(view.samples[:64])
    names = view.call("members", count, seed=view.first_seed, convert=_names)
    if len(names) != count:
        raise PluginError(f"{view.name}: members named {len(names)} of {count} samples")
    strips = []
    for name, made in Counter(names).most_common():
        rows = [i for i, one in enumerate(names) if one == name][:12]
        share = {"share": round(made / count, 4)}
        strips.append(Strip(name, view.samples[rows], figures=share))
    figures = {"at_work": len(strips), "samples": count}
    combined = view.trained.card.get("members")
    if isinstance(combined, dict):
        figures["combined"] = len(combined)
    return Section("members", tuple(strips), figures)


def _names(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found))


def _numbers(found: Any) -> "NDArray[np.float64]":
    return np.asarray(found, np.float64)
