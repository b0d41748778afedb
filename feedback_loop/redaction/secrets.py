"""Secrets in text: keys, tokens, passwords, and addresses that carry a password. Standard library only.

Belongs here: what a secret looks like, by who issued it or by the word before it. Does not belong here: personal data.

A pattern is tried only where the text has what it needs: a word such as "token", an address, a run without blanks that
is long enough. Every pattern is linear in the length of the text.
"""

import re

SECRET = "<secret>"  # noqa: S105 (what stands for one)

_PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]++ ){0,3}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END (?:[A-Z0-9]++ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_JWT = r"(?<![\w.\-])(?=[\w\-.]{0,200}\d)eyJ[\w\-]{8,}+(?:\.[\w\-]*+){1,4}+"

# By issuer: prefix, then what follows it, with a digit early on. Sources: what issuers say of the format of their keys.
_ISSUED = (
    r"sk-(?:ant-|proj-|or-|svcacct-)?[\w\-]{16,}+",  # Anthropic, OpenAI and others
    r"(?:sk|rk|pk)_(?:live|test)_\w{10,}+|whsec_[\w+/=]{16,}+",  # Stripe
    r"gh[pousr]_\w{20,}+|github_pat_\w{20,}+",
    r"glpat-[\w\-]{16,}+",
    r"xox[abeoprs]-[\w\-]{10,}+|xapp-[\w\-]{10,}+",  # Slack
    r"(?:AKIA|ASIA|AGPA|AROA)[A-Z0-9]{16}+",  # AWS
    r"AIza[\w\-]{30,}+|ya29\.[\w\-]{20,}+",  # Google
    r"SG\.[\w\-]{16,}+\.[\w\-]{16,}+",  # SendGrid
    r"(?:hf|npm|gsk|r8|lin_api|dop_v1|dckr_pat|shpat|shpss|tvly)_[A-Za-z0-9_\-]{16,}+",
    r"pypi-[\w\-]{40,}+|pplx-\w{30,}+|xai-\w{30,}+|ATATT3[\w\-=]{20,}+|AGE-SECRET-KEY-1\w{20,}+",
    r"\d{8,10}:AA[\w\-]{33}+",  # Telegram
    r"key-[0-9a-f]{32}+|sq0(?:atp|csp)-[\w\-]{20,}+",  # Mailgun, Square
)
# scheme://user:password@host keeps all but user and password; so does scheme://token@host where the token is long.
_URL_LOGIN = r"(?<=://)(?:[^\s/?#@:<>\"']{0,200}:[^\s/<>\"']{1,500}|[^\s/?#@:<>\"']{16,500})(?=@[\w\[.\-])"
_WEBHOOK = r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[\w/\-]{12,}+"

_WORDS = (
    r"pass(?:word|wd|phrase|code)|pwd|(?:client|shared|app)?[_\- ]?secret"
    r"|(?:api|access|account|private|secret|auth|encryption)[_\- ]?key(?:[_\- ]?id)?|secret[_\- ]?access[_\- ]?key"
    r"|sharedaccesskey|(?:auth|access|refresh|bearer|session|id)?[_\- ]?token"
)
_SEPARATOR = r"[\"'`]?\s{0,3}(?::=|=>|[:=])\s{0,3}"
_VALUE = r"[^\s\"'`,;<>&|(){}\[\]]"
# `password: x1`, `API_KEY=x-1`, `"token": "x"`: unquoted, it must have a digit or a sign, as words of prose have not.
_ASSIGNED = (
    rf"((?:(?:{_WORDS}){_SEPARATOR}(?!\d{{1,80}}(?!\w)|https?:)|(?:passw(?:or)?d|passcode|pwd|(?<!\w)(?:otp|pin)){_SEPARATOR}))"
    rf"(?={_VALUE}{{0,80}}[\d!$%^*+~@]){_VALUE}{{4,500}}+"
)
_QUOTED = rf"((?:{_WORDS}){_SEPARATOR}([\"'`]))(?=[^\s\"'`<>]{{4}})[^\s\"'`<>]{{1,500}}+(?=\2)"
_SAID = (
    rf"((?:my|the|our|your)\s(?:\w{{2,12}}\s)?(?:{_WORDS}|pin|otp)\s(?:is|was):?\s{{1,2}}[\"'`]?)"
    rf"(?={_VALUE}{{0,60}}\d){_VALUE}{{4,100}}+"
)
_BEARER = r"((?:bearer|basic)\s{1,3})(?=[\w.\-+/=~]{0,100}\d)[\w.\-+/=~]{16,2000}+"
_WORD_NEEDLES = ("passw", "passp", "passc", "pwd", "secret", "key", "token", "pin", "otp")  # of the words above


_I = re.IGNORECASE
_LONG = 18  # characters of the shortest key that its issuer gives away
_KEY_BLOCK = re.compile(f"(){_PRIVATE_KEY}", re.DOTALL)
_IN_URL = (re.compile(f"(){_URL_LOGIN}"), re.compile(_WEBHOOK, _I))
_LONG_RUNS = (
    re.compile(f"(){_JWT}"),
    re.compile(rf"()(?<![\w\-])(?=[\w\-.:+/=]{{0,60}}\d)(?:{'|'.join(_ISSUED)})"),
    re.compile(rf"(?<![A-Za-z0-9]){_BEARER}", _I),
)
_SET = (re.compile(_QUOTED, _I), re.compile(_ASSIGNED, _I))
_TOLD = re.compile(rf"(?<!\w){_SAID}", _I)
_DIGIT = re.compile(r"\d")


def redact_secrets(text: str, lowered: str | None = None) -> str:
    """Replace secrets by `<secret>`; the words and addresses around them stay.

    Args:
        text: any.
        lowered: the text in lower case, where it is at hand.
    """
    for pattern in _patterns_for(text, text.lower() if lowered is None else lowered):
        text = pattern.sub(_replace, text)
    return text


def may_have_secret(text: str) -> bool:
    """False only where `redact_secrets` changes nothing, of the text or of any part of it."""
    return bool(_patterns_for(text, text.lower()))


def _patterns_for(text: str, lowered: str) -> list[re.Pattern[str]]:
    """Those that are worth a try; prose gets away with a dozen searches for plain strings."""
    patterns: list[re.Pattern[str]] = []
    if "-----begin " in lowered:
        patterns.append(_KEY_BLOCK)
    if "://" in text or ".com/" in lowered:
        patterns += _IN_URL
    has_digit = _DIGIT.search(text) is not None  # what is given away by its issuer has one
    if has_digit and max(map(len, text.split()), default=0) >= _LONG:
        patterns += _LONG_RUNS
    if any(map(lowered.__contains__, _WORD_NEEDLES)):
        if ":" in text or "=" in text:
            patterns += _SET
        if has_digit:
            patterns.append(_TOLD)
    return patterns


def _replace(match: re.Match[str]) -> str:
    return match[1] + SECRET
