"""What a plugin fills in: import-light specs, and the protocols of the things behind them.

A *spec* is pure data and costs nothing to build. The *factory* registered beside it is called only
when the thing is used, so that a plugin's ``__init__`` never imports torch, cv2 or timm.

The host owns reading files, splits, geometry, calibration, thresholds and verdicts; a plugin owns
features, networks and scores. Nothing here assumes an image: a *batch* is a list of decoded items
(:class:`provenance.Media` ``.data``) of one media kind.
"""

from provenance.contracts.datasets import (
    Dataset,
    DatasetSpec,
    Downloadable,
)
from provenance.contracts.detectors import (
    Detector,
    DetectorSpec,
    Scores,
)
from provenance.contracts.evidence import (
    EvidenceReader,
    EvidenceSpec,
)
from provenance.contracts.fitting import (
    API_VERSION,
    CollapsePolicy,
    FitContext,
    InputSpec,
)
from provenance.contracts.generators import (
    Capability,
    ClassConditional,
    Control,
    Direction,
    Ensemble,
    Generator,
    GeneratorSpec,
    Interpolator,
    Reconstructor,
    Resampler,
    Scorable,
    Steerable,
)
from provenance.contracts.signers import (
    SignerSpec,
    SigningKey,
)

__all__ = [
    "API_VERSION",
    "Capability",
    "ClassConditional",
    "CollapsePolicy",
    "Control",
    "Dataset",
    "DatasetSpec",
    "Detector",
    "DetectorSpec",
    "Direction",
    "Downloadable",
    "Ensemble",
    "EvidenceReader",
    "EvidenceSpec",
    "FitContext",
    "Generator",
    "GeneratorSpec",
    "InputSpec",
    "Interpolator",
    "Reconstructor",
    "Resampler",
    "Scorable",
    "Scores",
    "SignerSpec",
    "SigningKey",
    "Steerable",
]
