"""Each fault of a plugin costs that plugin, and nothing else."""

import logging
import sys
from pathlib import Path

import fake_distribution
import misbehaving
import pytest

from provenance.errors import ExitCode, PluginError, UserError
from provenance.plugins import Registry

NAMES = sorted(misbehaving.FAULTS)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install plugins into a folder on the path; forget their modules afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name, source, **options):
        folder = tmp_path if "folder" not in options else tmp_path / options.pop("folder")
        if folder != tmp_path:
            monkeypatch.syspath_prepend(str(folder))
        fake_distribution.install(folder, name, source, **options)

    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def registry(**environment):
    found = Registry(environment)
    found.ask_all()
    return found


def status(found, name):
    return next(s for s in found.statuses if s.name == name)


@pytest.mark.parametrize("fault", NAMES)
def test_a_fault_costs_only_its_plugin(installed, fault, caplog):
    source, stage, error = misbehaving.FAULTS[fault]
    installed("zz-before", misbehaving.GOOD.format(name="before"))
    installed(f"zz-{fault}", source)
    installed("zzz-after", misbehaving.GOOD.format(name="after"))
    caplog.set_level(logging.DEBUG, logger="provenance")

    found = registry()

    bad = status(found, f"zz_{fault.replace('-', '_')}")
    assert (bad.state, bad.stage) == ("failed", stage)
    assert error in bad.error
    assert bad.offers == []
    assert {"before", "after"} <= set(found.datasets)
    assert status(found, "zz_before").state == status(found, "zzz_after").state == "loaded"
    warnings = [
        r for r in caplog.records if r.levelno == logging.WARNING and fault[:6] in r.message
    ]
    assert len(warnings) == 1 or fault in ("import-error", "syntax-error")


@pytest.mark.parametrize("fault", NAMES)
def test_strict_mode_raises(installed, fault):
    installed(f"zz-{fault}", misbehaving.FAULTS[fault][0])
    with pytest.raises(PluginError) as caught:
        registry(PROVENANCE_STRICT_PLUGINS="1", PROVENANCE_LOAD_PLUGINS=f"zz-{fault},photos")
    assert caught.value.exit_code == ExitCode.PLUGIN


def test_a_half_registered_plugin_offers_nothing(installed):
    installed("zz-half", misbehaving.FAULTS["half-registered"][0])
    assert "half" not in registry().datasets


def test_a_taken_name_stays_with_its_first_owner(installed):
    installed("zz-taken", misbehaving.FAULTS["taken-name"][0])
    assert registry().datasets["photos"].owner.distribution == "provenance-suite"


def test_a_second_distribution_with_the_same_entry_point_is_named(installed):
    installed("zz-one", misbehaving.GOOD.format(name="one"), entry_point="twin")
    installed("zz-two", misbehaving.GOOD.format(name="two"), entry_point="twin")
    found = registry()
    first, second = [s for s in found.statuses if s.name == "twin"]
    assert (first.distribution, first.state) == ("zz-one", "loaded")
    assert (second.state, second.stage) == ("failed", "register")
    assert "zz-one" in second.error
    assert "one" in found.datasets
    assert "two" not in found.datasets


def test_a_second_entry_point_to_a_module_costs_only_itself(installed):
    source = "from provenance_plugins.spectral import register_detectors  # noqa: F401"
    installed("zz-alias", source)
    metadata = next(p for p in map(Path, sys.path) if (p / "zz_alias.py").exists())
    entry_points = metadata / "zz_alias-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[provenance]\nalias = provenance_plugins.spectral\n")
    found = registry()
    assert (status(found, "alias").state, status(found, "alias").stage) == ("failed", "register")
    assert status(found, "spectral").offers == ["detectors: spectral"]
    assert "spectral" in found.detectors


def test_unknown_names_in_the_environment_are_told(caplog):
    registry(PROVENANCE_DISABLE_PLUGINS="spectrl")
    assert "Did you mean 'spectral'?" in caplog.text


def test_prints_of_a_plugin_never_reach_stdout(installed, capsys):
    noisy = "print('at import')\n" + misbehaving.GOOD.replace(
        "        register(", "        print('in hook')\n        register("
    ).format(name="noisy").replace("\n    ", "\n")
    installed("zz-noisy", noisy)
    assert "noisy" in registry().datasets
    out, err = capsys.readouterr()
    assert out == ""
    assert "at import" in err
    assert "in hook" in err


def test_built_ins_come_first_then_by_distribution(installed):
    installed("aa-early", misbehaving.GOOD.format(name="early"))
    distributions = [s.distribution for s in registry().statuses]
    assert distributions[0] == "provenance-suite"
    assert distributions.index("aa-early") == distributions.count("provenance-suite")


def test_disabled_plugins_are_not_imported(installed):
    installed("zz-sys-exit", misbehaving.FAULTS["sys-exit"][0])
    found = registry(PROVENANCE_DISABLE_PLUGINS="zz-sys-exit, photos")
    assert status(found, "zz_sys_exit").state == "disabled"
    assert status(found, "photos").state == "disabled"
    assert "photos" not in found.datasets


def test_only_named_plugins_are_loaded(installed):
    installed("zz-good", misbehaving.GOOD.format(name="good"))
    found = registry(PROVENANCE_LOAD_PLUGINS="zz-good")
    assert set(found.datasets) == {"good"}
    assert {s.name for s in found.statuses if s.state == "loaded"} == {"zz_good"}


def test_unknown_names_get_a_suggestion():
    with pytest.raises(UserError, match="Did you mean 'photos'"):
        registry().dataset("photo")
