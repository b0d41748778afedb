"""The light pass: secrets, e-mail addresses, phone and card numbers out of text. Standard library only.

Belongs here: what counts as an e-mail address, a phone number or a payment card number, what replaces it, and the keyed
hash that stands for a user. Does not belong here: secrets (`secrets.py`), what needs more than patterns (`deep.py`) and
which fields are redacted (see `intake/rows.py`).

Every pattern is linear in the length of the text: runs are matched possessively and start only where a run starts.
Phone numbers are recognised by shape or by a word before them ("call", "tel."), never by digit count alone, so that
order numbers, dates, prices, versions, IP addresses and ISBNs stay readable.
"""

import hmac
import re
from typing import Any

from feedback_loop.redaction.secrets import may_have_secret, redact_secrets

EMAIL, PHONE, CARD = "<email>", "<phone>", "<card>"

HASHED = "hmac:"
"""What a user id starts with that travels hashed."""

_HEX = re.compile(r"[0-9a-f]{32}")
_MAX_PASSES = 8
_SHORTEST = 6  # characters of the shortest that is replaced: a@b.io

_EMAIL = re.compile(r"(?<![\w.%+'\-])[\w.%+'\-]++@[\w\-]++(?:\.[\w\-]++)++")

# A run of at least six digits: what every phone or card number is and what most prose lacks. Only runs are looked at.
_EXTENSION = r"(?:[ ]?(?:x|ext\.?[ ]?)\d{1,6})?"
_RUN = re.compile(rf"[+(\d](?:[ .\-/()]{{0,3}}\d){{6,}}+{_EXTENSION}")

_DIGITS = re.compile(r"\d+")
_CARD_MIN, _CARD_MAX, _CARD_GROUP = 13, 19, 3  # digits in a number, fewest digits in a group but the last

_SHAPES = (
    # International: +41 (0)96 471 07 95, 001-518-640-0854
    r"(?:\+|00[ ]?(?=[1-9]))\d{1,3}(?:[ .\-/]{0,2}(?:\(\d{1,4}\)|\d)){6,13}",
    # North America: 416-555-0142, (416) 555-0142, 1 416 555 0142
    r"(?:1[ .\-])?(?:\([2-9]\d\d\)[ \-]?|[2-9]\d\d[ .\-])\d{3}[ .\-]\d{4}",
    # Trunk prefix 0 and groups of one separator: 020 7946 0958, 03.93.92.16.85, 0171/123 45 67
    r"0\d{1,4}(?P<s>[ .\-/])(?=(?:[ .\-/]?\d){6,9}(?!\d))\d{2,8}(?:(?:(?P=s)|[ ])\d{2,5}){0,3}",
    # Area code in brackets: (08) 8747 6301, (37) 788-063
    r"\(\d{2,5}\)[ ]?(?=(?:[ \-]?\d){6,8}(?!\d))\d{2,8}(?:[ \-]\d{2,5}){0,3}",
    # Toll-free without a trunk prefix (1800 020 080), pairs with hyphens (60-56-85-91), UK mobiles run together
    r"1[38]00[ \-]\d{3}[ \-]\d{3}",
    r"\d\d-\d\d-\d\d-\d\d",
    r"07\d{9}",
)
_PHONE = re.compile(
    r"(?<![\w.,:/#$€£+\-=])(?<!\d[ (])"
    rf"(?:{'|'.join(_SHAPES)}){_EXTENSION}(?![\w@]|[.,:/\-]\d|[ ]\d)"
)
_MAX_PHONE_DIGITS = 15  # E.164
_CONTEXT = 40  # characters before a run in which a word can announce a phone number
_ANNOUNCED = re.compile(
    r"(?i)(?<![\w<])(?:(?:tele)?phones?|tel|mobile|cell|desk|call|dial|whatsapp|fax|sms|text me|reach me)"
    r"(?:[ ]me)?(?:[ ](?:number|no|nr))?(?:[ ](?:is|at|on|under))?[.:]{0,2}\s{0,4}\Z"
)


def redact(text: str) -> str:
    """Replace secrets, e-mail addresses, phone and card numbers by `<secret>`, `<email>`, `<phone>` and `<card>`.

    Applying it twice changes nothing more, unless more than eight numbers or addresses are glued together.
    """
    for _ in range(_MAX_PASSES):  # what is replaced may set free what was glued to it
        cleaner = redact_contacts(redact_secrets(text))
        if cleaner == text:
            break
        text = cleaner
    return text


def redact_contacts(text: str) -> str:
    """One pass of `redact`, but for secrets."""
    if len(text) < _SHORTEST:
        return text
    if "@" in text:
        text = _EMAIL.sub(_replace_email, text)
    if not _has_digit(text):
        return text
    return _RUN.sub(_replace_numbers, text)


def is_clean(text: str) -> bool:
    """True only where `redact` changes nothing, of the text or of any part of it; quicker than `redact`."""
    return "@" not in text and not may_have_secret(text) and (not _has_digit(text) or _RUN.search(text) is None)


def redact_json(value: Any) -> Any:
    """Redact every string inside a JSON value, keys included; numbers, booleans and null stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redact_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_json(item) for item in value]
    return value


def hash_user(user_id: str, key: bytes) -> str:
    """The keyed hash that stands for a person: HMAC-SHA256, the first 32 hexadecimal characters."""
    return hmac.digest(key, user_id.encode(), "sha256").hex()[:32]


def protect_id(value: str, hash_key: bytes) -> str:
    """An id as it is stored: itself, or its keyed hash where it holds personal data."""
    if ("@" in value or "+" in value) and redact(value) != value:
        return hash_user(value, hash_key)
    return value


def protect_user(user_id: str, key: bytes) -> str:
    """A user id as it is stored: hashed here, or as it came where it was hashed before (`hmac:` and 32 hex digits)."""
    if user_id.startswith(HASHED) and _HEX.fullmatch(user_id, len(HASHED)):
        return user_id[len(HASHED) :]
    return hash_user(user_id, key)


def _has_digit(text: str) -> bool:
    return not text.isascii() or any(map(text.__contains__, "0123456789"))


def _replace_email(match: re.Match[str]) -> str:
    """An address needs a domain label that starts with a letter: `react@18.2.0` is none."""
    address = match[0]
    labels = address.rpartition("@")[2].split(".")[1:]
    return EMAIL if any(len(label) > 1 and label[0].isalpha() for label in labels) else address


def _replace_numbers(match: re.Match[str]) -> str:
    """Card numbers inside a run of digit groups, else phone numbers."""
    run, start = match[0], match.start()
    if start and match.string[start - 1].isalnum():
        return run  # part of a longer code, such as an IBAN
    n_digits = sum(map(str.isdigit, run))
    if n_digits >= _CARD_MIN:
        without_cards = _replace_cards(run)
        if without_cards != run:
            return without_cards
    return _replace_phones(match, n_digits)


def _replace_cards(run: str) -> str:
    """Group by group, so that an expiry date beside a card number does not hide it."""
    groups = [found.span() for found in _DIGITS.finditer(run)]
    pieces: list[str] = []
    done = first = 0
    while first < len(groups):
        last = _card_ending(run, groups, first)
        if last is None:
            first += 1
            continue
        pieces += (run[done : groups[first][0]], CARD)
        done = groups[last][1]
        first = last + 1
    return "".join(pieces) + run[done:] if pieces else run


def _replace_phones(match: re.Match[str], n_digits: int) -> str:
    """Phone numbers inside a run, seen with what stands around it."""
    (start, end), text = match.span(), match.string
    pieces: list[str] = []
    done = start
    for found in _PHONE.finditer(text, start, min(end + 2, len(text))):  # 2: what the lookahead wants to see
        pieces += (text[done : found.start()], PHONE)
        done = found.end()
    if pieces or n_digits > _MAX_PHONE_DIGITS:
        return "".join(pieces) + text[done:end]
    return PHONE if _ANNOUNCED.search(text, max(0, start - _CONTEXT), start) else match[0]


def _card_ending(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """Index of the last group of the card number that starts at group `first`, or None."""
    n_digits = 0
    for last in range(first, len(groups)):
        start, end = groups[last]
        n_digits += end - start
        if n_digits > _CARD_MAX:
            return None
        if n_digits >= _CARD_MIN and _is_card("".join(run[a:b] for a, b in groups[first : last + 1])):
            return last
        if end - start < _CARD_GROUP:
            return None
    return None


def _is_card(digits: str) -> bool:
    """An issuer prefix that exists for this length, and the Luhn check (ISO/IEC 7812-1)."""
    prefix = int(digits[:4])
    if not (
        digits[0] in "456"
        or (2221 <= prefix <= 2720 and len(digits) == 16)
        or (digits[:2] in ("30", "36", "38", "39") and len(digits) >= 14)
        or (digits[:2] in ("34", "37") and len(digits) == 15)
        or (digits[:2] == "35" and len(digits) >= 16)
        or (prefix in (1800, 2131) and len(digits) == 15)
    ):
        return False
    doubled = "".join(str(2 * int(digit)) for digit in digits[-2::-2])
    return sum(map(int, doubled + digits[-1::-2])) % 10 == 0
