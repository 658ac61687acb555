"""What every ``fit`` shares: the loop, checkpoints, devices, seeds, weights, logs, processes.

A plugin's training code stays readable because the loop below it is small: it yields steps until
the budget is spent, saves what it was told to save, and goes on where a killed run stood.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.training.devices import Precision, resolve_device, use_threads
    from provenance.training.distributed import Workers
    from provenance.training.ema import EMA
    from provenance.training.images import (
        check_images,
        fixed_rows,
        hold_out_groups,
        images_to_tensor,
        mirror_and_exchange_channels,
        mirror_half,
        render_in_batches,
        stack_images,
        tensor_to_images,
    )
    from provenance.training.jobs import Job, run_jobs
    from provenance.training.logs import RunLog
    from provenance.training.loop import TrainingLoop
    from provenance.training.seeds import derive_seed, seed_everything
    from provenance.training.weights import WEIGHTS_FILE, load_weights, save_weights

__all__ = [
    "EMA",
    "WEIGHTS_FILE",
    "Job",
    "Precision",
    "RunLog",
    "TrainingLoop",
    "Workers",
    "check_images",
    "derive_seed",
    "fixed_rows",
    "hold_out_groups",
    "images_to_tensor",
    "load_weights",
    "mirror_and_exchange_channels",
    "mirror_half",
    "render_in_batches",
    "resolve_device",
    "run_jobs",
    "save_weights",
    "seed_everything",
    "stack_images",
    "tensor_to_images",
    "use_threads",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "EMA": "provenance.training.ema",
        "WEIGHTS_FILE": "provenance.training.weights",
        "Job": "provenance.training.jobs",
        "Precision": "provenance.training.devices",
        "RunLog": "provenance.training.logs",
        "TrainingLoop": "provenance.training.loop",
        "Workers": "provenance.training.distributed",
        "check_images": "provenance.training.images",
        "derive_seed": "provenance.training.seeds",
        "fixed_rows": "provenance.training.images",
        "hold_out_groups": "provenance.training.images",
        "images_to_tensor": "provenance.training.images",
        "load_weights": "provenance.training.weights",
        "mirror_and_exchange_channels": "provenance.training.images",
        "mirror_half": "provenance.training.images",
        "render_in_batches": "provenance.training.images",
        "resolve_device": "provenance.training.devices",
        "run_jobs": "provenance.training.jobs",
        "save_weights": "provenance.training.weights",
        "seed_everything": "provenance.training.seeds",
        "stack_images": "provenance.training.images",
        "tensor_to_images": "provenance.training.images",
        "use_threads": "provenance.training.devices",
    },
)
