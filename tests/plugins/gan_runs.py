"""What the tests of the GAN share: tiny settings, a run that is killed, the log of a run."""

import functools
import json

from provenance import FitContext
from provenance.training import TrainingLoop

OPTIONS = {"width": 2, "critic_width": 4, "batch": 8}


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 3, "options": OPTIONS, **changes}
    )


def lines(folder):
    text = (folder / "train" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


class KilledError(Exception):
    """Stands in for a kill."""


def kill_at_3(fraction, message):
    if "step 3" in message:
        raise KilledError


# logs and saves at every step, however fast the machine
EAGER_LOOP = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
