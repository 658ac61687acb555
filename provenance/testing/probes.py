"""What conformance checks observe and break: files opened, imports, random states, weights."""

import contextlib
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_HEAVY = ("torch", "cv2", "timm", "sklearn", "skimage", "transformers")


def files_opened(call: Callable[[], Any]) -> list[str]:
    """Return the files that a call opens in this process."""
    opened: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and watching:
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(note)  # cannot be taken off again, only made idle
    try:
        call()
    finally:
        watching = False
    return opened


def heavy_imports(module: str, heavy: tuple[str, ...] = _HEAVY) -> list[str]:
    """Return which heavy libraries the import of a module brings along, in a fresh process."""
    code = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    result = subprocess.run(  # noqa: S603 - our own interpreter, the caller's own module
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def raises(
    call: Callable[[], Any], kind: type[Exception] | tuple[type[Exception], ...] = Exception
) -> bool:
    """Whether a call raises an error of a kind; errors of other kinds come out."""
    try:
        call()
    except kind:
        return True
    return False


def before_and_after(call: Callable[[], Any], observe: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what is observed before and after a call."""
    before = observe()
    call()
    return before, observe()


def random_states() -> dict[str, str]:
    """Return the state of every global random generator, by the library that has it."""
    torch = sys.modules.get("torch")
    return {
        "Python": repr(random.getstate()),
        "numpy": repr(
            [part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()]
        ),
        "torch": "" if torch is None else repr(torch.get_rng_state().tolist()),
    }


def cut_off(path: Path) -> None:
    """Take the last bytes of a file away, as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[:-64])


def drop_a_tensor(path: Path) -> None:
    """Write a safetensors file anew without the first of its tensors."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="numpy") as stream:
        metadata = stream.metadata()
        arrays = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    del arrays[sorted(arrays)[0]]
    save_file(arrays, path, metadata=metadata)


def add_a_tensor(path: Path) -> None:
    """Write a safetensors file anew with a tensor that nobody asked for."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(path, framework="numpy") as stream:
        metadata = stream.metadata()
        arrays = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    save_file({**arrays, "left_over": np.zeros(2, np.float32)}, path, metadata=metadata)


@dataclass(slots=True)
class Count:
    """A number that grows while it is watched."""

    count: int = 0


@contextlib.contextmanager
def optimiser_steps() -> Iterator[Count]:
    """Count the steps of all torch optimisers meanwhile; 0 where torch is not installed."""
    steps = Count()
    try:
        from torch.optim.optimizer import register_optimizer_step_post_hook
    except ImportError:
        yield steps
        return

    def note(*_: Any) -> None:
        steps.count += 1

    handle = register_optimizer_step_post_hook(note)
    try:
        yield steps
    finally:
        handle.remove()


def torch_settings() -> tuple[Any, ...] | None:
    """Return torch's threads, gradient mode and default type; None where it is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
