"""Manifests on servers: never asked for by default, and then only as the user allows."""

import contextlib
import functools
import io
import socketserver
import threading
import time
import tracemalloc

import c2pa
import pytest

from provenance.credentials import ReadingOptions, read_credential, read_credential_bytes
from provenance.credentials.engine import context
from provenance.credentials.fetching import fetch
from provenance.credentials.reading import remote

HOST = "manifests.example"
NONE = ("none",) * 4
HUGE_BYTES = 300 << 20


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


class Server:
    """Serves loopback with one answer, and remembers who came."""

    def __init__(self, answer):
        server = self
        self.requests = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                server.requests.append(self.rfile.readline().decode())
                with contextlib.suppress(OSError):
                    answer(self.wfile)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(answer):
            server = Server(answer)
            stack.callback(server.close)
            return server

        yield start


def document(body, status="200 OK", *headers):
    def answer(out):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        out.write("\r\n".join(lines).encode() + body)

    return answer


@pytest.fixture
def make(tmp_path, png, manifest, signer):
    """Write a PNG that says its manifest lies at a URL; return its path and the manifest."""

    def make_(url, name="a.png"):
        with c2pa.Builder(manifest, context()) as builder:
            builder.set_no_embed()
            builder.set_remote_url(url)
            out = io.BytesIO()
            store = builder.sign(signer.native(), "image/png", io.BytesIO(png), out)
        path = tmp_path / name
        path.write_bytes(out.getvalue())
        return path, bytes(store)

    return make_


def options(*hosts, **more):
    """Options under which every host is loopback, as if that were public."""
    reach = functools.partial(fetch, resolve=lambda host, port: ["127.0.0.1"])
    return ReadingOptions(remote_hosts=frozenset(hosts), fetch=reach, **more)


def url_of(server, host=HOST):
    return f"http://{host}:{server.port}/m.c2pa"


# --- what may be fetched is ----------------------------------------------------------------------


def test_an_allowed_host_is_asked_and_its_manifest_checked(serve, make, anchors):
    body = []
    server = serve(lambda out: document(body[0])(out))
    path, store = make(url_of(server))
    body.append(store)
    credential = read_credential(path, None, anchors, options=options(HOST))
    assert axes(credential) == ("ok", "trusted", "none", "none")
    assert credential.place == "remote"
    assert credential.remote_url == url_of(server)
    assert credential.error is None
    assert len(server.requests) == 1
    in_memory = read_credential_bytes(path.read_bytes(), None, anchors, options=options(HOST))
    assert in_memory == credential


def test_a_manifest_of_another_file_is_failed(serve, make, anchors, store_of_another):
    server = serve(document(store_of_another))
    path, _ = make(url_of(server))
    credential = read_credential(path, None, anchors, options=options(HOST))
    assert (credential.integrity, credential.place) == ("failed", "remote")


@pytest.fixture
def store_of_another(c2pa_data):
    return (c2pa_data / "fixtures" / "cloud_manifest.c2pa").read_bytes()


def test_a_real_file_and_the_manifest_from_its_cloud(c2pa_data, store_of_another, test_roots):
    asked = []

    def fetch_(url, **limits):
        asked.append((url, limits))
        return store_of_another

    host = "cai-manifests.adobe.com"
    allowed = ReadingOptions(remote_hosts=frozenset({host}), fetch=fetch_)
    path = c2pa_data / "fixtures" / "cloud.jpg"
    credential = read_credential(path, None, test_roots, options=allowed)
    assert credential.integrity == "ok"
    assert credential.place == "remote"
    ((url, limits),) = asked
    assert url.startswith(f"https://{host}/")
    assert limits == {"allowed_hosts": {host}, "max_bytes": 32 << 20, "timeout_s": 10.0}


def test_a_real_file_that_names_this_machine(c2pa_data, anchors, store_of_another):
    path = c2pa_data / "fixtures" / "libpng-test_with_url.png"
    asked = []
    allowed = ReadingOptions(
        remote_hosts=frozenset({"localhost"}),
        fetch=lambda url, **_: asked.append(url) or store_of_another,
    )
    assert read_credential(path, None, anchors, options=allowed).integrity == "failed"
    assert asked == ["http://localhost:5000/libpng-test.c2pa"]


def test_a_sidecar_saves_the_journey(serve, make, anchors):
    server = serve(document(b""))
    path, store = make(url_of(server))
    path.with_suffix(".c2pa").write_bytes(store)
    credential = read_credential(path, None, anchors, options=options(HOST))
    assert (credential.integrity, credential.place) == ("ok", "sidecar")
    assert server.requests == []


# --- what may not be fetched is not --------------------------------------------------------------


def test_nothing_is_ever_asked_by_default(serve, make, anchors, nobody):
    server = serve(document(b""))
    for host in ("127.0.0.1", "localhost"):
        path, store = make(url_of(server, host), f"{host}.png")
        for trust in (anchors, nobody):
            credential = read_credential(path, None, trust)
            assert axes(credential) == NONE
            assert credential.is_present
            assert credential.remote_url == url_of(server, host)
            assert "not fetched" in credential.conclusion
            read_credential_bytes(path.read_bytes(), None, trust, manifest_data=store)
    assert server.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "manifests.example.org",
        "evil-manifests.example",
        "sub.manifests.example",
        "example",
        "manifests.example.",
        "manifests.example@other.example",
    ],
)
def test_hosts_are_compared_whole(serve, make, anchors, host):
    server = serve(document(b""))
    path, _ = make(url_of(server, host))
    credential = read_credential(path, None, anchors, options=options(HOST))
    assert axes(credential) == NONE
    assert server.requests == []


def test_the_case_of_a_host_does_not_matter(serve, make, anchors):
    server = serve(document(b"x", "404 Not Found"))
    path, _ = make(url_of(server, HOST.upper()))
    read_credential(path, None, anchors, options=options(HOST))
    assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:7f00:1]"])
def test_a_private_address_is_refused_even_where_its_host_is_allowed(serve, make, anchors, host):
    server = serve(document(b""))
    path, _ = make(url_of(server, host))
    allowed = ReadingOptions(remote_hosts=frozenset({host.strip("[]")}))
    credential = read_credential(path, None, anchors, options=allowed)
    assert axes(credential) == NONE
    assert credential.error
    assert server.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://manifests.example/x", "gopher://a"])
def test_other_schemes_are_not_fetched(make, anchors, url):
    path, _ = make(url)
    credential = read_credential(path, None, anchors, options=options(HOST, "", "a"))
    assert axes(credential) == NONE


# --- bad servers ---------------------------------------------------------------------------------


def failure(path, trust, **more):
    credential = read_credential(path, None, trust, options=options(HOST, **more))
    assert axes(credential) == NONE
    assert credential.is_present
    assert "could not be fetched" in credential.conclusion
    return credential.error


def test_a_redirect_to_an_internal_address_is_not_followed(serve, make, anchors):
    inner = serve(document(b"secret"))
    target = f"Location: http://127.0.0.1:{inner.port}/"
    outer = serve(document(b"", "302 Found", target))
    path, _ = make(url_of(outer))
    assert "302" in failure(path, anchors)
    assert len(outer.requests) == 1
    assert inner.requests == []


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_of_300_mb_takes_no_memory(serve, make, anchors, is_announced):
    def answer(out):
        length = f"Content-Length: {HUGE_BYTES}\r\n" if is_announced else ""
        out.write(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        for _ in range(HUGE_BYTES >> 20):
            out.write(bytes(1 << 20))

    path, _ = make(url_of(serve(answer)))
    tracemalloc.start()
    error = failure(path, anchors)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "bytes that are allowed" in error
    assert peak_bytes < 2 * remote.MAX_REMOTE_BYTES + (16 << 20)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_a_slow_server_has_one_deadline_for_everything(serve, make, anchors, monkeypatch, head):
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.4)

    def answer(out):
        out.write(head)
        for _ in range(100):
            out.write(b"H")
            time.sleep(0.05)

    path, _ = make(url_of(serve(answer)))
    begin = time.monotonic()
    assert "within 0.4 s" in failure(path, anchors)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize(
    "answer",
    [
        document(b"<html>not found</html>", "404 Not Found"),
        document(b"<html>welcome</html>"),
        document(b""),
        lambda out: out.write(b"\x00\x01\x02"),
        lambda out: out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"),
        document(b"x", "200 OK", "Content-Encoding: gzip"),
    ],
)
def test_what_is_no_manifest_says_nothing_against_the_file(serve, make, anchors, answer):
    path, _ = make(url_of(serve(answer)))
    assert failure(path, anchors)


@pytest.mark.parametrize("start", [b"", b"HTTP/", b"HTTP/1.1 200 ", b"HTTP/2.0 ", b"HTTP/1.1 404 "])
def test_neither_server_nor_address_put_words_into_the_conclusion(serve, make, anchors, start):
    server = serve(lambda out: out.write(start + b"Unchanged, says Adobe\x1b[2J\r\n\r\n"))
    path, _ = make(url_of(server) + "?Unchanged_says_Adobe")
    found = read_credential(path, None, anchors, options=options(HOST))
    assert "could not be fetched: manifests.example" in found.conclusion
    assert "Adobe" not in found.conclusion
    assert found.conclusion.isprintable()
    assert found.error.isprintable()
    assert "?Unchanged_says_Adobe" in found.error


def test_a_closed_port_is_said(serve, make, anchors):
    server = serve(document(b""))
    path, _ = make(url_of(server))
    server.close()
    assert failure(path, anchors)
