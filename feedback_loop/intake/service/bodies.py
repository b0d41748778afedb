"""Bodies of requests: read within limits, and split into records.

Belongs here: sizes, times, content types, gzip, and where one record ends. Does not belong here: what a record means
(`reading.py`).
"""

import asyncio
import zlib
from dataclasses import dataclass

import msgspec
from starlette.requests import ClientDisconnect, Request

from feedback_loop.intake.service.answers import Refused
from feedback_loop.intake.service.limits import Held

JSON = "application/json"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_GZIP_WBITS = 31
_split_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True)
class Form:
    """How a body is written.

    Attributes:
        is_lines: one record a line; else JSON.
        is_gzip: compressed.
    """

    is_lines: bool
    is_gzip: bool


@dataclass(frozen=True)
class Records:
    """The records of a body, each as its own JSON text.

    Attributes:
        texts: in the body's order.
        is_single: the body is one JSON object, no list.
    """

    texts: list[bytes]
    is_single: bool


def read_form(request: Request) -> Form:
    """What the headers say of the body.

    Raises:
        Refused: 415, it is written in another way.
    """
    media, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    media, encoding = media.strip(), request.headers.get("content-encoding", "identity").strip().lower()
    if media != JSON and media not in LINES:
        raise Refused(415, f"send JSON (Content-Type: {JSON}) or one record a line ({LINES[0]})", closes=True)
    charset = parameters.strip().removeprefix("charset=").strip('"') if "charset=" in parameters else "utf-8"
    if charset not in ("utf-8", "utf8"):
        raise Refused(415, "send UTF-8", closes=True)
    if encoding not in ("identity", "gzip"):
        raise Refused(
            415, "send the body plain or with Content-Encoding: gzip", headers={"Accept-Encoding": "gzip"}, closes=True
        )
    return Form(media in LINES, encoding == "gzip")


async def read_body(request: Request, max_bytes: int, timeout_s: float, held: Held) -> bytes:
    """All bytes of a body, whether or not it says how many they are.

    Raises:
        Refused: 413, too large; 408, too slow; 400, it broke off; 503, too much is held already.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise _too_large(max_bytes)
                held.add(len(chunk))
                body += chunk
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {timeout_s:g} s; send it again", closes=True) from None
    except ClientDisconnect:
        raise Refused(400, "the body broke off", closes=True) from None
    return bytes(body)


def split(body: bytes, form: Form, max_bytes: int, max_records: int, held: Held) -> Records:
    """The records of a body.

    Raises:
        Refused: 400, it cannot be split; 413, too large once unpacked, or too many; 503, too much is held already.
    """
    if form.is_gzip:
        body = _unpack(body, max_bytes)
        held.add(len(body))
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise Refused(400, "the body is empty; send a record, a list of records, or one record a line")
    if form.is_lines:
        records = Records([line for part in body.split(b"\n") if (line := part.strip())], is_single=False)
    elif body.startswith(b"["):
        records = Records(_split(body), is_single=False)
    else:
        records = Records([body], is_single=True)
    if len(records.texts) > max_records:
        raise Refused(413, f"{len(records.texts):,} records in one request; send at most {max_records:,}")
    return records


def _split(body: bytes) -> list[bytes]:
    try:
        return [bytes(record) for record in _split_list(body)]
    except msgspec.DecodeError as error:
        raise Refused(400, f"the list is not valid JSON: {error}; nothing was taken") from None
    except RecursionError:
        raise Refused(400, "lists or objects are nested too deeply; nothing was taken") from None


def _unpack(body: bytes, max_bytes: int) -> bytes:
    """Unpack, but never more than is allowed, however little it was packed."""
    unpacker = zlib.decompressobj(_GZIP_WBITS)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise Refused(400, "the body is no gzip, as its Content-Encoding says") from None
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise Refused(400, "the gzip body breaks off, or something follows it")
    return plain


def _too_large(max_bytes: int) -> Refused:
    return Refused(413, f"the body has more than {max_bytes:,} bytes; send less at once", closes=True)
