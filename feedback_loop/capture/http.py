"""The ingest service as a sink: lines over HTTP, and what its answers mean.

Belongs here: requests to `feedback-loop serve` and whether an answer acknowledges anything. Does not belong here:
retrying (`writer.py`) and the service itself. The standard library's client is used, loaded in the background thread.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from feedback_loop.capture.sinks import Receipt, SinkUnavailable
from feedback_loop.errors import ConfigurationError

if TYPE_CHECKING:
    from http.client import HTTPConnection

_PATHS = {
    b'"interaction"': "/v1/interactions",
    b'"feedback"': "/v1/feedback",
    b'"deployment"': "/v1/deployments",
}
_REFUSED_AS_IT_IS = (400, 413, 422)
_ANSWER_BYTES = 8 << 20
_OFTEN_S = 5.0  # of an answer that comes to nothing twice


class HttpSink:
    """Sends records to an ingest service.

    Args:
        url: of the service, `https://feedback.example.com`; a path in front of `/v1` is kept.
        key: a write key of the application.
        timeout_s: for connecting and for each answer.

    Raises:
        ConfigurationError: the URL is none, or the key cannot be sent.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 5.0) -> None:
        scheme, separator, rest = url.partition("://")
        host, _, path = rest.partition("/")
        if scheme not in ("http", "https") or not separator or not host or "@" in host:
            raise ConfigurationError("the ingest service's URL must be http(s)://host[:port], without a login")
        if not key or not key.isascii() or not key.isprintable():
            raise ConfigurationError("the write key is empty or holds characters that no key has")
        self._is_tls, self._host, self._path = scheme == "https", host, f"/{path}".rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self._timeout_s = timeout_s
        self._connection: HTTPConnection | None = None

    def send(self, lines: Sequence[bytes]) -> Receipt:
        """One request per type of record; a batch that is refused as it is goes again in halves, down to the record.

        Raises:
            SinkUnavailable: no connection, no answer, 429, 5xx, a key that is not taken, or an answer that does not
                account for every record. Lines sent before may be stored; sending them again is harmless.
        """
        places: dict[str, list[int]] = {}
        rejected: list[tuple[int, str]] = []
        for position, line in enumerate(lines):
            kind = line[len(b'{"type":') :].partition(b",")[0]
            path = _PATHS.get(kind)
            if path is None:
                rejected.append((position, "the service takes no records of this type"))
            else:
                places.setdefault(path, []).append(position)
        n_stored = n_duplicate = 0
        for path, positions in places.items():
            receipt = self._post(path, [lines[position] for position in positions])
            n_stored, n_duplicate = n_stored + receipt.n_stored, n_duplicate + receipt.n_duplicate
            rejected += [(positions[index], reason) for index, reason in receipt.rejected]
        return Receipt(n_stored, n_duplicate, tuple(sorted(rejected)))

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """In a forked child: the socket is the parent's; only our copy of its number goes, without a TLS farewell."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())

    def _post(self, path: str, lines: Sequence[bytes]) -> Receipt:
        status, retry_after, body = self._request(path, b"\n".join(lines) + b"\n")
        if status == 200:
            return _read_receipt(body, len(lines))
        if status in _REFUSED_AS_IT_IS:
            if len(lines) == 1:
                return Receipt(rejected=((0, f"HTTP {status}"),))
            half = len(lines) // 2
            first, second = self._post(path, lines[:half]), self._post(path, lines[half:])
            moved = tuple((half + index, reason) for index, reason in second.rejected)
            return Receipt(
                first.n_stored + second.n_stored, first.n_duplicate + second.n_duplicate, first.rejected + moved
            )
        refused = " (is the write key right?)" if status in (401, 403) else ""
        raise SinkUnavailable(f"the ingest service answered HTTP {status}{refused}", retry_after)

    def _request(self, path: str, body: bytes) -> tuple[int, float | None, bytes]:
        from http import client

        if self._connection is None:
            kind = client.HTTPSConnection if self._is_tls else client.HTTPConnection
            self._connection = kind(self._host, timeout=self._timeout_s)
        try:
            self._connection.request("POST", self._path + path, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read(_ANSWER_BYTES)
            if response.will_close or not response.isclosed():
                self.close()
            return response.status, _seconds(response.headers.get("Retry-After")), answer
        except (OSError, client.HTTPException) as error:
            self.close()
            raise SinkUnavailable(f"the ingest service cannot be reached: {type(error).__name__}: {error}") from error


def _read_receipt(body: bytes, n_sent: int) -> Receipt:
    """The answer of the service; one that does not account for every record acknowledges none."""
    import json  # with the rest of HTTP, in the background thread

    try:
        answer: Any = json.loads(body)
        rejected = tuple((int(one["index"]), str(one["reason"])[:300]) for one in answer["rejected"])
        receipt = Receipt(int(answer["n_new"]), int(answer["n_duplicate"]), rejected)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SinkUnavailable("what answers is not the ingest service", _OFTEN_S) from None
    named = {index for index, _ in rejected}
    if receipt.n_stored + receipt.n_duplicate + len(named) != n_sent or not named <= set(range(n_sent)):
        raise SinkUnavailable(f"the answer does not account for all of {n_sent} records", _OFTEN_S)
    return receipt


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None
