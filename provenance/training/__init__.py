"""What every ``fit`` shares: the loop, checkpoints, devices, seeds, weights, logs, processes.

A plugin's training code stays readable because the loop below it is small: it yields steps until
the budget is spent, saves what it was told to save, and goes on where a killed run stood.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.training.adversary import Adversary
    from provenance.training.classes import choose_classes, find_classes, number_classes
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
        opponent_colours,
        render_in_batches,
        stack_images,
        tensor_to_images,
    )
    from provenance.training.jobs import Job, run_jobs
    from provenance.training.logs import RunLog
    from provenance.training.loop import TrainingLoop
    from provenance.training.networks import ResidualBlock
    from provenance.training.resident import ResidentImages
    from provenance.training.sampling import check_sample_arguments, draw_rows
    from provenance.training.schedule import Milestones, set_learning_rate
    from provenance.training.seeds import derive_rng, derive_seed, seed_everything
    from provenance.training.settings import override_settings, resolve_options
    from provenance.training.sheets import pick_pictures, spread, write_sheet
    from provenance.training.weights import WEIGHTS_FILE, load_weights, save_weights, strict_weights

__all__ = [
    "EMA",
    "WEIGHTS_FILE",
    "Adversary",
    "Job",
    "Milestones",
    "Precision",
    "ResidentImages",
    "ResidualBlock",
    "RunLog",
    "TrainingLoop",
    "Workers",
    "check_images",
    "check_sample_arguments",
    "choose_classes",
    "derive_rng",
    "derive_seed",
    "draw_rows",
    "find_classes",
    "fixed_rows",
    "hold_out_groups",
    "images_to_tensor",
    "load_weights",
    "mirror_and_exchange_channels",
    "mirror_half",
    "number_classes",
    "opponent_colours",
    "override_settings",
    "pick_pictures",
    "render_in_batches",
    "resolve_device",
    "resolve_options",
    "run_jobs",
    "save_weights",
    "seed_everything",
    "set_learning_rate",
    "spread",
    "stack_images",
    "strict_weights",
    "tensor_to_images",
    "use_threads",
    "write_sheet",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Adversary": "provenance.training.adversary",
        "EMA": "provenance.training.ema",
        "Job": "provenance.training.jobs",
        "Milestones": "provenance.training.schedule",
        "Precision": "provenance.training.devices",
        "ResidentImages": "provenance.training.resident",
        "ResidualBlock": "provenance.training.networks",
        "RunLog": "provenance.training.logs",
        "TrainingLoop": "provenance.training.loop",
        "WEIGHTS_FILE": "provenance.training.weights",
        "Workers": "provenance.training.distributed",
        "check_images": "provenance.training.images",
        "check_sample_arguments": "provenance.training.sampling",
        "choose_classes": "provenance.training.classes",
        "derive_rng": "provenance.training.seeds",
        "derive_seed": "provenance.training.seeds",
        "draw_rows": "provenance.training.sampling",
        "find_classes": "provenance.training.classes",
        "fixed_rows": "provenance.training.images",
        "hold_out_groups": "provenance.training.images",
        "images_to_tensor": "provenance.training.images",
        "load_weights": "provenance.training.weights",
        "mirror_and_exchange_channels": "provenance.training.images",
        "mirror_half": "provenance.training.images",
        "number_classes": "provenance.training.classes",
        "opponent_colours": "provenance.training.images",
        "override_settings": "provenance.training.settings",
        "pick_pictures": "provenance.training.sheets",
        "render_in_batches": "provenance.training.images",
        "resolve_device": "provenance.training.devices",
        "resolve_options": "provenance.training.settings",
        "run_jobs": "provenance.training.jobs",
        "save_weights": "provenance.training.weights",
        "seed_everything": "provenance.training.seeds",
        "set_learning_rate": "provenance.training.schedule",
        "spread": "provenance.training.sheets",
        "stack_images": "provenance.training.images",
        "strict_weights": "provenance.training.weights",
        "tensor_to_images": "provenance.training.images",
        "use_threads": "provenance.training.devices",
        "write_sheet": "provenance.training.sheets",
    },
)
