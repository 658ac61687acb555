"""What the kits share: promises that plugins of every kind make alike, and expected failures."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import example_detector
import example_generator
import pytest

from provenance.testing import check_detector, check_generator


@dataclass(frozen=True)
class Kit:
    """A kit, and a plugin that keeps all of its promises."""

    check: Any
    spec: Any
    example: Any

    def failures(self, factory=None, **options):
        spec = options.pop("spec", self.spec)
        results = self.check(factory or self.example, spec, on_fail="collect", **options)
        return {result.name for result in results if result.status == "failed"}

    def reads_when_built(self):
        Path(__file__).read_bytes()
        return self.example()


KITS = {
    "detector": Kit(check_detector, example_detector.SPEC, example_detector.Example),
    "generator": Kit(check_generator, example_generator.SPEC, example_generator.Example),
}


@pytest.fixture(params=KITS)
def kit(request):
    return KITS[request.param]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "Upper"},
        {"name": "two words"},
        {"version": ""},
        {"summary": ""},
        {"summary": "two\nlines"},
        {"licence": ""},
        {"api_version": 0},
    ],
    ids=str,
)
def test_an_incomplete_spec_is_found(kit, change):
    assert kit.failures(spec=replace(kit.spec, **change)) == {"spec_is_complete"}


def test_a_spec_that_cannot_travel_is_found(kit):
    class Local(str):  # a class inside a function cannot be pickled
        __slots__ = ()

    spec = replace(kit.spec, summary=Local("One line"))
    assert kit.failures(spec=spec) == {"spec_travels"}


def test_a_heavy_import_is_found(kit, tmp_path, monkeypatch):
    (tmp_path / "heavy_plugin.py").write_text("import cv2\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert kit.failures(module="heavy_plugin") == {"import_is_light"}


def test_a_constructor_that_reads_is_found(kit):
    assert kit.failures(kit.reads_when_built) == {"construction_is_cheap"}


def test_failures_raise_unless_collected(kit):
    with pytest.raises(AssertionError, match="construction_is_cheap: AssertionError: the cons"):
        kit.check(kit.reads_when_built, kit.spec)


def test_an_expected_failure_needs_no_fix_but_must_fail(kit):
    name = "construction_is_cheap"
    expected = {name: "reads a table"}
    results = kit.check(kit.reads_when_built, kit.spec, expected_failed_checks=expected)
    found = {r.name: (r.status, r.message) for r in results}
    assert found.pop(name) == ("expected", "reads a table")
    assert {status for status, _ in found.values()} == {"passed"}
    with pytest.raises(AssertionError, match="expected to fail"):
        kit.check(kit.example, kit.spec, expected_failed_checks=expected)


def test_an_expected_failure_must_exist(kit):
    with pytest.raises(ValueError, match="No such check: beauty"):
        kit.check(kit.example, kit.spec, expected_failed_checks={"beauty": "?"})
