"""The log of a training run: JSON lines always, TensorBoard where it is installed."""

import json
import math
import time
from pathlib import Path
from typing import Any

from provenance.files import TEMPORARY_PREFIX


class RunLog:
    """Appends one JSON object a line to ``folder/log.jsonl``.

    Numbers and contact sheets also go to TensorBoard.

    Args:
        folder: Made when missing. A resumed run appends; a fresh one starts anew.
        resume: Keep what an interrupted run has written.
        enabled: False on all but the first rank of a distributed run.
        step: Where a resumed run goes on; lines of later steps, which will be taken again, go.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resume: bool = False,
        enabled: bool = True,
        step: int | None = None,
    ) -> None:
        self.path = folder / "log.jsonl"
        self._enabled = enabled
        self._board: Any = None
        self._shown = ""  # name of the newest sheet on the board
        if not enabled:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self._drop_lines_after(step)
        else:
            self.path.unlink(missing_ok=True)
        self._board = _tensorboard(folder / "tensorboard", step if resume else None)

    def write(self, step: int, **values: float | str) -> None:
        """Log ``values`` at ``step``; each line also carries the Unix time in seconds."""
        if not self._enabled:
            return
        plain = {name: _plain(value) for name, value in values.items()}
        line = json.dumps({"step": step, "time_s": round(time.time(), 3), **plain})
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, str):
                    self._board.add_scalar(name, value, step)

    def show_newest_sheet(self, workdir: Path) -> None:
        """Put the newest sheet of ``workdir/samples`` on TensorBoard, unless it is there."""
        if self._board is None:
            return
        newest = max(workdir.glob("samples/step_*.png"), default=None)
        if newest is None or newest.name <= self._shown:
            return
        from provenance.media import decode_image

        pixels = decode_image(newest.read_bytes())  # uint8 (H, W, 3)
        self._board.add_image("samples", pixels, _step_of(newest), dataformats="HWC")
        self._shown = newest.name

    def close(self) -> None:
        """Flush TensorBoard's events."""
        if self._board is not None:
            self._board.close()

    def _drop_lines_after(self, step: int | None) -> None:
        """Cut off what a killed run wrote after its checkpoint, and a last line without its end."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        whole = b"".join(line for line in lines if step is None or json.loads(line)["step"] <= step)
        if whole != data:
            temporary = self.path.with_name(f"{TEMPORARY_PREFIX}{self.path.name}")
            temporary.write_bytes(whole)
            temporary.replace(self.path)


def _step_of(sheet: Path) -> int:
    return int(sheet.stem.rpartition("_")[2])


def _plain(value: float | str) -> float | str | None:
    """Return None for what JSON cannot hold: infinities and what is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tensorboard(folder: Path, purge_step: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra is not installed; the JSON lines tell the same
        return None
    return SummaryWriter(log_dir=str(folder), purge_step=purge_step)
