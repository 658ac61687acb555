"""The shortcut audit: can the containers alone tell real from synthetic? They must not.

A booster is fitted on file sizes, dimensions, formats and the like, and tested on groups that it
has not seen. What it can tell, a detector could learn instead of looking at the content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.corpora.containers import Container, measure, without_credential
from provenance.corpora.reader import Corpus
from provenance.errors import UserError
from provenance.training.seeds import derive_seed
from provenance.types import Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 0.55
_FOLDS = 5
_RESAMPLES = 1000
_DECIMALS = 6  # of predictions: below lies the noise of sums, which would order equal items


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What the audit found.

    Attributes:
        auc: Area under the ROC curve on unseen groups; 0.5 is chance.
        interval: Its 95 % bootstrap interval, groups resampled.
        features: Feature to the AUC of a booster on it alone, most telling first; features that
            are equal in all files are left out.
        credentials: Label to the share of its files that carry a C2PA manifest.
        auc_with_credential: The AUC when manifests are not taken out first.
        files: How many were measured.
        groups: How many independent groups they are.
    """

    auc: float
    interval: tuple[float, float]
    features: dict[str, float]
    credentials: dict[str, float]
    auc_with_credential: float
    files: int
    groups: int

    @property
    def passed(self) -> bool:
        """Whether the containers tell too little to learn from."""
        return self.auc < THRESHOLD

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``provenance audit`` prints."""
        return {
            "passed": self.passed,
            "auc": round(self.auc, 4),
            "interval": [round(bound, 4) for bound in self.interval],
            "threshold": THRESHOLD,
            "features": {name: round(auc, 4) for name, auc in self.features.items()},
            "credentials": self.credentials,
            "auc_with_credential": round(self.auc_with_credential, 4),
            "files": self.files,
            "groups": self.groups,
        }


def audit_corpus(corpus: Corpus, *, seed: int) -> AuditResult:
    """Fit a booster on container features and test it on groups that it has not seen.

    The features are measured on files without their C2PA manifest. A manifest gives the label away
    by design, and detectors never see it; its presence is reported beside.

    Args:
        corpus: Which; its files are read, not decoded.
        seed: Of folds, booster and bootstrap.

    Raises:
        UserError: The corpus has one class only, or fewer than ten groups.
    """
    signed = [measure(corpus.read(row)) for row in corpus.rows]
    bare = [
        measure(without_credential(corpus.read(row))) if container.has_credential else container
        for row, container in zip(corpus.rows, signed, strict=True)
    ]
    truth = np.array([row.label is Label.SYNTHETIC for row in corpus.rows])
    names = [row.group or row.parent or row.file_name for row in corpus.rows]
    groups = np.unique(names, return_inverse=True)[1]
    _check(truth, groups)
    columns, table = _table(bare)
    scores = _unseen(table, truth, groups, seed)
    return AuditResult(
        auc=auc(truth, scores),
        interval=_interval(truth, scores, groups, seed),
        features=_alone(columns, table, truth, groups, seed),
        credentials=_credentials(signed, truth),
        auc_with_credential=auc(truth, _unseen(_table(signed)[1], truth, groups, seed)),
        files=len(truth),
        groups=len(set(names)),
    )


def _check(truth: "NDArray[np.bool_]", groups: "NDArray[np.intp]") -> None:
    if truth.all() or not truth.any():
        raise UserError("The corpus has one class only. An audit needs real and synthetic files.")
    if len(np.unique(groups)) < 2 * _FOLDS:
        raise UserError(f"An audit needs {2 * _FOLDS} independent groups of files or more.")


def _table(containers: Sequence[Container]) -> tuple[list[str], "NDArray[np.float64]"]:
    """Return the names of the features that vary, and their values (files, features).

    A feature that a file does not have counts as 0.
    """
    columns = sorted({name for container in containers for name in container.features})
    table = np.array([[c.features.get(name, 0.0) for name in columns] for c in containers])
    varies = np.ptp(table, axis=0) > 0
    return [name for name, v in zip(columns, varies, strict=True) if v], table[:, varies]


def _unseen(
    table: "NDArray[np.float64]",
    truth: "NDArray[np.bool_]",
    groups: "NDArray[np.intp]",
    seed: int,
) -> "NDArray[np.float64]":
    """Return the booster's probability of "synthetic" for each file, fitted on other groups."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    scores = np.full(len(truth), 0.5)
    if table.shape[1] == 0:  # all containers are equal
        return scores
    state = derive_seed(seed, "audit") % 2**32
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=state)
    for fitted, held_out in folds.split(table, truth, groups):
        # balanced: else folds that differ in their share of fakes would differ in their scores
        booster = HistGradientBoostingClassifier(
            max_iter=50, min_samples_leaf=5, class_weight="balanced", random_state=state
        )
        booster.fit(table[fitted], truth[fitted])
        scores[held_out] = booster.predict_proba(table[held_out])[:, 1]
    return scores.round(_DECIMALS)


def _alone(
    columns: Sequence[str],
    table: "NDArray[np.float64]",
    truth: "NDArray[np.bool_]",
    groups: "NDArray[np.intp]",
    seed: int,
) -> dict[str, float]:
    found = {
        name: auc(truth, _unseen(table[:, i : i + 1], truth, groups, seed))
        for i, name in enumerate(columns)
    }
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _credentials(containers: Sequence[Container], truth: "NDArray[np.bool_]") -> dict[str, float]:
    carries = np.array([container.has_credential for container in containers])
    shares = {Label.REAL: carries[~truth].mean(), Label.SYNTHETIC: carries[truth].mean()}
    return {str(label): round(float(share), 4) for label, share in shares.items()}


def auc(
    truth: "NDArray[np.bool_]",
    scores: "NDArray[np.float64]",
    weights: "NDArray[np.float64] | None" = None,
) -> float:
    """Return the weighted area under the ROC curve; ties count half.

    Args:
        truth: bool (N,).
        scores: float (N,), higher = more likely True.
        weights: float (N,), how often each item counts; once when None.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    place = np.unique(scores, return_inverse=True)[1]
    true = np.bincount(place, weights * truth)
    false = np.bincount(place, weights * ~truth)
    pairs = true.sum() * false.sum()
    below = np.cumsum(false) - false / 2
    return float((true * below).sum() / pairs) if pairs else 0.5


def _interval(
    truth: "NDArray[np.bool_]",
    scores: "NDArray[np.float64]",
    groups: "NDArray[np.intp]",
    seed: int,
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap of the AUC, groups drawn with replacement."""
    random = np.random.default_rng(derive_seed(seed, "bootstrap"))
    count = int(groups.max()) + 1
    drawn = []
    for _ in range(_RESAMPLES):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        drawn.append(auc(truth, scores, times[groups].astype(float)))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)
