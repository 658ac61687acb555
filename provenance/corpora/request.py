"""What the user asks of ``generate``, and the command line that asks for it."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance.contracts import CollapsePolicy

EVERY = ""
"""In :attr:`Request.presets`: every generator that has such a preset."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; a resumed run must ask for the same.

    Attributes:
        real: Source of real media: ``photos``, ``folder:PATH`` ...
        count: Real items wanted.
        size_px: Side of the images.
        families: Generators or families to train; empty for all that are trained unasked, or none
            with ``checkpoints``.
        checkpoints: Folders of trained generators to draw from.
        budget_s: Seconds of training per generator.
        seed: Of everything random.
        sign: Whether synthetic files carry a C2PA manifest.
        presets: Generator to the preset that it is trained with; :data:`EVERY` stands for all.
        options: Generator to settings of its own, which win over its preset.
        diverse: Whether each generator gets variants drawn by the seed: how it enlarges maps,
            normalises them ... so that each leaves other traces.
        copies: How often each is trained, with other seeds.
        on_collapse: What a training does when its samples turn out to be all alike.
        download: Whether the source may fetch its data.
        classes: Samples are of these classes only, in turn; empty: as often as in the source.
        truncation: Of samples, 0..1.
        temperature: Of samples, at least 0.
        top_k: Of samples, where a generator takes it.
        top_p: Of samples, 0..1, where a generator takes it.
        shards: Files in each WebDataset shard; 0 leaves every file loose.
        ensemble: Rule by which the generator ``ensemble`` combines the others, or None for none.
    """

    real: str = "photos"
    count: int = 1000
    size_px: int = 32
    families: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    budget_s: float = 120.0
    seed: int = 0
    sign: bool = True
    presets: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    diverse: bool = False
    copies: int = 1
    on_collapse: CollapsePolicy = "roll-back"
    download: bool = False
    classes: tuple[str, ...] = ()
    truncation: float = 1.0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    ensemble: str | None = None
    shards: int = 0

    def command(self) -> str:
        """Return the command line that asks for this, quoted for a shell."""
        words = ["provenance", "generate", "--real", self.real, "--count", str(self.count)]
        words += ["--size", str(self.size_px), "--budget", _number(self.budget_s)]
        words += ["--seed", str(self.seed), *self._training(), *self._sampling()]
        if self.shards:
            words += ["--shards", str(self.shards)]
        return shlex.join(words + ([] if self.sign else ["--no-sign"]))

    def _training(self) -> Iterator[str]:
        """Yield the words that say what is trained and how, beyond the defaults."""
        for name in self.families:
            yield from ("--family", name)
        for folder in self.checkpoints:
            yield from ("--checkpoint", folder)
        for name, preset in self.presets.items():
            yield from ("--preset", f"{name}={preset}" if name else preset)
        for name, settings in self.options.items():
            for key, value in settings.items():
                yield from ("--option", f"{name}.{key}={setting_text(value)}")
        if self.diverse:
            yield "--diverse"
        if self.copies != 1:
            yield from ("--copies", str(self.copies))
        if self.on_collapse != "roll-back":
            yield from ("--on-collapse", self.on_collapse)
        if self.download:
            yield "--download"
        if self.ensemble is not None:
            yield from ("--ensemble", self.ensemble)

    def _sampling(self) -> Iterator[str]:
        """Yield the words that say how samples are drawn, beyond the defaults."""
        for name in self.classes:
            yield from ("--class", name)
        if self.truncation != 1:
            yield from ("--truncation", _number(self.truncation))
        if self.temperature != 1:
            yield from ("--temperature", _number(self.temperature))
        if self.top_k is not None:
            yield from ("--top-k", str(self.top_k))
        if self.top_p is not None:
            yield from ("--top-p", _number(self.top_p))

    def controls(self) -> dict[str, Any]:
        """Return the arguments of ``sample`` that were asked for; the last two only some take."""
        asked = {"truncation": self.truncation, "temperature": self.temperature}
        further = {"top_k": self.top_k, "top_p": self.top_p}
        return {name: value for name, value in asked.items() if value != 1} | {
            name: value for name, value in further.items() if value is not None
        }


def setting_text(value: Any) -> str:
    """Return the text from which :func:`read_setting` gets a value back."""
    if isinstance(value, str) and read_setting(value) == value:
        return value
    return json.dumps(value)


def read_setting(text: str) -> Any:
    """Return the value of a setting: a number, true, a list where it is JSON; else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")  # exact
