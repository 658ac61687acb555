"""Any timm backbone as a detector: on crops, never resized, beside their high-pass residuals."""

from provenance import Detector, DetectorSpec, InputSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDetector

SPEC = DetectorSpec(
    name="timm",
    version="1.0",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="A timm backbone, by name, on unscaled windows and their high-pass residuals.",
    licence="Apache-2.0",
    input=InputSpec(geometry="tiles", size_px=256, max_tiles=16, min_side_px=32),
    options={
        "backbone": "test_resnet.r160_in1k",
        "pretrained": False,
        "weights": None,
        "residual": True,
        "batch_size": 32,
        "learning_rate": 1e-3,
    },
)


def build() -> Detector:
    """Return an untrained detector."""
    from provenance_plugins.timm.model import TimmDetector

    return TimmDetector()


@hookimpl
def register_detectors(register: RegisterDetector) -> None:
    """Offer ``timm``."""
    register(SPEC, build)
