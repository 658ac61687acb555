"""Data sets that torchvision reads, as sources of real media: ``torchvision:NAME[@FOLDER]``."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="torchvision",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Data sets that torchvision reads, with their classes; fetched with --download.",
    licence="the data set's own",
    argument="NAME[@FOLDER]",
    downloads=True,
)


def open_torchvision(argument: str) -> Dataset:
    """Open the data set that stands after the colon."""
    from provenance_datasets.torchvision.source import TorchvisionSource

    return TorchvisionSource(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``torchvision``."""
    register(SPEC, open_torchvision)
