"""Networks compiled where that pays, and run as they are where compiling fails."""

import logging
from typing import Any

import torch
from torch import nn

_LOG = logging.getLogger(__name__)


class Compiled(nn.Module):
    """Runs a network through ``torch.compile``; after a failure of the compiler, as it is.

    Keep the network itself in checkpoints and averages, and call this in its place: the weights are
    the same tensors.

    Args:
        network: Differentiated once only; the compiler knows no second derivatives, so critics
            with gradient penalties stay as they are.
        graphs: Also record CUDA graphs, which spare small networks the launch of each kernel. Batch
            size and shapes must not change from step to step.
    """

    def __init__(self, network: nn.Module, *, graphs: bool = False) -> None:
        super().__init__()
        self.network = network
        mode = "reduce-overhead" if graphs else "default"
        # not registered: its weights are those of ``network``, which would be named twice
        self._compiled: list[Any] = [torch.compile(network, mode=mode)]

    def forward(self, *args: Any, **named: Any) -> Any:
        """Return what the network returns."""
        if not self._compiled:
            return self.network(*args, **named)
        try:
            return self._compiled[0](*args, **named)
        except Exception as error:
            if not _is_the_compilers(error):
                raise
            self._compiled.clear()
            name, words = type(self.network).__name__, " ".join(str(error).splitlines()[:2])
            _LOG.warning("%s is not compiled, and runs slower: %s", name, words)
            return self.network(*args, **named)


def _is_the_compilers(error: Exception) -> bool:
    """Whether an error came up in compiling; those of the network itself are the caller's."""
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
