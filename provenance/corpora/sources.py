"""Reads the real items from their source; fetches them first where the user asked for that."""

from provenance.contracts import Downloadable, InputSpec
from provenance.corpora.outcome import plugin_at_work
from provenance.corpora.plan import TRAINING_ITEMS
from provenance.corpora.request import Request
from provenance.errors import PluginError, UnreadableError, UserError
from provenance.plugins import registry
from provenance.training.distributed import process_count
from provenance.types import Media


def read_pool(request: Request) -> list[Media]:
    """Read the real items: those of the corpus first, then more to train on.

    Raises:
        UserError: No such source, or it has nothing for us.
        UnreadableError: It lies where it cannot be read.
        PluginError: The source's plugin failed, or gave something other than items.
    """
    name, _, argument = request.real.partition(":")
    source = registry().dataset(name)
    window = InputSpec(geometry="crop", size_px=request.size_px)
    # about half of the photographs train; where there are many, those beyond the corpus do too
    wanted = max(request.count + TRAINING_ITEMS, 2 * TRAINING_ITEMS)
    try:
        with plugin_at_work(name, "reading", passing=(UserError, UnreadableError, OSError)):
            dataset = source.factory(argument)
            if request.download and source.spec.downloads:
                _fetch(name, dataset)
            pool = list(dataset.items(window, count=wanted, seed=request.seed))
    except OSError as error:
        raise UnreadableError(
            f"{request.real} cannot be read: {error.strerror or error}. Mend that, or name another "
            f"source."
        ) from error
    if not all(isinstance(media, Media) for media in pool):
        raise PluginError(f"{name}: reading gave something other than items of type Media")
    if not pool:
        raise UserError(f"{request.real} has no items of {request.size_px} px.")
    return pool


def _fetch(name: str, dataset: object) -> None:
    """Let a source fetch its data: the only place where one may, and only once asked to."""
    if process_count() > 1:  # all of them would write the same files
        raise UserError(
            "--download works in one process. Run the same command once without torchrun and with "
            "--dry-run, then start it anew without --download."
        )
    if not isinstance(dataset, Downloadable):
        raise PluginError(f"{name}: says that it downloads, but has no method for it")
    dataset.download()
