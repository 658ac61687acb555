"""Where tensors live and how precisely: device names, mixed precision, memory format, threads."""

import contextlib
import inspect
from collections.abc import Iterable
from typing import Any

import torch

from provenance.errors import UserError
from provenance.training.compiling import Compiled

_PAYS_FROM_S = 120.0  # of training: compiling takes some tens of seconds


def resolve_device(name: str) -> str:
    """Turn ``auto`` into the best device there is, and check any other name.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: The device does not exist here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return name
    if kind != "cuda" or (index and not index.isdigit()):
        raise UserError(f"No device is called {name!r}. Use auto, cpu, cuda or cuda:N.")
    if int(index or 0) >= torch.cuda.device_count():
        raise UserError(f"Device {name!r} is not on this machine. Use --device cpu or auto.")
    return name


def use_threads(count: int) -> None:
    """Let torch compute with ``count`` threads; one a process, or processes fight for cores."""
    torch.set_num_threads(count)


class Precision:
    """Mixed precision on CUDA, plain float32 elsewhere; one object a run.

    bfloat16 where the card has it, and then no loss scaling is needed; float16 with a scaler
    otherwise. Networks and images go to ``channels_last``, which convolutions prefer on both. What
    stays in float32 on CUDA is multiplied in TF32 (10 bits of mantissa), which is a setting of the
    whole process.

    Args:
        device: A resolved device name.
        enabled: Turn mixed precision off where a loss needs float32 throughout.
        tf32: Turn TF32 off where 10 bits are too few.
    """

    def __init__(self, device: str, *, enabled: bool = True, tf32: bool = True) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
        self._amp = enabled and self.device.type == "cuda"
        self._bfloat16 = self._amp and torch.cuda.is_bf16_supported()
        self._scaler = torch.amp.GradScaler(
            self.device.type, enabled=self._amp and not self._bfloat16
        )

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which forward passes and losses are computed."""
        if not self._amp:
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self._bfloat16 else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Move a network to the device, in ``channels_last`` where it has images."""
        return module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def images(self, batch: torch.Tensor) -> torch.Tensor:
        """Move images (N, C, H, W) to the device, in ``channels_last``, without waiting."""
        return batch.to(self.device, non_blocking=True, memory_format=torch.channels_last)

    def optimizer(
        self,
        kind: type[torch.optim.Optimizer],
        parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
        **settings: Any,
    ) -> torch.optim.Optimizer:
        """Build an optimiser; on CUDA the fused form, one kernel for all weights, where it exists.

        Args:
            kind: Such as ``torch.optim.AdamW``.
            parameters: Of networks that were placed already.
            settings: Its keyword arguments.
        """
        has_fused = "fused" in inspect.signature(kind).parameters
        if self.device.type == "cuda" and has_fused:
            settings.setdefault("fused", True)
        return kind(parameters, **settings)

    def compile(
        self,
        network: torch.nn.Module,
        *,
        budget_s: float | None = None,
        enabled: bool | None = None,
        graphs: bool = False,
    ) -> torch.nn.Module:
        """Return what to call in the network's place: compiled, or the network itself.

        A compiler that fails costs a warning and the speed. Keep and average the network itself.

        Args:
            network: Placed already. Not one that is differentiated twice.
            budget_s: Seconds of training; below 120 compiling does not pay. None: long enough.
            enabled: None compiles on CUDA only; True and False decide.
            graphs: Record CUDA graphs, too: for small networks, whose kernels take less time than
                their launches, and batches of one shape.
        """
        if enabled is None:
            enabled = self.device.type == "cuda" and (budget_s or _PAYS_FROM_S) >= _PAYS_FROM_S
        return Compiled(network, graphs=graphs) if enabled else network

    def step(
        self,
        loss: torch.Tensor,
        optimizer: torch.optim.Optimizer,
        *,
        clip_norm: float | None = None,
    ) -> None:
        """Zero the gradients, go backward from ``loss``, clip where asked, and step."""
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            self._scaler.unscale_(optimizer)
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the scaler's state, for checkpoints."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._scaler.load_state_dict(state)
