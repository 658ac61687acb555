"""WebDataset tar shards on disk as sources of real media: ``webdataset:SHARDS``."""

from provenance import Dataset, DatasetSpec, MediaKind, hookimpl
from provenance.hookspecs import RegisterDataset

SPEC = DatasetSpec(
    name="webdataset",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Images in WebDataset tar shards on disk, with their classes.",
    licence="the shards' own",
    argument="SHARDS",
)


def open_webdataset(argument: str) -> Dataset:
    """Open the shards that stand after the colon."""
    from provenance_datasets.webdataset.source import WebDatasetSource

    return WebDatasetSource(argument)


@hookimpl
def register_datasets(register: RegisterDataset) -> None:
    """Offer ``webdataset``."""
    register(SPEC, open_webdataset)
