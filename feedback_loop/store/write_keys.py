"""Keys with which facts are sent to the ingest service.

Belongs here: making, listing, revoking and loading keys; a key's secret exists in plain only where it is made. Does not
belong here: what a key may do (`intake/service/access.py`).

A key reads `fls_<id>_<secret>` (server) or `flw_<id>_<secret>` (widget). The secret has 256 random bits, so its plain
SHA-256 is as good as a slow hash: there is nothing to guess.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.errors import InputError, NotFoundError
from feedback_loop.store.tables import write_keys

KeyKind = Literal["server", "widget"]
PREFIXES: dict[KeyKind, str] = {"server": "fls", "widget": "flw"}
TOKEN = re.compile(r"(fls|flw)_([0-9a-f]{12})_([0-9A-Za-z_-]{43})")
"""A key as it is sent: prefix, id, secret."""

MAX_ORIGINS = 50


@dataclass(frozen=True)
class WriteKey:
    """A key that counts.

    Attributes:
        key_id: names it; no secret.
        kind: `server`, kept secret in a back end; or `widget`, readable by everybody who opens a page.
        application: that its records are of.
        origins: of the pages that may use a widget key.
        secret_hash: SHA-256 of the secret; 32 bytes.
    """

    key_id: str
    kind: KeyKind
    application: str
    origins: frozenset[str]
    secret_hash: bytes


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret; 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def create_key(
    conn: Connection, *, application: str, kind: KeyKind, origins: Sequence[str] = (), created_at: datetime
) -> str:
    """Make a key; what is returned can be shown once and never again.

    Args:
        conn: in a transaction.
        application: that its records are of.
        kind: `server` or `widget`.
        origins: of the pages that may use a widget key, as `https://app.example.com`.
        created_at: now.

    Raises:
        InputError: a widget key without origins, a server key with some, or an origin that is none.
    """
    if (kind == "widget") != bool(origins):
        raise InputError("a widget key needs the origins of its pages, and only a widget key has any")
    if len(origins) > MAX_ORIGINS:
        raise InputError(f"a key has at most {MAX_ORIGINS} origins, got {len(origins)}")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    conn.execute(
        write_keys.insert().values(
            key_id=key_id,
            kind=kind,
            application=application,
            origins=sorted({read_origin(origin) for origin in origins}),
            secret_hash=hash_secret(secret),
            created_at=created_at,
        )
    )
    return f"{PREFIXES[kind]}_{key_id}_{secret}"


def read_origin(text: str) -> str:
    """An origin as browsers send it: scheme, host and a port that is not the scheme's own, in lower case.

    Raises:
        InputError: it is none, or not `https` (`http` is for localhost only).
    """
    example = "write it as https://app.example.com"
    try:
        parts = urlsplit(text.strip().lower())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{text!r} is no origin; {example}") from error
    if not host or parts.scheme not in ("http", "https") or "*" in host or "@" in parts.netloc:
        raise InputError(f"{text!r} is no origin; {example}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError(f"{text!r} has a path; an origin is only the first part: {parts.scheme}://{parts.netloc}")
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        raise InputError(f"{text!r} is not encrypted; pages on http may use a key only on localhost")
    name = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}{'' if is_usual else f':{port}'}"


def load_keys(conn: Connection) -> dict[str, WriteKey]:
    """Every key that is not revoked, by its id."""
    rows = conn.execute(sa.select(write_keys).where(write_keys.c.revoked_at.is_(None))).mappings()
    return {
        row["key_id"]: WriteKey(
            row["key_id"],
            cast(KeyKind, row["kind"]),
            row["application"],
            frozenset(row["origins"]),
            bytes(row["secret_hash"]),
        )
        for row in rows
    }


def list_keys(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Every key ever made, oldest first, without anything secret."""
    columns = [column for column in write_keys.c if column.name != "secret_hash"]
    query = sa.select(*columns).order_by(write_keys.c.created_at, write_keys.c.key_id)
    if application is not None:
        query = query.where(write_keys.c.application == application)
    return [dict(row) for row in conn.execute(query).mappings()]


def revoke_key(conn: Connection, key_id: str, revoked_at: datetime) -> None:
    """Let a key count no longer; revoking it again changes nothing.

    Raises:
        NotFoundError: there is no such key.
    """
    known = conn.scalar(sa.select(write_keys.c.key_id).where(write_keys.c.key_id == key_id))
    if known is None:
        raise NotFoundError(f"no key {key_id}; see feedback-loop keys list")
    conn.execute(
        write_keys.update()
        .where(write_keys.c.key_id == key_id, write_keys.c.revoked_at.is_(None))
        .values(revoked_at=revoked_at)
    )
