"""The generator that the host uses: learn how to share the work, keep the members, sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from provenance import FitContext, Media, UserError
from provenance.training import (
    RunLog,
    check_sample_arguments,
    choose_classes,
    derive_rng,
    find_classes,
    number_classes,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.ensemble import SPEC
from provenance_generators.ensemble.critic import Critic, scores, train_critic
from provenance_generators.ensemble.members import Member, load_members, pack, unpack
from provenance_generators.ensemble.settings import Settings
from provenance_generators.ensemble.weighing import fit_classes, fit_weights

_NEXT_CANDIDATE = 2**40
"""Seeds of an item's candidates lie so far apart, beyond those of other items."""


@dataclass(frozen=True, slots=True)
class _Learned:
    """What has been learned.

    Attributes:
        members: M of them.
        rule: As in the settings.
        weights: (M,), sum 1.
        by_class: Class to the number of its member; empty but for ``by-class``.
        classes: That may be asked for.
        shares: How often each was in the source, (K,).
        candidates: Of an item.
        critic: Only with ``best-of``.
        critic_width: Of it.
    """

    members: list[Member]
    rule: str
    weights: NDArray[np.float64]
    by_class: dict[str, int]
    classes: tuple[str, ...]
    shares: tuple[float, ...]
    candidates: int
    critic: Critic | None
    critic_width: int


class EnsembleGenerator:
    """Trained generators together. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._is: _Learned | None = None
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Load the members that ``context.options`` names, and learn how they share the work.

        Raises:
            UserError: Fewer than two members, members of another size, or a setting is wrong.
        """
        settings = Settings.build(context.options)
        images = stack_images(source, SPEC.sizes_px)
        members = load_members(settings.members, images.shape[1], context.device)
        log = RunLog(context.workdir / "train")
        weights = self._weights(members, images, settings, context, log)
        own = _classes_of(members)
        known = tuple(name for name in find_classes(source) if name in own)
        numbers = number_classes(source, known)
        counts = np.bincount(numbers, minlength=max(1, len(known)))
        by_class: dict[str, int] = {}
        if settings.rule == "by-class":
            by_class = fit_classes(members, images, numbers, known, context.seed)
        critic = None
        if settings.rule == "best-of":
            width, share = settings.critic_width, settings.critic_share
            critic = train_critic(members, weights, images, width, share, context)
        log.close()
        self._device = context.device
        self._is = _Learned(
            members,
            settings.rule,
            weights,
            by_class,
            known,
            tuple((counts / counts.sum()).tolist()),
            settings.candidates if settings.rule == "best-of" else 1,
            critic,
            settings.critic_width,
        )

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the members' weights, and the critic's.

        Raises:
            UserError: Nothing has been learned yet.
        """
        learned = self._learned()
        arrays, facts = pack(learned.members)
        if learned.critic is not None:
            arrays |= {f"critic.{k}": v for k, v in learned.critic.state_dict().items()}
        config = {
            "family": SPEC.family,
            "version": SPEC.version,
            "members": facts,
            "rule": learned.rule,
            "weights": learned.weights.tolist(),
            "by_class": learned.by_class,
            "classes": learned.classes,
            "shares": learned.shares,
            "candidates": learned.candidates,
            "critic_width": learned.critic_width,
        }
        save_weights(folder, arrays, config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or parts are missing or left.
            PluginError: A member's plugin cannot load it.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            facts = config["members"]
            parts = {f"member{number}." for number in range(len(facts))} | {"critic."}
            if left := [name for name in tensors if f"{name.partition('.')[0]}." not in parts]:
                raise ValueError(f"{left[0]} belongs to no part")
            critic = _load_critic(tensors, config, device)
            arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
            learned = _Learned(
                unpack(arrays, facts, device),
                str(config["rule"]),
                np.array(config["weights"], np.float64),
                dict(config["by_class"]),
                tuple(config["classes"]),
                tuple(config["shares"]),
                int(config["candidates"]),
                critic,
                int(config["critic_width"]),
            )
        self._is, self._device = learned, device

    # -- making ------------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that ``label`` may have: the source's that a member knows."""
        return () if self._is is None else self._is.classes

    def members(
        self, n: int, *, seed: int, label: str | Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Return the name of the member that makes each item of the equal call of :meth:`sample`.

        With ``best-of`` candidates are drawn for it, at the price of sampling.
        """
        learned = self._learned()
        if learned.critic is not None:
            return self._best(n, seed, label, truncation=1.0, temperature=1.0)[1]
        numbers = self._members(n, seed, self._labels(n, seed, label))
        return tuple(learned.members[number].name for number in numbers)

    def sample(
        self,
        n: int,
        *,
        seed: int,
        label: str | Sequence[str] | None = None,
        truncation: float = 1.0,
        temperature: float = 1.0,
    ) -> NDArray[np.uint8]:
        """Make ``n`` images; image i, and which member makes it, depends on ``seed + i`` alone.

        Args:
            n: How many.
            seed: Of the first image.
            label: Class of all or of each; members that do not know it are passed over.
            truncation: 0..1; given to the members.
            temperature: At least 0; given to the members.

        Raises:
            UserError: An argument out of range, an unknown class, or nothing learned yet.
        """
        self._learned()
        check_sample_arguments(SPEC.name, n, label, truncation, temperature, classes=self.classes)
        how = {"truncation": truncation, "temperature": temperature}
        return self._best(n, seed, label, **how)[0]

    # -- inside ------------------------------------------------------------------------------------

    def _best(
        self, n: int, seed: int, label: str | Sequence[str] | None, **how: float
    ) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Return images and names of members: of each item the candidate that scores best."""
        learned = self._learned()
        labels = self._labels(n, seed, label)
        drawn, names, best = [], [], []
        for candidate in range(learned.candidates):
            own = seed + candidate * _NEXT_CANDIDATE
            numbers = self._members(n, own, labels)
            drawn.append(self._draw(own, numbers, labels, **how))
            names.append([learned.members[number].name for number in numbers])
            if learned.critic is not None:
                best.append(scores(learned.critic, drawn[-1], self._device))
        chosen = np.argmax(best, axis=0) if best else np.zeros(n, int)
        rows = np.arange(n)
        made = tuple(names[which][row] for which, row in zip(chosen, rows, strict=True))
        return np.stack(drawn)[chosen, rows], made

    def _draw(
        self, seed: int, numbers: NDArray[np.int64], labels: list[str] | None, **how: float
    ) -> NDArray[np.uint8]:
        """Return images, row i by member ``numbers[i]``.

        Each member draws all rows between its first and its last: seeds follow one another, and a
        call for each row would cost more.
        """
        learned = self._learned()
        side = int(learned.members[0].card["size_px"])
        made = np.zeros((len(numbers), side, side, 3), np.uint8)
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            first, stop = int(rows[0]), int(rows[-1]) + 1
            member = learned.members[number]
            own = None if labels is None else _known(labels[first:stop], member.classes)
            drawn = member.sample(stop - first, seed=seed + first, labels=own, **how)
            made[rows] = drawn[rows - first]
        return made

    def _labels(self, n: int, seed: int, label: str | Sequence[str] | None) -> list[str] | None:
        """Return the class of each item; None where members are to draw classes by themselves."""
        learned = self._learned()
        if label is None and learned.rule != "by-class":
            return None
        numbers = choose_classes(
            SPEC.name, n, seed, label, learned.classes, torch.tensor(learned.shares)
        )
        return [learned.classes[int(number)] for number in numbers]

    def _members(self, n: int, seed: int, labels: list[str] | None) -> NDArray[np.int64]:
        """Return the number of the member of each item, (n,)."""
        learned = self._learned()
        if learned.by_class and labels is not None:
            return np.array([learned.by_class[name] for name in labels], np.int64)
        uniform = [torch.rand(1, generator=derive_rng(seed + i, "member")).item() for i in range(n)]
        chosen = np.zeros(n, np.int64)
        for row, value in enumerate(uniform):
            weights = self._able(None if labels is None else labels[row])
            chosen[row] = min(int(np.searchsorted(weights.cumsum(), value)), len(weights) - 1)
        return chosen

    def _able(self, name: str | None) -> NDArray[np.float64]:
        """Return the weights (M,), without members that do not know a class."""
        learned = self._learned()
        if name is None:
            return learned.weights
        knows = np.array([name in member.classes for member in learned.members])
        weights = learned.weights * knows
        if weights.sum() <= 0:  # those that know it have no weight: they share the work evenly
            weights = knows.astype(np.float64)
        able: NDArray[np.float64] = weights / weights.sum()
        return able

    def _weights(
        self,
        members: list[Member],
        images: NDArray[np.uint8],
        settings: Settings,
        context: FitContext,
        log: RunLog,
    ) -> NDArray[np.float64]:
        if settings.weights:
            weights = np.array(settings.weights) / sum(settings.weights)
        else:
            weights, coverage = fit_weights(members, images, context.seed)
            log.write(0, coverage=coverage)
        shares = zip(members, weights, strict=True)
        log.write(0, **{f"weight {member.name}": float(weight) for member, weight in shares})
        return weights

    def _learned(self) -> _Learned:
        if self._is is None:
            raise UserError("This ensemble has no members yet: fit it, or load a trained one.")
        return self._is


def _classes_of(members: Sequence[Member]) -> set[str]:
    return {name for member in members for name in member.classes}


def _known(labels: Sequence[str], classes: Sequence[str]) -> list[str] | None:
    """Return labels that a member takes: rows that are another's may have any class of its own."""
    if not classes:
        return None
    return [label if label in classes else classes[0] for label in labels]


def _load_critic(tensors: dict[str, Any], config: dict[str, Any], device: str) -> Critic | None:
    """Take the critic's tensors out, and return it; None where there is none."""
    own = {name: tensors.pop(name) for name in list(tensors) if name.startswith("critic.")}
    if (config["rule"] == "best-of") != bool(own):
        raise ValueError("its critic is missing, or left over")
    if not own:
        return None
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
        critic = Critic(width=int(config["critic_width"]))
    state = {name.removeprefix("critic."): tensor for name, tensor in own.items()}
    critic.load_state_dict(state, strict=True)
    critic.to(device).eval().requires_grad_(False)
    return critic
