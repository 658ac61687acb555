"""Fits a few small models to the features and keeps the one that does best on validation."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance import FitContext, Label, LabelledMedia, UserError
from provenance.training import WEIGHTS_FILE, RunLog, load_weights, save_weights
from provenance_plugins.spectral.features import Array
from provenance_plugins.spectral.model import extract, logits, problem_of, standardised

Arrays = dict[str, NDArray[Any]]
Labels = NDArray[np.bool_]

_CHUNK = 512  # windows between two signs of life
_FEATURES_SHARE = 0.6  # of the progress bar


def fit(
    train: Sequence[LabelledMedia], validation: Sequence[LabelledMedia], context: FitContext
) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of the best model, and what was chosen.

    Features are kept in ``context.workdir``, so that a resumed run does not compute them again. At
    least one model is fitted whatever the budget; after that, none is begun once it is spent.
    ``context.max_steps`` counts models.

    Raises:
        UserError: A class is missing, or ``model`` is none of those that exist.
    """
    started = time.monotonic()
    log = RunLog(context.workdir, resume=context.resume)
    rows, truth = _features(train, context, "train", 0.0)
    checked, checked_truth = _features(validation, context, "validation", 0.8)
    names = [item.generator for item in _usable(validation)]
    mean, scale = rows.mean(0), rows.std(0)
    scale[scale < 1e-6] = 1.0  # constant in training: says nothing
    values = standardised(rows, mean, scale)
    best: tuple[float, str, Arrays] | None = None
    for step, (name, make) in enumerate(_candidates(str(context.options.get("model", "auto")))):
        if best is not None and _spent(context, step, started):
            break
        arrays = {"mean": mean, "scale": scale, **make(values, truth, context.seed)}
        quality = mean_auroc(logits(checked, arrays), checked_truth, names)
        log.write(step, model=name, validation_auroc=quality)
        context.progress(_FEATURES_SHARE + 0.1 * step, f"{name}: validation AUROC {quality:.3f}")
        if best is None or quality > best[0]:
            best = quality, name, arrays
    log.close()
    assert best is not None
    return _float32(best[2]), {"model": best[1], "validation_auroc": best[0]}


def mean_auroc(scores: Array, synthetic: Labels, generators: Sequence[str | None]) -> float:
    """Return the AUROC of real items against each generator's, averaged over generators.

    Averaged, so that a model that is good at the most frequent generator alone is not chosen.
    """
    from sklearn.metrics import roc_auc_score

    found = []
    for name in sorted({name for name in generators if name is not None}):
        part = np.array([other in (None, name) for other in generators])
        found.append(roc_auc_score(synthetic[part], scores[part]))
    return float(np.mean(found))


def _spent(context: FitContext, step: int, started: float) -> bool:
    if context.max_steps is not None:
        return step >= context.max_steps
    return time.monotonic() - started >= context.budget_s


def _usable(items: Sequence[LabelledMedia]) -> list[LabelledMedia]:
    return [item for item in items if not problem_of(item.media.data)]


def _features(
    items: Sequence[LabelledMedia], context: FitContext, name: str, done: float
) -> tuple[Array, Labels]:
    """Return features (N, F) and truth (N,), from an interrupted run where it got so far.

    Raises:
        UserError: There are no usable items of one of the classes.
    """
    usable = _usable(items)
    truth = np.array([item.label is Label.SYNTHETIC for item in usable], np.bool_)
    if truth.all() or not truth.any():
        raise UserError(f"spectral needs real and synthetic items of 32 px or more in {name}.")
    folder = context.workdir / f"features-{name}"
    if context.resume and (folder / WEIGHTS_FILE).is_file():
        rows = load_weights(folder)[0]["rows"].astype(np.float32)
        if len(rows) == len(usable):
            return rows, truth
    parts = []
    for start in range(0, len(usable), _CHUNK):
        parts.append(extract([item.media.data for item in usable[start : start + _CHUNK]]))
        share = (done + (1 - done) * start / len(usable)) * _FEATURES_SHARE
        context.progress(share, f"features of {name}")
    rows = np.concatenate(parts)
    save_weights(folder, {"rows": rows}, {"items": len(rows)})
    return rows, truth


# --- models: each returns the weights of affine maps ----------------------------------------------

Maker = Callable[[Array, Labels, int], Arrays]


def _candidates(choice: str) -> Iterator[tuple[str, Maker]]:
    found: Mapping[str, Maker] = {
        "lda": _lda,
        "logistic-0.003": lambda values, truth, seed: _logistic(values, truth, 0.003),
        "logistic-0.03": lambda values, truth, seed: _logistic(values, truth, 0.03),
        "mlp": _mlp,
    }
    chosen = [(name, make) for name, make in found.items() if choice in ("auto", name)]
    if not chosen:
        raise UserError(f"spectral has no model {choice!r}. Use auto, {', '.join(found)}.")
    return iter(chosen)


def _lda(values: Array, truth: Labels, seed: int) -> Arrays:
    """Fit Fisher's discriminant with Ledoit-Wolf shrinkage; closed form, so that it goes first."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    model.fit(values, truth)
    return {"weight.0": model.coef_.T, "bias.0": model.intercept_}


def _logistic(values: Array, truth: Labels, strength: float) -> Arrays:
    """Fit logistic regression, both classes weighing the same; ``strength`` is sklearn's C."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300, tol=1e-3)
    model.fit(values, truth)
    return {"weight.0": model.coef_.T, "bias.0": model.intercept_}


def _mlp(values: Array, truth: Labels, seed: int) -> Arrays:
    """Fit one hidden layer; reals are repeated until both classes weigh about the same."""
    from sklearn.neural_network import MLPClassifier

    repeats = np.where(truth, 1, max(1, round(truth.sum() / (~truth).sum())))
    model = MLPClassifier(
        (64,), alpha=1.0, batch_size=256, learning_rate_init=1e-3, max_iter=12,
        early_stopping=False, random_state=seed % 2**32,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 12 epochs are meant: that it "has not converged" is known
        model.fit(values.repeat(repeats, axis=0), truth.repeat(repeats))
    (first, second), (bias, last) = model.coefs_, model.intercepts_
    return {"weight.0": first, "bias.0": bias, "weight.1": second, "bias.1": last}


def _float32(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}
