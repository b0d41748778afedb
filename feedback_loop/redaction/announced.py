"""Numbers that only a word before or after them makes personal: passports, licences, short cards, desk phones.

Belongs here: those words, and how far from them a number may stand. Does not belong here: numbers that tell by
themselves what they are (`light.py`, `recognisers.py`). Standard library only; linear in the length of the text.
"""

import re

from feedback_loop.redaction.light import CARD, EMAIL, PHONE
from feedback_loop.redaction.recognisers import ID, SSN

_IS = r"(?:(?:[ ](?:number|no|nr|id|code|card))?\.?)(?:[ ](?:is|was|are))?[ ]?[:#=]?[ ]{0,3}"
_CODE = (
    r"(?=[A-Za-z0-9\-./ ]{0,12}\d{3})(?=[A-Z0-9]+[\w\-./]{4})"
    r"[A-Z0-9][A-Z0-9\-./]{3,24}(?:[ ][A-Z0-9\-./]*\d[A-Z0-9\-./]*){0,4}(?<![.\-/])(?!\w)"
)
_DOCUMENTS = (
    r"passport|driver'?s?[ ]licen[cs]e|driving[ ]licen[cs]e|national[ ]insurance|national[ ]id(?:entity)?(?:[ ]card)?"
    r"|nino|nhs|id[ ]card|identity[ ]card|tax(?:payer)?[ ]id(?:entification)?|ssn|social[ ]security|social[ ]insurance"
    r"|sin|tfn|medicare|medical[ ]record|mrn|aadhaar|pesel|dni|personnummer|codice[ ]fiscale"
    r"|steuer-?id(?:entifikationsnummer)?|personalausweis|health[ ]insurance|bank[ ]account|account[ ]and[ ]routing"
    r"|routing|sort[ ]code|licen[cs]e[ ]plate"
)
_DOCUMENT_WORDS = frozenset(
    """
    passport licence license insurance national nino nhs id identity tax taxpayer ssn social sin tfn medicare medical
    mrn aadhaar pesel dni personnummer codice steuer steuerid steueridentifikationsnummer personalausweis bank routing
    account sort
    """.split()  # noqa: SIM905 (a list of words)
)
_PHONE_WORDS = frozenset(
    ("phone", "tel", "telephone", "mobile", "cell", "fax", "call", "text", "messages", "answering", "reach")
)
_PLACE_WORDS = frozenset(("office", "fax", "mobile", "cell", "home", "phone", "desk"))
_CARD_WORDS = frozenset(("card", "cc"))
_DOCUMENT = re.compile(rf"(?i:(?<!\w)((?:{_DOCUMENTS}){_IS}))({_CODE})")
_SOCIAL = ("ssn", "social sec")

_CARD_NUMBER = re.compile(
    r"(?i)((?<!\w)(?:card|cc)(?:[ ]number)?(?:[ ]is)?[ ]?[:#]?[ ]{0,2})\d(?:[ \-]?\d){11,18}(?![\w\-])"
)
_PHONE_BEFORE = re.compile(
    r"(?i)((?<!\w)(?:phone|tel|telephone|mobile|cell|fax|call(?:[ ]\w{2,4})?(?:[ ](?:at|on))|text(?:[ ]me)?(?:[ ]at)?"
    r"|messages[ ]to|answering[ ]at|reach[ ]\w{2,4}[ ](?:at|on))[ ]?:?\s{0,3})"
    r"(?<![\d])\+?\(?\d(?:[ .\-/()]{0,2}\d){6,13}(?:[ ]?x\d{1,6})?(?![\w@]|[.\-/]\d)"
)
_PHONE_AFTER = re.compile(
    r"(?i)(?<![\w.,:/#$€£+\-=])(?<!\d[ (])[+(]?\d(?:[ .\-/()]{1,2}\d|\d){6,13}"
    r"(?=[ \-]{1,2}(?:office|fax|mobile|cell|home|phone|desk)\b)"
)
_EMAIL_SPELLED = re.compile(
    r"(?i)(?<![\w.+\-])[\w.+\-]{1,64}+(?:%40|&#64;|&#x40;|&commat;|[ ]?[\[({](?:at|@)[\])}][ ]?)"
    r"[\w\-]{1,63}+(?:(?:\.|[ ]?[\[({]dot[\])}][ ]?)[\w\-]{1,63}+){1,4}"
)


WORDS = _DOCUMENT_WORDS | _PHONE_WORDS | _PLACE_WORDS | _CARD_WORDS
"""Without one of these, in lower case, nothing in a text is announced."""


def redact_announced(text: str, words: frozenset[str]) -> str:
    """Replace numbers by what the words around them say they are.

    Args:
        text: any.
        words: of the text, in lower case and without signs; others may be among them.
    """
    if not words.isdisjoint(_DOCUMENT_WORDS):
        text = _DOCUMENT.sub(_replace_document, text)
    if not words.isdisjoint(_CARD_WORDS):
        text = _CARD_NUMBER.sub(rf"\1{CARD}", text)
    if not words.isdisjoint(_PHONE_WORDS):
        text = _PHONE_BEFORE.sub(rf"\1{PHONE}", text)
    if not words.isdisjoint(_PLACE_WORDS):
        text = _PHONE_AFTER.sub(PHONE, text)
    return text


def redact_spelled(text: str, words: frozenset[str]) -> str:
    """Replace e-mail addresses whose sign is spelled out, such as `jo (at) example.com` and `jo%40example.com`."""
    return _EMAIL_SPELLED.sub(EMAIL, text) if "at" in words or "%" in text or "&" in text or "@" in text else text


def _replace_document(found: re.Match[str]) -> str:
    is_social = found[1].lower().startswith(_SOCIAL)
    return found[1] + (SSN if is_social else ID)
