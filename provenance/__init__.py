"""Synthetic-media detection and provenance: the public API, which imports nothing heavy.

Names are loaded on first use (PEP 562), so that ``import provenance`` costs next to nothing.
What is listed in ``__all__`` here, and in the ``__all__`` of each sub-package, is public; plugins
import nothing else.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

__version__ = "0.1.0"

_EXPORTS = {
    "Steerable": "provenance.contracts",
    "Scorable": "provenance.contracts",
    "Interpolator": "provenance.contracts",
    "Ensemble": "provenance.contracts",
    "Downloadable": "provenance.contracts",
    "Direction": "provenance.contracts",
    "ClassConditional": "provenance.contracts",
    "API_VERSION": "provenance.contracts",
    "ArtefactError": "provenance.errors",
    "Channel": "provenance.types",
    "CredentialSession": "provenance.credentials.session",
    "Dataset": "provenance.contracts",
    "DatasetSpec": "provenance.contracts",
    "Detector": "provenance.contracts",
    "DetectorSpec": "provenance.contracts",
    "Evidence": "provenance.types",
    "EvidenceReader": "provenance.contracts",
    "EvidenceSpec": "provenance.contracts",
    "ExitCode": "provenance.errors",
    "FitContext": "provenance.contracts",
    "Generator": "provenance.contracts",
    "GeneratorSpec": "provenance.contracts",
    "InputSpec": "provenance.contracts",
    "Label": "provenance.types",
    "LabelledMedia": "provenance.types",
    "Media": "provenance.types",
    "MediaKind": "provenance.types",
    "ProvenanceError": "provenance.errors",
    "Recipe": "provenance.credentials.signing.recipe",
    "Reconstructor": "provenance.contracts",
    "Resampler": "provenance.contracts",
    "ScanRow": "provenance.types",
    "Scores": "provenance.contracts",
    "SignerSpec": "provenance.contracts",
    "SigningKey": "provenance.contracts",
    "Split": "provenance.types",
    "Step": "provenance.types",
    "UnreadableError": "provenance.errors",
    "UserError": "provenance.errors",
    "Verdict": "provenance.types",
    "hookimpl": "provenance.hookspecs",
    "TrainedGenerator": "provenance.corpora.artefacts",
    "load_generator": "provenance.corpora.artefacts",
    "sign": "provenance.credentials.api",
    "verify": "provenance.credentials.api",
}

if TYPE_CHECKING:
    from provenance.contracts import (
        API_VERSION,
        ClassConditional,
        Dataset,
        DatasetSpec,
        Detector,
        DetectorSpec,
        Direction,
        Downloadable,
        Ensemble,
        EvidenceReader,
        EvidenceSpec,
        FitContext,
        Generator,
        GeneratorSpec,
        InputSpec,
        Interpolator,
        Reconstructor,
        Resampler,
        Scorable,
        Scores,
        SignerSpec,
        SigningKey,
        Steerable,
    )
    from provenance.corpora.artefacts import TrainedGenerator, load_generator
    from provenance.credentials.api import sign, verify
    from provenance.credentials.session import CredentialSession
    from provenance.credentials.signing.recipe import Recipe
    from provenance.errors import (
        ArtefactError,
        ExitCode,
        ProvenanceError,
        UnreadableError,
        UserError,
    )
    from provenance.hookspecs import hookimpl
    from provenance.types import (
        Channel,
        Evidence,
        Label,
        LabelledMedia,
        Media,
        MediaKind,
        ScanRow,
        Split,
        Step,
        Verdict,
    )

__all__ = [
    "API_VERSION",
    "ArtefactError",
    "Channel",
    "ClassConditional",
    "CredentialSession",
    "Dataset",
    "DatasetSpec",
    "Detector",
    "DetectorSpec",
    "Direction",
    "Downloadable",
    "Ensemble",
    "Evidence",
    "EvidenceReader",
    "EvidenceSpec",
    "ExitCode",
    "FitContext",
    "Generator",
    "GeneratorSpec",
    "InputSpec",
    "Interpolator",
    "Label",
    "LabelledMedia",
    "Media",
    "MediaKind",
    "ProvenanceError",
    "Recipe",
    "Reconstructor",
    "Resampler",
    "ScanRow",
    "Scorable",
    "Scores",
    "SignerSpec",
    "SigningKey",
    "Split",
    "Steerable",
    "Step",
    "TrainedGenerator",
    "UnreadableError",
    "UserError",
    "Verdict",
    "__version__",
    "hookimpl",
    "load_generator",
    "sign",
    "verify",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
