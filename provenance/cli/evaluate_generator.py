"""``provenance evaluate-generator``: a trained generator's samples beside real images."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.options import device_option, json_option, seed_option
from provenance.errors import ArtefactError, UserError
from provenance.files import folder_lock, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.corpora.artefacts import TrainedGenerator
    from provenance.quality import Estimate, Features, ModeCount, Quality
    from provenance.quality.reals import RealImages

QUALITY_FILE = "quality.json"
_FEATURES = ("learned", "random", "inception", "dinov2")
_AT_ONCE = 64
_MODE_SAMPLES = 5000
_ROW_NAMES = {"samples": "samples", "real": "real images", "training": "training images"}


@click.command("evaluate-generator")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--real",
    metavar="SOURCE",
    help="Source of real images. [default: the one that the generator learned from]",
)
@click.option(
    "--samples",
    "count",
    type=click.IntRange(40),
    default=1000,
    show_default=True,
    metavar="N",
    help="To draw; as many real images are taken twice, fewer of all where there are fewer.",
)
@click.option(
    "--features",
    "names",
    multiple=True,
    type=click.Choice(_FEATURES),
    default=("learned", "random"),
    show_default=True,
    help="What images are compared by; several.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Weights of inception or dinov2, fetched by you; several.",
)
@click.option(
    "--feature-budget",
    type=click.FloatRange(0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Training of learned features; once for each source, then they are kept.",
)
@click.option("--modes", is_flag=True, help="Count modes, of a generator of stacked-digits.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=f"Write {QUALITY_FILE} there, and keep learned features there. [default: user's cache]",
)
@seed_option
@device_option
@json_option
def command(
    model: Path,
    real: str | None,
    count: int,
    names: tuple[str, ...],
    weights: tuple[str, ...],
    feature_budget: float,
    modes: bool,
    out: Path | None,
    seed: int,
    device: str,
    as_json: bool,
) -> int:
    """Measure the samples of MODEL, a folder such as corpus/generators/gan, against real images.

    Real images are taken from groups that the generator has not learned from. A row of other real
    images says what is as good as can be, and a row of training images what copying them would get.
    Every figure has a 95 % interval; what each sees and does not see is in provenance/quality's
    README. Nothing is downloaded.
    """
    from provenance.corpora.artefacts import load_generator
    from provenance.quality import evaluate
    from provenance.quality.reals import read_reals
    from provenance.training import resolve_device, use_threads

    files = _weight_files(weights, names)
    resolved = resolve_device(device)
    if resolved == "cpu":
        use_threads(1)
    others = {n: _other(n, files.get(n), resolved) for n in names if n != "learned"}
    trained = load_generator(model, device=resolved)
    reals = read_reals(trained, real, count=2 * count, seed=seed)
    with output.Progress() as progress:
        features = [
            _learned(reals, out, feature_budget, seed, resolved, progress.of("features"))
            if name == "learned"
            else others[name]
            for name in dict.fromkeys(names)
        ]
        wanted = max(count, _MODE_SAMPLES) if modes else count
        samples = _draw(trained, wanted, seed, progress.of("samples"))
        quality = evaluate(
            samples[:count],
            reals.unseen,
            features,
            seed=seed,
            training=reals.training if reals.is_unseen else None,
            progress=progress.of("figures"),
        )
    report = _report(trained, real, reals, quality, features, samples if modes else None)
    if out is not None:
        _write(out / QUALITY_FILE, report)
    if as_json:
        output.echo_json(report, indent=2)
    else:
        _show(quality, report)
    return 0


def _weight_files(texts: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Read ``[NAME=]FILE``; a file alone belongs to the one network that was asked for."""
    pretrained = [name for name in dict.fromkeys(names) if name in ("inception", "dinov2")]
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if equals and name in ("inception", "dinov2"):
            found[name] = Path(path).expanduser()
        elif len(pretrained) == 1:
            found[pretrained[0]] = Path(text).expanduser()
        else:
            raise click.BadParameter(
                "Write inception=FILE or dinov2=FILE, and name it with --features.",
                param_hint="--weights",
            )
    return found


# --- features -------------------------------------------------------------------------------------


def _other(name: str, weights: Path | None, device: str) -> "Features":
    from provenance.quality import RandomFeatures, pretrained_features

    if name == "random":
        return RandomFeatures(seed=0, device=device)
    return pretrained_features(
        "inception" if name == "inception" else "dinov2", weights, device=device
    )


def _learned(
    reals: "RealImages",
    out: Path | None,
    budget_s: float,
    seed: int,
    device: str,
    progress: Callable[[float, str], None],
) -> "Features":
    """Return features trained on these very images, from the cache where they are there."""
    from provenance.quality import load_features, train_features

    folder = _cache(out) / _key(reals, budget_s, seed)
    try:
        with folder_lock(folder, wait_s=10 * budget_s):
            try:
                return load_features(folder, device=device)
            except ArtefactError:  # none yet, or damaged: train them
                features = train_features(
                    reals.to_learn,
                    reals.labels,
                    seed=seed,
                    budget_s=budget_s,
                    device=device,
                    progress=progress,
                )
            features.save(folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}. Name another with --out."
        ) from error
    progress(1.0, "trained")
    return features


def _cache(out: Path | None) -> Path:
    if out is not None:
        return out / "features"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "provenance" / "features"


def _key(reals: "RealImages", budget_s: float, seed: int) -> str:
    digest = hashlib.sha256(f"1 {budget_s} {seed} {reals.to_learn.shape}".encode())
    digest.update(reals.to_learn.tobytes())
    digest.update(b"" if reals.labels is None else reals.labels.tobytes())
    return digest.hexdigest()[:32]


# --- samples --------------------------------------------------------------------------------------


def _draw(
    trained: "TrainedGenerator", count: int, seed: int, progress: Callable[[float, str], None]
) -> "NDArray[np.uint8]":
    import numpy as np

    from provenance.corpora.encoding import check_batch
    from provenance.corpora.outcome import plugin_at_work
    from provenance.training import derive_seed

    first = derive_seed(seed, "evaluate", trained.spec.name) % 2**31
    size_px = int(trained.card["size_px"])
    parts = []
    for start in range(0, count, _AT_ONCE):
        progress(start / count, f"{start} of {count}")
        with plugin_at_work(trained.spec.name, "sample"):
            made = trained.model.sample(_AT_ONCE, seed=first + start)
        parts.append(
            check_batch(
                trained.spec.kind, made, count=_AT_ONCE, size_px=size_px, source=trained.spec.name
            )
        )
    progress(1.0, f"{count} drawn")
    return np.concatenate(parts)[:count]


# --- report ---------------------------------------------------------------------------------------


def _report(
    trained: "TrainedGenerator",
    real: str | None,
    reals: "RealImages",
    quality: "Quality",
    features: "Sequence[Features]",
    stacked: "NDArray[np.uint8] | None",
) -> dict[str, Any]:
    from provenance.quality import count_modes

    report = {
        "model": str(trained.folder),
        "generator": trained.spec.name,
        "weights_sha256": trained.card.get("weights_sha256"),
        "real": real or trained.card["data"]["source"],
        "real_is_unseen": reals.is_unseen,
        **quality.to_json(),
        "feature_cards": {one.name: dict(getattr(one, "card", {})) for one in features},
    }
    if not reals.is_unseen:
        report["findings"].insert(0, _SEEN)
    if stacked is not None:
        counted = count_modes(stacked)
        report["modes"] = {
            "modes": counted.modes,
            "kl": counted.kl,
            "samples": counted.samples,
            "expected_modes": counted.expected_modes,
            "expected_kl": counted.expected_kl,
        }
        report["findings"].append(_about_modes(counted))
    return report


_SEEN = (
    "The real images may be ones that the generator has learned from, since there are no others: "
    "figures flatter it, and memorised images would not be noticed."
)


def _about_modes(found: "ModeCount") -> str:
    return (
        f"{found.modes} of 1,000 modes among {found.samples} samples (a faultless generator: "
        f"{found.expected_modes:.0f}), divergence {found.kl:.2f} nats ({found.expected_kl:.2f})."
    )


def _write(path: Path, report: dict[str, Any]) -> None:
    try:
        write_json(path, report)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    output.say(f"Written: {path}")


def _show(quality: "Quality", report: dict[str, Any]) -> None:
    keys = list(quality.row("samples").figures)
    columns = ("figure", *(_ROW_NAMES[row.name] for row in quality.rows))
    rows = [[key, *(_cell(row.figures.get(key)) for row in quality.rows)] for key in keys]
    title = f"{report['model']} against {quality.items} real images of {report['real']}"
    output.console().print(output.table(columns, rows, title=output.printable(title)))
    for sentence in report["findings"]:
        output.echo_data(output.printable(sentence))
    output.say("In brackets: 95 % interval. Real images: others, in the samples' place: the floor.")


def _cell(found: "Estimate | None") -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3g}"
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
