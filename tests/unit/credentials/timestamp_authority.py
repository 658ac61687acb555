"""A time-stamping authority on this machine (RFC 3161), and ones that misbehave.

The tokens are made by ``openssl ts`` under a root of their own; everything else is a plain HTTP
server on 127.0.0.1. In tests::

    with timestamp_authority(tmp_path) as authority:
        signer = development_signer(timestamp=TimestampPolicy(authority.url))
    load_trust_anchors(None, [authority.root])
"""

import contextlib
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import signing_keys
from cryptography.x509.oid import ExtendedKeyUsageOID

from provenance.credentials.keys.algorithms import key_pem

REPLY = "application/timestamp-reply"
SLOW_S = 60.0  # longer than any client should wait
HUGE_BYTES = 64 << 20
_REJECTION = bytes.fromhex("3005300302 0102")  # TimeStampResp { status { rejection } }
_CONFIGURATION = """
[tsa]
default_tsa = ours
[ours]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """A running authority.

    Attributes:
        url: Where it answers.
        root: PEM file of its root, to be trusted for time.
        queries: What it was asked, in order.
    """

    url: str
    root: Path
    queries: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def timestamp_authority(folder: Path, behaviour: str = "good") -> Iterator[Authority]:
    """Run an authority in a thread of this process.

    Args:
        folder: For its keys; made when missing.
        behaviour: ``good``; ``refusing`` (a proper rejection), ``failing`` (status 500),
            ``garbage``, ``other`` (a good token of something else), ``slow`` (no answer),
            ``dripping`` (a byte now and then), ``huge``, ``long`` (a good token with a pile of
            certificates), ``redirecting``.
    """
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it makes the time-stamps")
    make_keys(folder)
    authority = Authority("", folder / "root.pem")
    answer = _BEHAVIOURS[behaviour]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.queries.append(query)
            with contextlib.suppress(OSError):  # the client went away, as it should
                answer(self, folder, query)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()


def make_keys(folder: Path) -> None:
    """Make a root and, under it, the key of an authority; none where there are some already."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "openssl.cnf").exists():
        return
    root, key = signing_keys.Authority.make(name="Time Root (test)"), signing_keys.make_key("es256")
    leaf = signing_keys.certify(
        key.public_key(),
        root,
        name="Time Authority (test)",
        usages=[ExtendedKeyUsageOID.TIME_STAMPING],
        are_usages_critical=True,
    )
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "tsa.pem").write_bytes(leaf.public_bytes(signing_keys.PEM))
    (folder / "tsa.key").write_bytes(key_pem(key))
    (folder / "serial").write_text("01\n")
    (folder / "openssl.cnf").write_text(_CONFIGURATION.format(folder=folder))


def token(folder: Path, query: bytes, *more: str | Path) -> bytes:
    """Return the answer of an honest authority; ``more`` are options of ``openssl ts``."""
    (folder / "query.tsq").write_bytes(query)
    command = ["openssl", "ts", "-reply", "-config", folder / "openssl.cnf", "-section", "ours"]
    command += ["-queryfile", folder / "query.tsq", *more]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _good(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    _send(handler, token(folder, query))


def _other(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    """Answer with a token of other data, as a cache in between might."""
    data = folder / "other"
    data.write_bytes(b"other")
    asked = ["openssl", "ts", "-query", "-data", data, "-sha256", "-cert"]
    _send(handler, token(folder, subprocess.run(asked, capture_output=True, check=True).stdout))


def _slow(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    time.sleep(SLOW_S)


def _dripping(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    _begin(handler, 200, 10_000)
    while True:
        handler.wfile.write(b"\x30")
        time.sleep(0.1)


def _huge(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    _begin(handler, 200, HUGE_BYTES)
    for _ in range(HUGE_BYTES >> 20):
        handler.wfile.write(bytes(1 << 20))


def _long(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    pile = folder / "pile.pem"
    others = (signing_keys.Authority.make(name=f"Number {number}") for number in range(40))
    pile.write_bytes(b"".join(one.pem for one in others))
    _send(handler, token(folder, query, "-chain", pile))


def _redirecting(handler: http.server.BaseHTTPRequestHandler, folder: Path, query: bytes) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _send(handler: http.server.BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    _begin(handler, status, len(body))
    handler.wfile.write(body)


def _begin(handler: http.server.BaseHTTPRequestHandler, status: int, length: int) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", REPLY)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


_BEHAVIOURS: dict[str, Callable[[http.server.BaseHTTPRequestHandler, Path, bytes], None]] = {
    "good": _good,
    "refusing": lambda handler, folder, query: _send(handler, _REJECTION),
    "failing": lambda handler, folder, query: _send(handler, b"", 500),
    "garbage": lambda handler, folder, query: _send(handler, b"\x1b[2Jno time-stamp"),
    "other": _other,
    "slow": _slow,
    "dripping": _dripping,
    "huge": _huge,
    "long": _long,
    "redirecting": _redirecting,
}
