"""Several processes, one training run: what a loop needs to know under ``torchrun``.

``torchrun --nproc-per-node 4 -m provenance generate ...`` sets ``RANK``, ``WORLD_SIZE`` and
``LOCAL_RANK``; without them everything here is a no-op for a single process.
"""

import os
from typing import TypeVar, cast

import torch
from torch import distributed

_Value = TypeVar("_Value")
_Network = TypeVar("_Network", bound=torch.nn.Module)


def process_count() -> int:
    """Return how many processes train together, 1 unless started by ``torchrun``."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """Return the number of this process among them; 0 logs, saves and writes."""
    return int(os.environ.get("RANK", "0"))


class Workers:
    """The processes of this run.

    Attributes:
        rank: Of this process, 0 for the one that logs and saves.
        count: How many processes there are.
        device: The device of this process: ``cuda:LOCAL_RANK`` when asked for ``cuda``.
    """

    def __init__(self, device: str) -> None:
        self.rank = process_rank()
        self.count = process_count()
        self.device = device
        if self.count == 1:
            return
        if device == "cuda":
            self.device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
            torch.cuda.set_device(self.device)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process logs, saves and draws pictures."""
        return self.rank == 0

    def wrap(self, network: _Network) -> _Network:
        """Average the gradients of ``network`` over all processes."""
        if self.count == 1:
            return network
        ids = [torch.device(self.device).index] if self.device.startswith("cuda") else None
        wrapped = torch.nn.parallel.DistributedDataParallel(network, device_ids=ids)
        return cast("_Network", wrapped)  # DDP forwards calls as the network itself would

    def share(self, value: _Value) -> _Value:
        """Return the first process's ``value`` in all of them: plain data, sent by pickle."""
        if self.count == 1:
            return value
        shared = [value]
        distributed.broadcast_object_list(shared, src=0, device=torch.device(self.device))
        return shared[0]

    def agree(self, value: float) -> float:
        """Return the first process's ``value`` everywhere: clocks differ, decisions must not."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, src=0)
        return float(shared.item())
