"""Everything that detectors have in common: training on a corpus, calibration, tests, verdicts.

A plugin owns features and a score. What the score is worth is found out here, on splits of the
corpus that the plugin has never seen, and kept in the card beside the weights.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.detection.artefact import TrainedDetector, find_artefacts, load_artefact
    from provenance.detection.calibration import (
        Calibration,
        Threshold,
        fit_calibration,
        fit_threshold,
    )
    from provenance.detection.card import DetectorCard
    from provenance.detection.metrics import METRICS, Estimate, summarise
    from provenance.detection.opinion import Opinion
    from provenance.detection.scoring import abstain, score_items, score_usable
    from provenance.detection.train import (
        TrainingRequest,
        TrainingResult,
        plan_folds,
        train_detectors,
    )
    from provenance.detection.windows import fit_input

__all__ = [
    "METRICS",
    "Calibration",
    "DetectorCard",
    "Estimate",
    "Opinion",
    "Threshold",
    "TrainedDetector",
    "TrainingRequest",
    "TrainingResult",
    "abstain",
    "find_artefacts",
    "fit_calibration",
    "fit_input",
    "fit_threshold",
    "load_artefact",
    "plan_folds",
    "score_items",
    "score_usable",
    "summarise",
    "train_detectors",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "METRICS": "provenance.detection.metrics",
        "Calibration": "provenance.detection.calibration",
        "DetectorCard": "provenance.detection.card",
        "Estimate": "provenance.detection.metrics",
        "Opinion": "provenance.detection.opinion",
        "Threshold": "provenance.detection.calibration",
        "TrainedDetector": "provenance.detection.artefact",
        "TrainingRequest": "provenance.detection.train",
        "TrainingResult": "provenance.detection.train",
        "abstain": "provenance.detection.scoring",
        "find_artefacts": "provenance.detection.artefact",
        "fit_calibration": "provenance.detection.calibration",
        "fit_input": "provenance.detection.windows",
        "fit_threshold": "provenance.detection.calibration",
        "load_artefact": "provenance.detection.artefact",
        "plan_folds": "provenance.detection.train",
        "score_items": "provenance.detection.scoring",
        "score_usable": "provenance.detection.scoring",
        "summarise": "provenance.detection.metrics",
        "train_detectors": "provenance.detection.train",
    },
)
