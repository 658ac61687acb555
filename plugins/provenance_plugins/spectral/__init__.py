"""Hand-made statistics of spectrum, blocks and noise residuals, and a small linear model or MLP."""

from provenance import Detector, DetectorSpec, InputSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDetector

SPEC = DetectorSpec(
    name="spectral",
    version="1.0",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Power spectrum, block-DCT and residual co-occurrence statistics; runs anywhere.",
    licence="Apache-2.0",
    input=InputSpec(geometry="tiles", size_px=256, max_tiles=16, min_side_px=32),
    options={"model": "auto"},
)


def build() -> Detector:
    """Return an untrained detector."""
    from provenance_plugins.spectral.model import SpectralDetector

    return SpectralDetector()


@hookimpl
def register_detectors(register: RegisterDetector) -> None:
    """Offer ``spectral``."""
    register(SPEC, build)
