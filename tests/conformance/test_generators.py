"""Every registered generator keeps the promises of the kit: one case a generator and check."""

import json

import pytest

from provenance.files import sha256_file
from provenance.plugins import registry
from provenance.testing import generator_checks, trained_generator
from provenance.testing.generators import SLOW_CHECKS

NAMES = ("gan", "vae", "autoregressive", "pixelcnn", "ensemble")
MEMBERS = ("gan", "vae")  # of the ensemble
SMALL = {
    "gan": {"width": 2, "critic_width": 4, "batch": 4},
    "vae": {"width": 8, "batch": 4},
    "autoregressive": {"width": 8, "embedding": 32, "layers": 2, "heads": 2, "batch": 4},
    "pixelcnn": {"width": 8, "layers": 2, "components": 2, "batch": 4},
    "ensemble": {"critic_width": 4, "rule": "best-of", "candidates": 2},
}
"""Settings under which two steps take a moment; the promises are the same."""
SLOW = {("pixelcnn", "every_size_can_be_learned")}  # a pass a pixel
OTHERWISE = {
    ("ensemble", "every_size_can_be_learned"): "its members make images of one size",
    ("ensemble", "every_large_size_can_be_learned"): "its members make images of one size",
    ("ensemble", "classes_are_honoured"): "its classes are those of its members, which have none",
}
"""Checks that a generator fails by its nature, with the reason."""


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """Return the trained generator of a name; trained once a process."""
    made = {}

    def subject(name):
        if name not in made:
            offer = registry().generator(name)
            folder = tmp_path_factory.mktemp(name)
            options = dict(SMALL[name])
            if name == "ensemble":
                options["members"] = [artefact(subject(one)) for one in MEMBERS]
            made[name] = trained_generator(
                offer.factory, offer.spec, folder, module=offer.owner.target, options=options
            )
        return made[name]

    return subject


def artefact(subject):
    """Lay the card beside the weights, as ``generate`` does; return the folder."""
    spec, folder = subject.spec, subject.folder.parent / "artefact"
    folder.mkdir(exist_ok=True)
    weights = folder / "model.safetensors"
    weights.write_bytes((subject.folder / "model.safetensors").read_bytes())
    card = {
        "name": f"{spec.name}-{min(spec.sizes_px)}",
        "generator": spec.name,
        "size_px": min(spec.sizes_px),
        "weights_sha256": sha256_file(weights),
    }
    (folder / "card.json").write_text(json.dumps(card))
    return str(folder)


def test_all_built_in_generators_are_checked():
    built_in = {
        name
        for name, offer in registry().generators.items()
        if offer.owner.distribution == "provenance-suite"
    }
    assert built_in == set(NAMES)


def cases():
    for name in NAMES:
        for check in generator_checks():
            marks = [pytest.mark.xdist_group(f"kit-{name}")]
            if check in SLOW_CHECKS or (name, check) in SLOW:
                marks.append(pytest.mark.slow)
            if (name, check) in OTHERWISE:
                marks.append(pytest.mark.xfail(reason=OTHERWISE[name, check]))
            yield pytest.param(name, check, marks=marks, id=f"{name}-{check}")


@pytest.mark.parametrize(("name", "check"), list(cases()))
def test_conformance(name, check, subjects):
    generator_checks()[check](subjects(name))
