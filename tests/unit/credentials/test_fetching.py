"""The fetcher: which addresses it refuses, and that no server can hold it or fill its memory."""

import contextlib
import datetime
import ipaddress
import resource
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provenance.credentials import fetching
from provenance.credentials.fetching import FetchError, fetch, is_public
from provenance.errors import UserError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.contextmanager
def server(answer, *, tls=None):
    """Serve one connection after another with ``answer(connection)``; yield (port, requests)."""
    requests = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve():
        with contextlib.suppress(OSError):  # closed at the end of the test
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    stream = tls.wrap_socket(connection, server_side=True) if tls else connection
                    requests.append(stream.recv(65536))
                    answer(stream)
                    stream.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def loopback(host, port):
    return ["127.0.0.1"]


def get(port, *, path="/list", host="example.org", scheme="http", **options):
    words = {"allowed_hosts": ["example.org"], "max_bytes": 1000, "timeout_s": 5}
    words |= {"resolve": loopback} | options
    return fetch(f"{scheme}://{host}:{port}{path}", **words)


def sending(data):
    return lambda connection: connection.sendall(data)


def test_a_document_is_fetched_in_the_name_of_the_host():
    with server(sending(OK)) as (port, requests):
        assert get(port, path="/list?a=b") == b"hello"
    head = requests[0].decode()
    assert head.startswith("GET /list?a=b HTTP/1.1\r\n")
    assert f"\r\nHost: example.org:{port}\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head
    assert "Cookie" not in head
    assert head.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ],
)
def test_other_framings_are_understood(answer):
    with server(sending(answer)) as (port, _):
        assert get(port) == b"hello"


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(sending(OK)) as (port, _):
        assert get(port) == b"hello"


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]",
        "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "192.168.1.1",
        "172.16.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[::7f00:1]",
        "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "LOCALHOST", "localhost.",
    ],
)  # fmt: skip
def test_loopback_and_private_networks_are_refused_even_where_the_host_is_allowed(host):
    with server(sending(OK)) as (port, requests):
        url = f"http://{host}:{port}/"
        with pytest.raises(FetchError):
            fetch(url, allowed_hosts=[host], max_bytes=1000, timeout_s=5)
        assert requests == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::a00:1", False),
        ("::ffff:93.184.216.34", True),
        ("::ffff:10.0.0.1", False),
        ("2606:2800:220:1:0:5efe:a00:1", False),
        ("2606:2800:220:1:200:5efe:7f00:1", False),
        ("2001:0:7f00:1::", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("64:ff9b:1::1", False),
        ("2606:2800:220:1::1%eth0", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("not an address", False),
    ],
)
def test_which_addresses_are_public(address, expected):
    assert is_public(address) is expected


def answers(monkeypatch, *addresses):
    """Let the system's resolver give these addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_public_name_with_a_private_address_is_refused_and_says_so(monkeypatch):
    answers(monkeypatch, "93.184.216.34", "10.1.2.3")
    with pytest.raises(FetchError, match=r"example\.org is 10\.1\.2\.3.*Fetch the document"):
        get(80, resolve=None)


def test_a_resolver_that_changes_its_answer_is_asked_once():
    """DNS rebinding: the second answer would lead to a machine that was never checked."""
    with server(sending(OK)) as (port, _), server(sending(b"secret")) as (other, requests):
        given = iter([["127.0.0.1"], ["127.0.0.2"]])
        assert get(port, resolve=lambda *_: next(given)) == b"hello"
        assert next(given) == ["127.0.0.2"]  # not consumed
        assert other != port
        assert requests == []


def test_the_connection_goes_to_the_checked_address(monkeypatch):
    seen = []

    def connect(address, timeout):
        seen.append(address)
        raise OSError("refused")

    monkeypatch.setattr(fetching.socket, "create_connection", connect)
    answers(monkeypatch, "93.184.216.34")
    with pytest.raises(FetchError, match="refused"):
        get(8080, resolve=None)
    assert seen == [("93.184.216.34", 8080)]


@pytest.mark.parametrize(
    "url",
    [
        "http://other.org/",
        "http://example.org.evil.net/",
        "http://user@example.org/",
        "http://example.org@evil.net/",
        "http://user:word@example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://example.org:22/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http:///list",
        "http://[::1/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: evil.net",
        "http://example.org\\@evil.net/",
        "http://ex\u00e4mple.org/",
        "http://example.org/" + "a" * 5000,
        "example.org/list",
        "",
    ],
)
def test_urls_that_are_refused_before_anything_is_asked(url):
    def resolve(host, port):
        raise AssertionError("asked")

    with pytest.raises(FetchError) as caught:
        fetch(url, allowed_hosts=["example.org"], max_bytes=9, timeout_s=1, resolve=resolve)
    assert isinstance(caught.value, UserError)
    assert str(caught.value).isascii()


def test_nobody_is_allowed_by_default_of_the_caller():
    with pytest.raises(FetchError, match=r"allowed: none"):
        get(80, allowed_hosts=())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status):
    answer = f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    with server(sending(answer.encode())) as (port, requests):
        with pytest.raises(FetchError, match="final address"):
            get(port)
        assert len(requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 5\r\n\r\nhello", "status 206"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "gzip"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", "fetched"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 70_000 + b"\r\n\r\n", "fetched"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "fetched"),
        (b"SSH-2.0-nothing\r\n", "fetched"),
        (b"", "fetched"),
    ],
)
def test_answers_that_are_no_document_say_what_they_are(answer, words):
    with server(sending(answer)) as (port, _), pytest.raises(FetchError, match=words):
        get(port)


def _pour(head):
    """Send 300 MB, as far as somebody takes it."""

    def answer(connection):
        connection.sendall(head)
        block = bytes(1 << 20)
        for _ in range(300):
            connection.sendall(block)

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 314572800\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12c00000\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",  # means "all" to Python
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_a_body_of_300_megabytes_ends_early_and_memory_stays_flat(head):
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with server(_pour(head)) as (port, _), pytest.raises(FetchError, match="1000000 bytes"):
        get(port, max_bytes=1_000_000, timeout_s=20)
    assert time.monotonic() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 32 * 1024


def test_a_body_of_exactly_the_limit_is_taken():
    with server(sending(OK)) as (port, _):
        assert get(port, max_bytes=5) == b"hello"
        with pytest.raises(FetchError, match="more than the 4 bytes"):
            get(port, max_bytes=4)


def _drip(data):
    def answer(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return answer


@pytest.mark.parametrize("data", [OK, OK[:-5] + b"hello" * 50, b"HTTP/1.1 100 Go on\r\n\r\n" * 9])
def test_a_server_that_sends_a_byte_at_a_time_ends_at_the_deadline(data):
    start = time.monotonic()
    with server(_drip(data)) as (port, _), pytest.raises(FetchError, match=r"within 0\.5 s"):
        get(port, timeout_s=0.5)
    assert time.monotonic() - start < 10  # the server's last byte included


def test_a_server_that_says_nothing_ends_at_the_deadline():
    with server(lambda _: time.sleep(1)) as (port, _), pytest.raises(FetchError, match="within"):
        get(port, timeout_s=0.3)


def test_a_resolver_that_hangs_ends_at_the_deadline():
    start = time.monotonic()
    with pytest.raises(FetchError, match="within"):
        get(80, timeout_s=0.2, resolve=lambda *_: time.sleep(3) or ["127.0.0.1"])
    assert time.monotonic() - start < 2


def test_a_name_that_does_not_resolve_says_so():
    with pytest.raises(FetchError, match="Check the address and the network"):
        get(80, host="example.invalid", allowed_hosts=["example.invalid"], resolve=None)


def test_a_dead_address_leads_to_the_next_one():
    with server(sending(OK)) as (port, _):
        assert get(port, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"]) == b"hello"


@pytest.fixture
def identity(tmp_path):
    """A server's key and certificate for example.org, and the client's trust in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.org")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    path.chmod(0o600)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(path)
    return own, ssl.create_default_context(cafile=str(path))


def test_encrypted_connections_are_in_the_name_of_the_host(identity):
    own, trusting = identity
    names = []
    own.sni_callback = lambda _, name, __: names.append(name)
    with server(sending(OK), tls=own) as (port, _):
        assert get(port, scheme="https", tls=trusting) == b"hello"
        assert names == ["example.org"]
        with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
            get(
                port,
                scheme="https",
                host="example.net",
                allowed_hosts=["example.net"],
                tls=trusting,
            )


def test_a_certificate_that_nobody_vouches_for_is_refused(identity):
    own, _ = identity
    with server(sending(OK), tls=own) as (port, requests):
        with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
            get(port, scheme="https")
        assert requests == []


def test_hosts_may_be_addresses():
    with server(sending(OK)) as (port, requests):
        assert get(port, host="[2606:2800::1]", allowed_hosts=["2606:2800::1"]) == b"hello"
        assert f"Host: [2606:2800::1]:{port}" in requests[0].decode()
    assert not ipaddress.ip_address("2606:2800::1").is_private
