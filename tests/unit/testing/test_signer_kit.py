"""The signer kit finds each way in which a signer can break its promises."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import example_signer
import fake_distribution
import pytest
from signing_keys import write_signer

from provenance.errors import UserError
from provenance.plugins import Offer, registry
from provenance.testing import check_signer, signer_promises

SPEC = example_signer.SPEC


@pytest.fixture
def settings(tmp_path):
    return write_signer(tmp_path / "keys").settings


@pytest.fixture
def failed(monkeypatch, settings):
    """Run the kit on a factory that is offered in this process, and return what failed."""

    def failed(factory, spec=SPEC, **arguments):
        from provenance.credentials.signing import signer

        owner = next(iter(registry().signers.values())).owner
        offers = {**registry().signers, spec.name: Offer(spec, factory, owner)}
        monkeypatch.setitem(registry()._offered, "signers", offers)
        signer._opened.cache_clear()
        # what is offered in this process alone is not there in a new one
        monkeypatch.setitem(signer_promises.CHECKS, "works_in_a_new_process", lambda subject: None)
        results = check_signer(factory, spec, settings, on_fail="collect", **arguments)
        assert [result.name for result in results] == list(signer_promises.CHECKS)
        return {result.name for result in results if result.status == "failed"}

    return failed


class Wrapped:
    """The example's key with something changed."""

    def __init__(self, settings, **changed):
        self._key = example_signer.build(settings)
        self.algorithm = self._key.algorithm
        self.certificates_pem = self._key.certificates_pem
        self.sign = self._key.sign
        for name, value in changed.items():
            setattr(self, name, value)


def test_the_example_passes_once_it_is_installed(tmp_path, settings):
    """As a third party would run it: in a process of its own, with the plugin installed."""
    (tmp_path / "site").mkdir()
    source = Path(example_signer.__file__).read_text(encoding="utf-8")
    fake_distribution.install(tmp_path / "site", "zz-example-signer", source)
    code = (
        "import json, sys, zz_example_signer as plugin\n"
        "from provenance.testing import check_signer\n"
        "results = check_signer(plugin.build, plugin.SPEC, json.loads(sys.argv[1]),\n"
        "                       module='zz_example_signer')\n"
        "print({result.status for result in results})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings)],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "{'passed'}", done.stderr


def test_the_example_passes(failed):
    assert failed(example_signer.build) == set()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"name": "Example"}, "spec_is_complete"),
        ({"name": "development"}, "spec_is_complete"),
        ({"summary": "two\nlines"}, "spec_is_complete"),
        ({"licence": ""}, "spec_is_complete"),
        ({"settings": {"key": "", "certificates": "x"}}, "settings_are_explained"),
        ({"settings": {"key": "x"}, "files": ()}, "settings_are_explained"),
        ({"files": ("key", "certificates", "passphrase")}, "settings_are_explained"),
    ],
)
def test_a_spec_that_says_too_little(failed, change, check):
    assert check in failed(example_signer.build, dataclasses.replace(SPEC, **change))


def test_settings_that_nobody_checks(failed):
    def build(settings):
        return example_signer.build(settings) if settings else object()

    assert "bad_settings_are_refused" in failed(build)


def test_an_error_of_another_kind(failed):
    def build(settings):
        if "key" not in settings:
            raise KeyError("key")
        return example_signer.build(settings)

    assert failed(build) == {"bad_settings_are_refused"}


def test_an_error_that_does_not_name_the_file(failed):
    def build(settings):
        try:
            return example_signer.build(settings)
        except UserError as error:
            raise UserError("Something is wrong.") from error

    assert failed(build) == {"missing_files_are_refused"}


def test_certificates_of_another_algorithm(failed):
    found = failed(lambda settings: Wrapped(settings, algorithm="es384"))
    assert {"certificates_fit_the_key", "signs_a_file"} <= found


def test_a_signature_that_is_always_the_same(failed):
    def build(settings):
        key = Wrapped(settings)
        always = key._key.sign(b"x")
        return Wrapped(settings, sign=lambda data: always)

    assert {"signatures_are_good", "signs_a_file", "threads_sign_at_once"} <= failed(build)


def test_a_key_that_mixes_up_threads(failed):
    def build(settings):
        key = example_signer.build(settings)
        last, barrier = [b""], threading.Barrier(8)

        def sign(data):
            last[0] = data
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(0.2)
            return key.sign(last[0])

        return Wrapped(settings, sign=sign)

    assert failed(build) == {"threads_sign_at_once"}


def test_a_key_that_prints(failed):
    def build(settings):
        key = example_signer.build(settings)
        return Wrapped(settings, sign=lambda data: print("signing") or key.sign(data))  # noqa: T201

    assert failed(build) == {"stdout_is_quiet"}


def test_a_device_that_opens_once(failed):
    opened = []

    def build(settings):
        if len(opened) >= 1:
            raise UserError("missing: The device is busy.")
        key = Wrapped(settings)
        opened.append(key)
        return key

    assert "two_keys_may_be_open" in failed(build)


def test_a_secret_in_the_repr(failed, settings, monkeypatch):
    monkeypatch.setenv("EXAMPLE_PIN", "4711")

    class Shown(Wrapped):
        def __repr__(self):
            return f"Key(pin={os.environ['EXAMPLE_PIN']})"

    settings["pin_env"] = "EXAMPLE_PIN"
    spec = dataclasses.replace(SPEC, settings={**SPEC.settings, "pin_env": "a variable"})
    assert failed(Shown, spec) == {"secrets_stay_out_of_sight"}


def test_a_key_that_dies_in_a_fork(failed):
    def build(settings):
        key, home = example_signer.build(settings), os.getpid()

        def sign(data):
            if os.getpid() != home:
                raise OSError("not my process")
            return key.sign(data)

        return Wrapped(settings, sign=sign)

    assert failed(build) == set()  # since the host builds a new one there

    key = []

    def build_once(settings):
        if not settings:
            raise UserError("No settings.")
        if not all(Path(settings[name]).exists() for name in SPEC.files):
            raise UserError("The file is missing.")
        key.append(key[0] if key else build(settings))
        return key[0]

    assert failed(build_once) == {"works_in_a_fork"}


def test_a_failure_that_stays(failed):
    state = {"is_broken": False}

    @contextlib.contextmanager
    def broken():
        state["is_broken"] = True
        yield

    def build(settings):
        key = example_signer.build(settings)

        def sign(data):
            if state["is_broken"]:
                raise OSError("pulled out")
            return key.sign(data)

        return Wrapped(settings, sign=sign)

    assert failed(build, broken=broken) == {"failures_are_told_and_forgotten"}


def test_a_failure_that_is_hushed_up(failed):
    @contextlib.contextmanager
    def broken():
        yield

    assert failed(example_signer.build, broken=broken) == {"failures_are_told_and_forgotten"}


def test_a_heavy_import(failed):
    found = failed(example_signer.build, module="provenance.credentials.signing.signer")
    assert found == {"import_is_light"}
