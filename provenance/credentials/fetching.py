"""Fetches one small document over HTTP(S), from an address that a file may have named.

A file may name any address, so the caller lists the hosts that may be asked, and private networks
are refused even then: whoever controls a name decides what it resolves to. The name is resolved
once, every address is checked, and the connection goes to a checked address, so that a second
answer of the resolver changes nothing. One deadline holds for everything from the resolver to the
last byte, and what arrives is counted below the HTTP parser.

Proxies, cookies, redirects and compressed answers are not supported, on purpose.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from provenance.errors import UserError

_MAX_URL_CHARACTERS = 4096
_MAX_ADDRESSES = 4  # tried one after the other, within the one deadline
_CHUNK_BYTES = 1 << 16
_OVERHEAD_BYTES = 1 << 18  # status line, headers, sizes of chunks
_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED_PORT = 1024  # below: mail, shells, directories; HTTP sent there may be obeyed
_URL_CHARACTERS = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
_USER_AGENT = "provenance"

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64, RFC 6052: an IPv4 address at the end
_NO_DESTINATIONS = tuple(
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo, 6to4, documents
)
_IPV4_BITS = (1 << 32) - 1
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: precede an IPv4 address in an interface identifier

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) to the addresses that may be connected to; raises OSError or FetchError."""


class FetchError(UserError):
    """A document could not or must not be fetched. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a request goes.

    Attributes:
        url: As it was given.
        scheme: ``http`` or ``https``.
        host: Lower case, without brackets.
        port: 1..65535.
        path: With the query; begins with a slash.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The host, with its port where it is not the scheme's own (RFC 9110, 7.2)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Deadline:
    """A point in time that nothing may cross.

    Attributes:
        ends: Of the monotonic clock, in seconds.
        timeout_s: What the caller allowed, for the message.
    """

    ends: float
    timeout_s: float

    def left_s(self) -> float:
        """Return the seconds left; raises TimeoutError when there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def fetch(
    url: str,
    *,
    allowed_hosts: Collection[str],
    max_bytes: int,
    timeout_s: float,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """Return the document at ``url``: the body of an answer with status 200.

    Runs in any thread. Reads neither proxies nor credentials from the environment.

    Args:
        url: ``http`` or ``https``. Hostile.
        allowed_hosts: Names (or addresses) that may be asked; upper and lower case are one.
        max_bytes: Of the body; a longer one is refused as soon as it is known to be longer.
        timeout_s: For all of it together, from resolving the name to the last byte.
        resolve: For tests and unusual networks: replaces :func:`public_addresses`, and with it
            the check that an address is public.
        tls: For tests and private authorities: replaces Python's default settings.

    Raises:
        FetchError: The address is not allowed or not public, the server does not answer in time
            or answers with anything else than one document of at most ``max_bytes``.
    """
    target = _target(url, allowed_hosts)
    deadline = _Deadline(time.monotonic() + timeout_s, timeout_s)
    try:
        addresses = _within(deadline, resolve or public_addresses, target)
        with _connect(target, addresses, deadline, tls) as connection:
            return _exchange(connection, target, max_bytes, deadline)
    except TimeoutError as error:
        raise _refusal(
            target, f"did not answer within {timeout_s:g} s", "Try again later."
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        remedy = "Check the address and the network."
        raise _refusal(target, f"cannot be fetched ({_words(error)})", remedy) from error


def _words(error: Exception) -> str:
    """Return what went wrong; nothing of an answer that is no HTTP: it may read like a verdict."""
    if isinstance(error, http.client.UnknownProtocol):
        return "another protocol than HTTP answers"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return "what answers is no HTTP"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, all of them checked to be public.

    Args:
        host: A name, or an address in any notation that the system's resolver knows.
        port: Passed on to the resolver.

    Raises:
        FetchError: One of the addresses is private, of this machine, multicast or reserved.
        OSError: The name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not is_public(address):
            raise FetchError(
                f"{host} is {address}, which is no address of the public internet; it was not"
                " contacted. Fetch the document yourself if you know what is there."
            )
    return addresses


def is_public(address: str) -> bool:
    """Whether an address belongs to a single machine on the public internet.

    IPv4 addresses inside IPv6 ones (mapped, NAT64, ISATAP) count as what they lead to; 6to4 and
    Teredo are refused altogether.

    Args:
        address: IPv4 or IPv6, in the usual notation; a zone makes it local.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return _is_public_ipv4(ip)
    inner = _inner_ipv4(ip)
    if inner is not None and not _is_public_ipv4(inner):
        return False
    if ip in _TRANSLATED or ip.ipv4_mapped is not None:
        return True
    is_unicast = ip in _GLOBAL_UNICAST and not any(ip in network for network in _NO_DESTINATIONS)
    return is_unicast and ip.is_global and ip.scope_id is None


def _is_public_ipv4(ip: ipaddress.IPv4Address) -> bool:
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _inner_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to, if it does."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    is_isatap = (int(ip) >> 32) & _IPV4_BITS in _ISATAP
    return ipaddress.IPv4Address(int(ip) & _IPV4_BITS) if ip in _TRANSLATED or is_isatap else None


def _target(url: str, allowed_hosts: Collection[str]) -> _Target:
    """Take a URL apart.

    Raises:
        FetchError: It has a form that is refused, or names a host that is not allowed.
    """
    remedy = "Give an address such as https://example.org/file."
    if len(url) > _MAX_URL_CHARACTERS or not _URL_CHARACTERS.fullmatch(url):
        shown = ascii(url[:80])
        raise FetchError(f"{shown} is no address: too long, or not plain ASCII. {remedy}")
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise FetchError(f"{url} is no address: {error}. {remedy}") from error
    host = _host(url, parts, allowed_hosts)
    if port not in _PORTS.values() and port < _FIRST_UNPRIVILEGED_PORT:
        raise FetchError(
            f"{url}: port {port} belongs to another service than the web. Use 80, 443 or one of"
            f" {_FIRST_UNPRIVILEGED_PORT} and above."
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(url, parts.scheme, host, port, path)


def _host(url: str, parts: SplitResult, allowed_hosts: Collection[str]) -> str:
    if parts.scheme not in _PORTS:
        raise FetchError(f"{url}: only http and https addresses are fetched.")
    if "@" in parts.netloc:
        raise FetchError(f"{url} holds a user name; such addresses are not fetched. Remove it.")
    host = (parts.hostname or "").rstrip(".")
    if not _HOST.fullmatch(host):
        raise FetchError(f"{url} names no host. Give an address such as https://example.org/file.")
    if host not in {name.lower().rstrip(".").strip("[]") for name in allowed_hosts}:
        allowed = ", ".join(sorted(allowed_hosts)) or "none"
        raise FetchError(f"{url}: the host {host} is not allowed (allowed: {allowed}).")
    return host


def _within(deadline: _Deadline, resolve: Resolve, target: _Target) -> Sequence[str]:
    """Resolve in a thread of its own: the system's resolver knows no deadline."""
    answer: list[Sequence[str] | Exception] = []

    def ask() -> None:
        try:
            answer.append(resolve(target.host, target.port))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            answer.append(error)

    thread = threading.Thread(target=ask, name="provenance-resolve", daemon=True)
    thread.start()
    thread.join(deadline.left_s())
    if not answer:
        raise TimeoutError
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def _connect(
    target: _Target, addresses: Sequence[str], deadline: _Deadline, tls: ssl.SSLContext | None
) -> socket.socket:
    """Return a connection to the first address that takes one, encrypted where the scheme says."""
    failure: OSError = OSError("the name has no address")
    for address in addresses[:_MAX_ADDRESSES]:
        try:
            plain = socket.create_connection((address, target.port), deadline.left_s())
        except TimeoutError:
            raise
        except OSError as error:
            failure = error
            continue
        return plain if target.scheme == "http" else _encrypt(plain, target.host, deadline, tls)
    raise failure


def _encrypt(
    plain: socket.socket, host: str, deadline: _Deadline, tls: ssl.SSLContext | None
) -> socket.socket:
    """Shake hands in the name of the host, not of the address; the certificate must say it too."""
    try:
        plain.settimeout(deadline.left_s())
        return (tls or ssl.create_default_context()).wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


class _BoundedStream(io.RawIOBase):
    """Bytes of a connection until a deadline or a number of bytes is reached.

    Below the HTTP parser, because that one waits anew for each byte, and believes sizes of chunks.
    """

    def __init__(self, connection: socket.socket, deadline: _Deadline, max_bytes: int) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self._left_bytes = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.left_s())
        count = self._connection.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise _TooLongError
        return count

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        """Stand in for the socket that the HTTP parser asks for a stream."""
        return io.BufferedReader(self)


class _TooLongError(Exception):
    """More arrived than was allowed."""


def _exchange(
    connection: socket.socket, target: _Target, max_bytes: int, deadline: _Deadline
) -> bytes:
    """Send the request and return the body of the answer."""
    connection.settimeout(deadline.left_s())
    connection.sendall(_request(target))
    most = max_bytes + max_bytes // 8 + _OVERHEAD_BYTES
    stream: Any = _BoundedStream(connection, deadline, most)
    response = http.client.HTTPResponse(stream, method="GET")
    try:
        response.begin()
        _check(response, target, max_bytes)
        return _body(response, target, max_bytes)
    except _TooLongError as error:
        raise _too_long(target, max_bytes) from error
    finally:
        response.close()


def _request(target: _Target) -> bytes:
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.host_header}",
        f"User-Agent: {_USER_AGENT}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def _check(response: http.client.HTTPResponse, target: _Target, max_bytes: int) -> None:
    if 300 <= response.status < 400:
        remedy = "Redirects are not followed. Give the final address."
        raise _refusal(target, f"sends elsewhere (status {response.status})", remedy)
    if response.status != http.HTTPStatus.OK:
        raise _refusal(target, f"answers with status {response.status}", "Check the address.")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        remedy = "Compressed answers are not taken. Fetch the document yourself."
        raise _refusal(target, f"answers with the encoding {encoding[:40]!a}", remedy)
    if response.length is not None and response.length > max_bytes:
        raise _too_long(target, max_bytes)


def _body(response: http.client.HTTPResponse, target: _Target, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := response.read(min(_CHUNK_BYTES, max_bytes + 1 - len(body))):
        body += chunk
        if len(body) > max_bytes:
            raise _too_long(target, max_bytes)
    if response.length:  # what the header announced and did not come
        raise _refusal(target, "broke off in the middle of the document", "Try again.")
    return bytes(body)


def _too_long(target: _Target, max_bytes: int) -> FetchError:
    remedy = "Fetch the document yourself if you trust the server."
    return _refusal(target, f"sends more than the {max_bytes} bytes that are allowed", remedy)


def _refusal(target: _Target, fact: str, remedy: str) -> FetchError:
    return FetchError(f"{target.url} {fact}. {remedy}")
