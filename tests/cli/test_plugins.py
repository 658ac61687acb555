"""``provenance plugins`` and ``datasets`` as a person and as a program see them."""

import json
import os
import subprocess
import sys

import fake_distribution
import misbehaving
import pytest


def provenance(*arguments, path):
    environment = os.environ | {"PYTHONPATH": str(path), "COLUMNS": "250"}
    command = [sys.executable, "-m", "provenance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def faulty(tmp_path):
    """A folder with every misbehaving plugin, one that prints, and a good one."""
    for fault, (source, _, _) in misbehaving.FAULTS.items():
        fake_distribution.install(tmp_path, f"zz-{fault}", source)
    noise = "import os\nprint('python noise', flush=True)\nos.write(1, b'native noise\\n')\n"
    fake_distribution.install(tmp_path, "zz-noisy", noise)
    fake_distribution.install(tmp_path, "zz-good", misbehaving.GOOD.format(name="good"))
    return tmp_path


def test_json_lists_every_plugin_and_its_fault(faulty):
    result = provenance("plugins", "--json", path=faulty)
    assert result.returncode == 0, result.stderr
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    for fault, (_, stage, error) in misbehaving.FAULTS.items():
        row = rows[f"zz_{fault.replace('-', '_')}"]
        assert (row["state"], row["stage"]) == ("failed", stage)
        assert error in row["error"]
        assert row["version"] == "1.0"
    assert rows["zz_good"]["offers"] == ["datasets: good"]
    assert rows["photos"]["state"] == "loaded"
    assert rows["photos"]["import_s"] >= 0


def test_signers_are_listed(tmp_path):
    rows = json.loads(provenance("plugins", "--json", path=tmp_path).stdout)
    offers = {row["name"]: row["offers"] for row in rows}
    for name in ("pem", "pkcs11", "command"):
        assert offers[name] == [f"signers: {name}"]


def test_noise_of_plugins_goes_to_stderr_even_from_native_code(faulty):
    result = provenance("plugins", "--json", path=faulty)
    json.loads(result.stdout)
    assert "python noise" in result.stderr
    assert "native noise" in result.stderr


def test_the_table_names_faults(faulty):
    result = provenance("plugins", path=faulty)
    assert result.returncode == 0
    assert "failed (import)" in " ".join(result.stdout.split())


def test_strict_exits_with_the_plugin_code(faulty):
    assert provenance("plugins", "--strict", path=faulty).returncode == 4


def test_datasets_are_listed_beside_broken_plugins(faulty):
    result = provenance("datasets", "--json", path=faulty)
    assert {"photos", "folder", "good"} <= {row["name"] for row in json.loads(result.stdout)}
