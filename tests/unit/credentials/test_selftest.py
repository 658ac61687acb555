"""The self-test holds with the library as it is, and notices one that is not."""

import json

import pytest

from provenance.credentials import engine
from provenance.credentials.reading import axes
from provenance.credentials.trust import selftest


@pytest.fixture(autouse=True)
def _fresh_contexts():
    engine._context.cache_clear()
    yield
    engine._context.cache_clear()


def test_the_library_trusts_whom_it_is_told_to():
    found = selftest.run_selftest()
    assert found.problems == ()
    assert found.is_ok
    assert json.dumps(found.to_json())


def misreading(monkeypatch, change):
    settings = engine.settings

    def changed(*arguments, **options):
        result = settings(*arguments, **options)
        change(result["trust"])
        return result

    monkeypatch.setattr(engine, "settings", changed)
    return selftest.run_selftest().problems


def test_a_library_that_ignores_anchors_is_noticed(monkeypatch):
    problems = misreading(monkeypatch, lambda trust: trust.update(anchors=[]))
    assert problems[0].startswith("a signer under a root on a manifest list is untrusted")


def test_a_misspelt_setting_is_noticed(monkeypatch):
    def misspell(trust):
        trust["trust_anchor"] = trust.pop("anchors")  # the library accepts it in silence

    assert misreading(monkeypatch, misspell)


def test_a_library_that_ignores_the_key_usages_is_noticed(monkeypatch):
    (problem,) = misreading(monkeypatch, lambda trust: trust.pop("trust_config"))
    assert "C2PA's own key usage" in problem


def test_a_reader_that_takes_any_kind_of_list_is_noticed(monkeypatch):
    """As our reader would do without its own check: the library names the time list."""
    monkeypatch.setattr(
        selftest, "_trust", lambda root, purpose="manifest": trust_as_manifest(root)
    )
    problems = selftest.run_selftest().problems
    assert [p for p in problems if p.startswith("a signer under a root on a time list is trusted")]


trust_as_manifest = selftest._trust


def test_a_reader_that_misses_a_change_is_noticed(monkeypatch):
    monkeypatch.setattr(axes, "integrity_axis", lambda results: "ok")
    problems = selftest.run_selftest().problems
    assert [p for p in problems if p.startswith("a changed picture has integrity ok")]
