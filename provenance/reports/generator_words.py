"""The words of a generator's page: what each section shows, what would be bad, what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {
    "samples": "Samples",
    "classes": "Classes",
    "interpolations": "Ways between samples",
    "directions": "Directions",
    "reconstructions": "Real images, reconstructed",
    "resamples": "Real images, half drawn anew",
    "neighbours": "Nearest training images",
    "likelihoods": "Likelihoods",
    "tokens": "Use of codes",
    "members": "Members",
}
EXPLANATIONS = {
    "samples": "Drawn one after the other, none chosen. Bad: pictures that come twice, one colour "
    "or texture in all of them, grids, or noise.",
    "classes": "Samples of each class that it was told to make. Coverage is the share of a class's "
    "real images that have a sample among their nearest; what other real images reach in the "
    "samples' place is the most to be hoped for. Bad: rows that look alike, or a class that is "
    "covered much less than others.",
    "interpolations": "From one sample to another in equal steps of the latent. Bad: one jump "
    "between pictures that stay as they are, which means that it knows single pictures and nothing "
    "between; or pictures in the middle that are mixtures of both ends, as of two slides. Steps, "
    "and how far the middle is from such a mixture, are root mean squares in grey levels (of 255).",
    "directions": "The same sample moved along directions of the latent, by amounts in standard "
    "deviations; the strongest of each kind first (sefa: found in the weights; pca: in latents; "
    "label: from classes). 0 is the sample itself. Steps are in grey levels (of 255). Bad: rows in "
    "which nothing changes, or in which everything does.",
    "reconstructions": "Real images above, unseen ones where there are enough, below them as the "
    "generator renders them, with the error in grey levels (root mean square, of 255). Bad: "
    "pictures that cannot be known again: then it makes fakes of something else.",
    "resamples": "Real images above, below them with half of their content drawn from the model, "
    "with the change in grey levels. Bad: no change, or nothing left of the original.",
    "neighbours": "A memorisation test. The samples most like copies come first, each beside the "
    "training images nearest to it, with distances in grey levels. A copy lies much nearer to one "
    "training image than to the next ones; the ratio of the nearest distance to the mean of the "
    "fifty nearest is near 1 for a picture of its own, near 0 for a copy. Bad: samples under 0.5 "
    "that are more frequent than such pairs among training images.",
    "likelihoods": "Bits that the model needs for each value (0..255) of an image; fewer means "
    "likelier. Bad: training images that are much likelier than unseen ones, which it has then "
    "learned by heart.",
    "tokens": "How often each code stands in what it learned from, most frequent first. Bad: few "
    "codes that do all the work, since the others are paid for and not used.",
    "members": "Which of the combined generators made which sample. Bad: a member that makes "
    "nothing.",
}
HISTORY = (
    "What was logged while it learned. Losses of networks that work against one another say "
    "little by themselves; the looks at samples below say more. Bad: curves that jump up and stay "
    "there, or end in noise."
)
LOOKS = (
    "Measured on samples at fixed parts of the training. Bad: variety, recall or coverage that "
    "fall and stay low: the generator then makes few things only. Vertical lines show where the "
    "watch acted, and how."
)
SHEETS = (
    "What training kept, in order. Bad: sheets that stop changing early, or get worse; one that "
    "is all of one colour is a collapse."
)
FIGURES = {
    "variety": "of samples over that of real images; 1 is as varied, near 0 all alike",
    "diversity": "distance of pairs of samples over that of real ones; 1 is as varied",
    "duplicates": "share of samples that repeat another; lower is better",
    "similarity": "of pairs, less that of real images; lower is better",
    "precision": "share of samples that look like real ones; higher is better",
    "recall": "share of real images that it could make; higher is better",
    "density": "samples about real images; 1 is as dense as real ones",
    "coverage": "share of real images with a sample near; higher is better",
    "frechet": "distance to real images; lower is better",
    "kernel": "distance to real images; lower is better",
    "gentleness": "1 until the watch acts; each remedy halves it",
    "score_gap": "how far the critic tells real and made apart",
}
FIGURE_NAMES = {
    "mean_step": "mean step",
    "largest_step": "largest step",
    "unevenness": "largest over mean",
    "total": "first to last",
    "from_mixture": "middle from mixture",
    "coverage_by_real": "coverage by real images",
}
_LITTLE, _MUCH, _FADE = 0.1, 2.5, 0.05
_ALIKE = 0.36
_FEW_CODES = 0.1
_OVERFIT = 1.05


def findings(key: str, figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what figures of a section mean, in plain sentences.

    Args:
        key: Of the section.
        figures: Of the section.
        rows: Figures of each of its rows.
    """
    speak = _SPEAKERS.get(key)
    return speak(figures, rows) if speak else []


def _of_samples(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if "distance_levels" not in figures:
        return []
    found = [
        f"Two samples differ by {figures['distance_levels']:.1f} grey levels on average; "
        f"{figures['duplicates']:.1%} of {figures['samples']} repeat another."
    ]
    if "real_distance_levels" in figures:
        real = figures["real_distance_levels"]
        share = figures["distance_levels"] / max(real, 1e-9)
        found.append(
            f"Two real images differ by {real:.1f}, and {figures['real_duplicates']:.1%} repeat "
            f"another: samples have {share:.0%} of their variety."
            + (" That is collapse, or it has hardly learned." if share < _ALIKE else "")
        )
    return found


def _of_ways(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["It has none."]
    typical = max(float(figures["between_samples"]), 1e-9)
    little = sum(row["total"] < _LITTLE * typical for row in rows)
    uneven = sum(row["unevenness"] > _MUCH for row in rows)
    mean = sum(row["total"] for row in rows) / len(rows)
    step = sum(row["mean_step"] for row in rows) / len(rows)
    found = [
        f"From first to last, rows change by {mean:.1f} grey levels on average, "
        f"{mean / typical:.0%} of what lies between two samples ({typical:.1f}), in steps of "
        f"{step:.1f}."
    ]
    found.append(
        f"{uneven} of {len(rows)} rows jump: their largest step is over {_MUCH} times the mean one."
        if uneven
        else f"All rows move evenly: no step is over {_MUCH} times the mean one."
    )
    if little:
        found.append(f"{little} of {len(rows)} rows hardly change.")
    fades = sum(row["from_mixture"] < _FADE * row["total"] for row in rows if "from_mixture" in row)
    if fades:
        found.append(f"{fades} of {len(rows)} rows only fade from one picture into the other.")
    return found


def _of_reconstructions(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"Mean change: {figures['error_levels']:.1f} grey levels."]


def _of_neighbours(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    copies, real = figures["copies"], figures["real_copies"]
    found = [
        f"The nearest of {figures['training_images']:,} training images is "
        f"{figures['nearest_levels']:.1f} grey levels away (median of {figures['compared']} "
        f"samples, ratio {figures['ratio']:.2f}); between training images it is "
        f"{figures['real_nearest_levels']:.1f} (ratio {figures['real_ratio']:.2f})."
    ]
    if copies > real + 0.01:
        found.append(
            f"{copies:.1%} of the samples look like copies of training images, against {real:.1%} "
            f"of training images that look like copies of another: it has memorised."
        )
    else:
        found.append(
            f"No sign of memorisation: {copies:.1%} of the samples look like copies; of training "
            f"images {real:.1%} look like copies of another."
        )
    if not figures["is_unseen"]:
        found.append("It may not have learned from all of these images; the source has few others.")
    return found


def _of_likelihoods(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = {"samples": "samples", "unseen": "unseen images", "training": "training images"}
    told = ", ".join(f"{names[k]} {v:.3f}" for k, v in figures.items() if k in names)
    found = [f"Bits a value: {told}."]
    if "unseen" in figures and "training" in figures:
        learned = figures["unseen"] > _OVERFIT * figures["training"]
        found.append(
            "Unseen images are clearly less likely than training ones: it learns them by heart."
            if learned
            else "Unseen images are about as likely as training ones, as they should be."
        )
    return found


def _of_tokens(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    codes, perplexity = figures["codes"], figures["perplexity"]
    found = [
        f"{figures['used']:,} of {codes:,} codes are used at all. They are spread as if "
        f"{perplexity:,.0f} were used equally often (perplexity)."
    ]
    if perplexity < _FEW_CODES * codes:
        found.append("Few codes do nearly all of the work.")
    return found


def _of_classes(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    told = [row for row in rows if "coverage" in row]
    if not told:
        return ["How much of each class is covered is not known: no labelled real images at hand."]
    made = sum(row["coverage"] for row in told) / len(told)
    real = sum(row["coverage_by_real"] for row in told) / len(told)
    worst = min(told, key=lambda row: float(row["coverage"]))
    return [
        f"On average {made:.0%} of a class's real images are covered; other real images cover "
        f"{real:.0%}. The least is {worst['title']} with {worst['coverage']:.0%}."
    ]


def _of_members(figures: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    told = ", ".join(f"{row['title']} {row['share']:.0%}" for row in rows)
    idle = figures.get("combined", 0) - figures["at_work"]
    found = [f"Of {figures['samples']} samples: {told}."]
    if idle > 0:
        found.append(f"{idle} of {figures['combined']} members made none of these.")
    return found


_SPEAKERS = {
    "samples": _of_samples,
    "classes": _of_classes,
    "interpolations": _of_ways,
    "directions": _of_ways,
    "reconstructions": _of_reconstructions,
    "resamples": _of_reconstructions,
    "neighbours": _of_neighbours,
    "likelihoods": _of_likelihoods,
    "tokens": _of_tokens,
    "members": _of_members,
}
