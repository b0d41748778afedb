"""What the pattern recognisers of Presidio know: bank accounts, addresses of machines, wallets, identity numbers.

Belongs here: where in a text they are asked, and what stands for what they find. Does not belong here: what such a
number looks like, which is Presidio's; numbers that only a word before them makes personal (`announced.py`).

Presidio takes a second to load and a millisecond for a text. So it is loaded when the first text needs it, and asked
about candidates only: runs of characters that may be one, found by patterns that are linear in the length of the text.
Its pattern recognisers work without a language pipeline (spaCy is imported with Presidio, and stays unused), so
nothing is ever downloaded.
"""

import ipaddress
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

IBAN, IP, MAC, SSN, CRYPTO, ID = "<iban>", "<ip>", "<mac>", "<ssn>", "<crypto>", "<id>"

_SURE = 0.5  # Presidio's score from which a finding needs no context
_REMEMBERED = 10_000  # candidates; the same addresses come again and again


@dataclass(frozen=True)
class _Kind:
    """One kind of data.

    Attributes:
        placeholder: what stands for it.
        candidates: runs to ask about; linear.
        recognisers: names of Presidio's classes.
        signs: characters without which the text has none.
    """

    placeholder: str
    candidates: re.Pattern[str]
    recognisers: tuple[str, ...]
    signs: str = ""


_KINDS = (
    _Kind(
        IBAN,
        re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{4}){2,7}(?:[ \-]?[A-Za-z0-9]{1,3})?(?!\w)"),
        ("IbanRecognizer",),
    ),
    _Kind(
        IP,  # three numbers and a dot may be a version, as after "v" or "version"
        re.compile(
            r"(?<![\w.:/\-])(?<!version )(?<!release )(?<!Version )(?:\d{1,3}\.){3}\d{1,3}(?![\w\-]|\.\d)"
            r"|(?<=//)(?:\d{1,3}\.){3}\d{1,3}(?![\w\-]|\.\d)"
        ),
        ("IpRecognizer",),
        signs=".",
    ),
    _Kind(
        IP,
        re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,40}\d)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,8}(?![\w:])"),
        ("IpRecognizer",),
        signs=":",
    ),
    _Kind(
        MAC, re.compile(r"(?<![\w:\-])(?:[0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}(?![\w:\-])"), ("MacAddressRecognizer",)
    ),
    _Kind(
        SSN,
        re.compile(r"(?<![\w\-./])\d{3}(?:-\d\d-|[ ]\d\d[ ])\d{4}(?![\w\-/])"),
        ("UsSsnRecognizer", "UsItinRecognizer"),
    ),
    _Kind(
        CRYPTO,
        re.compile(r"(?<![A-Za-z0-9])(?:bc1|[13])[A-Za-z0-9]{25,59}(?![A-Za-z0-9])"),
        ("CryptoRecognizer",),
    ),
    _Kind(
        ID,
        re.compile(
            r"(?<![\w\-])(?:[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]|[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]|[XYZ]?\d{7,8}-?[A-Z]"
            r"|[A-Z]{5}\d{4}[A-Z]|\d{6}[-+A-FU-Y]\d{3}[0-9A-Z])(?![\w\-])"
        ),
        (
            "UkNinoRecognizer",
            "ItFiscalCodeRecognizer",
            "EsNifRecognizer",
            "EsNieRecognizer",
            "InPanRecognizer",
            "FiPersonalIdentityCodeRecognizer",
        ),
    ),
)
_ETHEREUM = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")


def redact_recognised(text: str) -> str:
    """Replace what Presidio's recognisers are sure of; a text without a digit has nothing for them.

    Raises:
        ImportError: Presidio is not installed.
    """
    for kind in _KINDS:
        if kind.signs in text:
            text = kind.candidates.sub(lambda found, kind=kind: _judge(kind, found), text)  # type: ignore[misc]
    return _ETHEREUM.sub(CRYPTO, text) if "0x" in text else text


def _judge(kind: _Kind, found: re.Match[str]) -> str:
    candidate = found[0]
    pieces, done = [], 0
    for start, end in _recognise(kind.recognisers, candidate):
        if kind.placeholder != IP or _is_personal_address(candidate[start:end]):
            pieces += [candidate[done:start], kind.placeholder]
            done = end
    return "".join(pieces) + candidate[done:] if pieces else candidate


@lru_cache(maxsize=_REMEMBERED)
def _recognise(names: tuple[str, ...], candidate: str) -> Sequence[tuple[int, int]]:
    """Spans of a candidate that a recogniser is sure of, ascending and apart."""
    spans: list[tuple[int, int]] = []
    asked = candidate.upper() if names == ("IbanRecognizer",) else candidate  # people write them in lower case
    for recogniser in _load(names):
        for result in recogniser.analyze(asked, recogniser.supported_entities, None):
            if result.score >= _SURE:
                spans.append((result.start, result.end))
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end))
    return tuple(apart)


@cache
def _load(names: tuple[str, ...]) -> tuple[Any, ...]:
    """Presidio's recognisers, made once per process."""
    from presidio_analyzer import predefined_recognizers  # heavy: only where a text needs it

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    return tuple(getattr(predefined_recognizers, name)() for name in names)


def _is_personal_address(text: str) -> bool:
    """Not so the addresses that every machine has."""
    try:
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
