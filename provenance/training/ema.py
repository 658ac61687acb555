"""An exponential moving average of a network's weights: steadier samples than the last step's."""

import copy
from typing import Any

import torch


class EMA:
    """A shadow of ``network`` whose weights trail it.

    Args:
        network: Followed after each optimiser step through :meth:`update`.
        decay: Share of the old average that stays at each step.
        warmup: The decay is at most ``(1 + t) / (warmup + t)``, so that early steps count little.
    """

    def __init__(self, network: torch.nn.Module, *, decay: float = 0.99, warmup: int = 10) -> None:
        self.network: torch.nn.Module = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay, self._warmup, self._steps = decay, warmup, 0

    @torch.no_grad()
    def update(self, network: torch.nn.Module) -> None:
        """Move the average towards ``network``; buffers are copied."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (self._warmup + self._steps))
        for average, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(weight.detach(), 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        """Return weights and step count, for checkpoints."""
        return {"network": self.network.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self._steps = int(state["steps"])
