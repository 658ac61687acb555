"""Draws from one trained generator, without a corpus: ways between samples, moves along directions.

Each drawing is a folder: signed PNG files, ``items.jsonl`` with one row a file, ``sheet.png``.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.corpora import encoding
from provenance.corpora.artefacts import TrainedGenerator, load_generator
from provenance.corpora.outcome import plugin_at_work
from provenance.errors import UserError
from provenance.files import sha256_bytes, write_atomic
from provenance.types import MediaKind

if TYPE_CHECKING:
    from provenance.credentials import Signer

ROWS_FILE = "items.jsonl"
SHEET_FILE = "sheet.png"
_COLUMNS = 12
_SIDE_PX = 96  # of a picture on the sheet, about
_MOST_SEED = 2**32 - 1
NAMESPACE = "com.provenance"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What was drawn.

    Attributes:
        folder: Where it lies.
        rows: One a file, as in ``items.jsonl``: name, hash, generator, and ``about``, how it was
            drawn.
        sheet: All pictures in one.
        notes: What the user should hear.
    """

    folder: Path
    rows: tuple[Mapping[str, Any], ...]
    sheet: Path
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the command prints."""
        return {
            "folder": str(self.folder),
            "items": [dict(row) for row in self.rows],
            "sheet": str(self.sheet),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Studio:
    """One trained generator, and the folder that its drawings go to; see :func:`open_studio`.

    Attributes:
        trained: The generator.
        out: The folder, empty.
        signer: Of each file; None leaves them unsigned.
        progress: Called with a fraction and a message.
    """

    trained: TrainedGenerator
    out: Path
    signer: "Signer | None"
    progress: Callable[[float, str], None]

    def interpolate(self, seed_a: int, seed_b: int, *, steps: int) -> Drawing:
        """Draw the way from one sample to another, both ends included.

        Args:
            seed_a: Of the sample at the beginning, 0..2**32-1.
            seed_b: Of the sample at the end.
            steps: At least 2.

        Raises:
            UserError: The generator cannot, or an argument is out of range.
            PluginError: It failed.
        """
        self.needs("interpolate", "--interpolate")
        _check_seeds(seed_a, seed_b)
        with plugin_at_work(self.name, "interpolate", passing=(UserError,)):
            made = self.trained.model.interpolate(seed_a, seed_b, steps)  # type: ignore[attr-defined]
        places = [round(i / (steps - 1), 6) for i in range(steps)]
        about = [{"seed_a": seed_a, "seed_b": seed_b, "place": place} for place in places]
        return self.keep("interpolation", made, about)

    def traverse(self, direction: str, amounts: Sequence[float], *, seed: int) -> Drawing:
        """Draw one sample moved along a direction, once for each amount.

        Args:
            direction: A name among those of the generator.
            amounts: In standard deviations of the latents; 0 is the sample itself.
            seed: Of the sample, 0..2**32-1.

        Raises:
            UserError: The generator has no directions, or none of this name; or an amount is not
                finite.
            PluginError: It failed.
        """
        self.needs("directions", "--direction")
        _check_seeds(seed)
        if not all(math.isfinite(one) for one in amounts):
            raise UserError("Amounts are finite numbers: standard deviations, such as -3 0 3.")
        with plugin_at_work(self.name, "move", passing=(UserError,)):
            made = self.trained.model.move(seed, direction, list(amounts))  # type: ignore[attr-defined]
        about = [{"seed": seed, "direction": direction, "amount": float(one)} for one in amounts]
        return self.keep("traversal", made, about)

    # -- for other modules that draw ---------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.trained.spec.name

    @property
    def side_px(self) -> int:
        """Of the images that the generator makes."""
        return int(self.trained.card["size_px"])

    def needs(self, capability: str, option: str) -> None:
        """Refuse what the generator cannot do.

        Raises:
            UserError: Names those that can.
        """
        if capability in self.trained.spec.capabilities:
            return
        from provenance.plugins import registry

        able = [
            spec.name
            for spec in (offer.spec for offer in registry().generators.values())
            if capability in spec.capabilities
        ]
        raise UserError(
            f"{option}: {self.name} cannot do that. Use a checkpoint of one of these: "
            f"{', '.join(sorted(able)) or 'none is installed'}."
        )

    def keep(self, step: str, made: Any, about: Sequence[Mapping[str, Any]]) -> Drawing:
        """Write and sign one file for each picture, the rows and the sheet."""
        checked = encoding.check_batch(
            MediaKind.IMAGE,
            made,
            count=len(about),
            size_px=self.side_px,
            source=f"{self.name}: {step}",
        )
        rows = []
        for number, facts in enumerate(about):
            self.progress(number / len(about), f"{step} {number}")
            name = f"{number:05d}.png"
            data = encoding.encode(MediaKind.IMAGE, checked[number])
            rows.append(self.write(name, self._signed(data, name, step, facts), step, facts))
        lines = [checked[start : start + _COLUMNS] for start in range(0, len(checked), _COLUMNS)]
        return self.finish(rows, lines, scale=max(1, _SIDE_PX // self.side_px))

    def write(self, name: str, data: bytes, step: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write one file; return its row."""
        _write(self.out / name, data)
        return {
            "file_name": name,
            "sha256": sha256_bytes(data),
            **self.facts(),
            "step": step,
            "about": dict(facts),
            "manifest": None if self.signer is None else "embedded",
        }

    def finish(
        self,
        rows: Sequence[Mapping[str, Any]],
        pictures: Sequence[Any],
        *,
        scale: int = 1,
        notes: Sequence[str] = (),
    ) -> Drawing:
        """Write the sheet, from rows of pictures uint8 (N, H, W, 3), and the rows, last."""
        from provenance.media import contact_sheet

        sheet = self.out / SHEET_FILE
        _write(sheet, contact_sheet(pictures, scale=scale))
        lines = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        _write(self.out / ROWS_FILE, lines.encode())
        self.progress(1.0, "done")
        return Drawing(self.out, tuple(rows), sheet, tuple(notes))

    def facts(self) -> dict[str, Any]:
        """Return what identifies the generator."""
        return {
            "generator": self.name,
            "generator_version": self.trained.spec.version,
            "family": self.trained.spec.family,
            "model": str(self.trained.card["name"]),
            "checkpoint": str(self.trained.card["weights_sha256"]),
        }

    def parameters(self, step: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of the action: who made it, and how."""
        told = {**self.facts(), "step": step, **facts}
        return {f"{NAMESPACE}.{key}": value for key, value in told.items() if value is not None}

    def _signed(self, data: bytes, name: str, step: str, facts: Mapping[str, Any]) -> bytes:
        if self.signer is None:
            return data
        from provenance.credentials import CredentialSession, Recipe

        recipe: Recipe = Recipe.of(
            title=name,
            source_type="trainedAlgorithmicMedia",
            generator={"name": self.name, "version": self.trained.spec.version},
            model=str(self.trained.card["name"]),
            actions=[{"name": "c2pa.created", "parameters": self.parameters(step, facts)}],
        )
        return CredentialSession(recipe, signer=self.signer).sign_bytes(data, name=name).data


def open_studio(
    checkpoint: Path | str,
    out: Path,
    *,
    device: str = "auto",
    sign: bool = True,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> Studio:
    """Load a generator to draw with.

    Args:
        checkpoint: Folder of its artefact, as ``corpus/generators/vae``.
        out: Where drawings go; made when missing, must be empty.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        sign: Whether files get a manifest, signed by this machine's development CA.
        progress: Called with a fraction and a message.

    Raises:
        UserError: There is no such generator, or ``out`` is not empty or cannot be made.
        PluginError: It cannot be loaded.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty. Use another --out.")
    trained = load_generator(checkpoint, device=device)
    try:
        out.mkdir(parents=True, exist_ok=True)  # now, before minutes are spent on what goes there
    except OSError as error:
        raise _unwritable(out, error) from error
    signer = None
    if sign:
        from provenance.credentials import development_signer

        signer = development_signer()
    return Studio(trained, out, signer, progress)


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be written: {error.strerror or error}. Use another --out.")


def _check_seeds(*seeds: int) -> None:
    for seed in seeds:
        if not 0 <= seed <= _MOST_SEED:
            raise UserError(f"A seed lies within 0..{_MOST_SEED}, not at {seed}.")
