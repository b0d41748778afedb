"""The full pass: what patterns, cues and Presidio know leaves the text; the rest stays, and twice is as once."""

import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedback_loop.errors import ConfigurationError
from feedback_loop.redaction import redact
from feedback_loop.redaction.deep import PATTERNS, Redactor
from feedback_loop.redaction.ner import PrivacyPolicy, load_redactor

FOUND = [
    ("my key sk-ant-api03-abcdefghijklmnop1234 ok", "my key <secret> ok"),
    ("AKIAIOSFODNN7EXAMPLE", "<secret>"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "<secret>"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def", "<secret>"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nhi", "<secret>\nhi"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "<secret>"),
    ("postgresql://bob:s3cr@t@db.example.com:5432/x", "postgresql://<secret>@db.example.com:5432/x"),
    ("https://x.example/?api_key=abc123def456&b=1", "https://x.example/?api_key=<secret>&b=1"),
    ("Authorization: Bearer abcdefghij1234567890XYZ", "Authorization: Bearer <secret>"),
    ('"client_secret": "abcdefgh"', '"client_secret": "<secret>"'),
    ("password: hunter2!", "password: <secret>"),
    ("my password is hunter22", "my password is <secret>"),
    ("My name is Anna Müller-Lüdenscheidt and I live", "My name is <person> and I live"),
    ("my name is anna, hi", "my name is <person>, hi"),
    ("Ich heiße Jürgen Groß.", "Ich heiße <person>."),
    ("Dear Mr. Smith,", "Dear Mr. <person>,"),
    ("Hi John, it fails", "Hi <person>, it fails"),
    ("It fails.\nBest regards,\nJohn van der Berg\nAcme", "It fails.\nBest regards,\n<person>\nAcme"),
    ("I'm Peter Parker, originally from Queens", "I'm <person>, originally from Queens"),
    ("my wife Anna said so", "my wife <person> said so"),
    ("Name:    Bob Stone\nAddress", "Name:    <person>\nAddress"),
    ("GB90YNTU67299444055881 or gb42nawi04454264788619", "<iban> or <iban>"),
    ("DE89 3704 0044 0532 0130 00 today", "<iban> today"),
    ("from 192.168.100.200", "from <ip>"),
    ("fe80::1ff:fe23:4567:890a", "<ip>"),
    ("00:1B:44:11:3A:B7", "<mac>"),
    ("SSN 054-28-6917", "SSN <ssn>"),
    ("my ssn is 123456789", "my ssn is <ssn>"),
    ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "<crypto>"),
    ("0x52908400098527886E0F7030069857D2E4169EE7", "<crypto>"),
    ("NI number AB123456C", "NI number <id>"),
    ("passport number X1234567 please", "passport number <id> please"),
    ("driver's license number is 2270-66-1551", "driver's license number is <id>"),
    ("card 675984103431", "card <card>"),
    ("416 60 039 office", "<phone> office"),
    ("jo (at) example (dot) com", "<email>"),
    ("?to=jo%40example.com", "?to=<email>"),
    ("jo\u200b.doe@exam\u200bple.com", "<email>"),
    ("jo\u00addoe＠example．com", "<email>"),
    ("４１１１ １１１１ １１１１ １１１１", "<card>"),
    ("call +44 7700 900123, jo@b.example", "call <phone>, <email>"),
]
STAYS = [
    "on 2026-01-05 at 10:30:00",
    "order number 1234567890, order #4675339512",
    "it cost 1,299.99 EUR or $1299",
    "version 1.2.3.4, release 10.0.19.45, react@18.2.0",
    "127.0.0.1 and std::vector a::b",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "4111 1111 1111 1112",
    "1767600000000",
    "max_token=4000, tokens: 400, the token: 5",
    "password: forgotten, password reset failed",
    "the key-planning-recommendations-for-mass-gatherings-in-the-context",
    "my name is misspelled",
    "Dear Customer Support,",
    "Hi There, Hello World it is",
    "such as Hello Fresh.",
    "I am Very Angry. I'm from Paris",
    "Thanks,\nThe Team",
    "Product name: Foo Bar",
    "passport issues in 2024 are 12",
    "UUID 123e4567-e89b-12d3-a456-426614174000",
    "Grüße, 今日は, שלום 👨‍👩‍👧 👋",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_personal_data_and_secrets_are_replaced(text: str, expected: str) -> None:
    assert PATTERNS.text(text) == expected
    assert PATTERNS.text(expected) == expected


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert PATTERNS.text(text) == text


def test_hidden_characters_stay_where_they_hide_nothing() -> None:
    assert PATTERNS.text("👨‍👩‍👧 wrote jo@b.example") == "👨‍👩‍👧 wrote <email>"


_PIECES = st.sampled_from(
    [*(text for text, _ in FOUND), *(text for _, text in FOUND), *" -.:=x+@/\n", "Anna", "my name is "]
)


@given(st.one_of(st.text(), st.lists(_PIECES, max_size=5).map("".join), st.lists(_PIECES, max_size=5).map(" ".join)))
@example("call 4111 1111 1111 1111 4675 3395")
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = PATTERNS.text(text)
    assert PATTERNS.text(once) == once
    light = redact(text)
    assert redact(light) == light


HOSTILE = ["password:'a", "my key is ", "my name is ", "Mr. Bo ", "GB90 ", "1.2.3.", "a:", "123-45-", "passport A1"]
HOSTILE += ["a(at)b[dot]", "://a:", "://a@", "-----BEGIN PRIVATE KEY-----", "\u200b", "１", "eyJ", "Regards,\n", "hi "]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (300_000 // len(unit))
    start = time.perf_counter()
    PATTERNS.text(text)
    assert time.perf_counter() - start < 30  # quadratic would take hours


def test_lone_surrogates_are_no_obstacle() -> None:
    assert PATTERNS.text("\ud800 jo@b.example") == "\ud800 <email>"


def test_strings_inside_json_are_redacted_and_the_rest_stays() -> None:
    value = {"to": ["a@b.example", 3], "a@b.example": None, "n": 4111111111111111, "ok": True}
    assert PATTERNS.json(value) == {"to": ["<email>", 3], "<email>": None, "n": 4111111111111111, "ok": True}


def test_presidio_is_loaded_only_when_a_text_needs_it() -> None:
    code = """
import sys
from feedback_loop.redaction.deep import PATTERNS
assert PATTERNS.text("my order 1234567890 of 2026-01-05 for 19.99 EUR did not arrive, Anna") .endswith("Anna")
assert not {"spacy", "presidio_analyzer", "regex"} & set(sys.modules), "loaded too early"
assert PATTERNS.text("from 10.1.2.3") == "from <ip>"
assert "presidio_analyzer" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_light_pass_imports_nothing_heavy() -> None:
    code = """
import sys
before = set(sys.modules)
import feedback_loop.redaction
heavy = {"presidio_analyzer", "spacy", "numpy", "pandas", "sqlalchemy", "msgspec"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_model_that_is_not_installed_is_said_so() -> None:
    assert load_redactor(PrivacyPolicy()) is PATTERNS
    with pytest.raises(ConfigurationError, match="'no_such_model', which is not installed"):
        load_redactor(PrivacyPolicy(ner_model="no_such_model"))


def test_what_a_model_finds_is_replaced_as_well() -> None:
    redactor = Redactor(lambda text: text.replace("Anna", "<person>"))
    assert redactor.text("Anna wrote from 10.1.2.3") == "<person> wrote from <ip>"
