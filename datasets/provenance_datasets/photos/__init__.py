"""Natural photographs that come inside the scikit-image, scikit-learn and matplotlib wheels."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="photos",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Eleven colour photographs out of installed wheels, as patches; nothing is downloaded.",
    licence="CC0, public domain, CC-BY-2.0: per photograph, see README",
)


def open_photos(argument: str) -> Dataset:
    """Open the source; nothing may stand after the colon."""
    from provenance_datasets.photos.source import Photos

    return Photos(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``photos``."""
    register(SPEC, open_photos)
