"""Seeds that say where they come from, so that two parts of a run never share a random stream."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *parts: str | int) -> int:
    """Return a seed in 0..2**62-1 that depends on ``seed`` and on every part, in order.

    Stable across processes, machines and Python versions, unlike ``hash``.

    Example:
        >>> derive_seed(7, "gan", 3) == derive_seed(7, "gan", 3)
        True
        >>> derive_seed(7, "gan", 3) == derive_seed(7, "vae", 3)
        False
    """
    text = "\x1f".join([str(seed), *map(str, parts)])
    data = text.encode(errors="surrogateescape")  # a file name may hold any byte
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> 2


def derive_rng(seed: int, *parts: str | int) -> "torch.Generator":
    """Return a random stream on the CPU, seeded by :func:`derive_seed`.

    For the draws of one step, with (family, process, step) as parts: they then depend on nothing
    else, and a resumed run sees what it would have seen.
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *parts))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (all devices)."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
