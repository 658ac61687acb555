"""The example in the guide for authors of signers is a plugin that keeps every promise."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import fake_distribution
from signing_keys import write_signer

GUIDE = Path(__file__).parents[3] / "plugins" / "README.md"
SERVICE = """
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Client:
    def sign(self, name, data):
        with open(name, "rb") as stream:
            key = serialization.load_pem_private_key(stream.read(), password=None)
        return key.sign(data, ec.ECDSA(hashes.SHA256()))


def connect(token):
    assert token == "open sesame"
    return Client()
"""
CHECK = """
import json, sys, my_package
from provenance.testing import check_signer
results = check_signer(my_package.build, my_package.SPEC, json.loads(sys.argv[1]),
                       module="my_package")
print(len(results), {result.status for result in results})
"""


def test_the_example_of_the_guide_passes_all_checks_that_it_names(tmp_path):
    guide = GUIDE.read_text(encoding="utf-8").partition("## Writing a signer")[2]
    example = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)[0]
    n_checks = re.search(r"The kit runs (\d+) checks", guide)[1]
    fake_distribution.install(tmp_path, "my-package", example)
    (tmp_path / "my_service.py").write_text(SERVICE)
    files = write_signer(tmp_path / "keys")
    settings = {"key": str(files.key), "certificates": str(files.certificates)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, json.dumps(settings)],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "MY_TOKEN": "open sesame"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == f"{n_checks} {{'passed'}}", done.stderr
