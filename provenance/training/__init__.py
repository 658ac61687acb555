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
    from provenance.training.jobs import Job, run_jobs
    from provenance.training.logs import RunLog
    from provenance.training.loop import TrainingLoop
    from provenance.training.seeds import derive_seed, seed_everything
    from provenance.training.weights import load_weights, save_weights

__all__ = [
    "EMA",
    "Job",
    "Precision",
    "RunLog",
    "TrainingLoop",
    "Workers",
    "derive_seed",
    "load_weights",
    "resolve_device",
    "run_jobs",
    "save_weights",
    "seed_everything",
    "use_threads",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "EMA": "provenance.training.ema",
        "Job": "provenance.training.jobs",
        "Precision": "provenance.training.devices",
        "RunLog": "provenance.training.logs",
        "TrainingLoop": "provenance.training.loop",
        "Workers": "provenance.training.distributed",
        "derive_seed": "provenance.training.seeds",
        "load_weights": "provenance.training.weights",
        "resolve_device": "provenance.training.devices",
        "run_jobs": "provenance.training.jobs",
        "save_weights": "provenance.training.weights",
        "seed_everything": "provenance.training.seeds",
        "use_threads": "provenance.training.devices",
    },
)
