"""How the emulated model reads: a failure from a comment, a card from quotes, a judgement from shared words.

Belongs here: plain rules on English words that give sensible, repeatable answers for the demo and for tests. Does not
belong here: quality; nothing measured with this says anything of a real model.

Items are read by the names of their fields: texts of their own under `text`, `comment` or `quotes` (strings, or objects
with `ref` and `text`); for a judgement the nearest patterns are the list of objects with a `ref` under any other name.
What was recorded of a group (`facts`) counts for its cause.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from feedback_loop.testing.anthropic_emulator.gullible import speaks_to_model

_Json = dict[str, Any]

MAX_FAILURE, MIN_NAME_WORDS, MAX_NAME_WORDS = 160, 3, 6
SAME, SUB = 0.18, 0.12
"""Jaccard overlap of the words of two groups of quotes, from which they are the same, or one is part of the other.
On the simulator's complaints, 8 quotes each: 95 % of pairs of one failure lie above .18, of two failures below .08."""

LABEL_WORDS = 2
"""Words of a pattern that a comment must share to be taken for a case of it."""

_OWN_TEXT = ("comment", "comments", "text", "quotes", "reasons", "description")
_QUOTES = ("quotes", "examples")
_UNSEEN = re.compile(r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+")
_SENTENCE = re.compile(r"(?P<sentence>.{12,}?[.!?])(?:\s|$)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    _WORD.findall(
        "the and for you your that this with was were are but not have has had from they them its our out all any can "
        "did does don didn doesn isn wasn just very too again only what when where who why how which there here than "
        "then some more most much about into after before because been being would could should will won let get got "
        "gets still also even ever every each one two use used using like need needs want wants please thanks thank "
        "hello really"
    )
)
_CAUSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "retrieval",
        (
            "outdated",
            "old",
            "source",
            "document",
            "article",
            "citation",
            "unrelated",
            "irrelevant",
            "expired",
            "without documents",
        ),
    ),
    ("product", ("link", "button", "page", "crash", "error", "slow", "timeout", "loading", "broken", "login", "click")),
    (
        "prompt",
        ("tone", "rude", "long", "short", "format", "language", "instruction", "ignored", "asked", "verbose", "list"),
    ),
    (
        "model",
        ("made up", "invent", "hallucinat", "calculat", "math", "sum", "total", "refuse", "nonsense", "contradict"),
    ),
)
_SEVERITIES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (
        4,
        (
            "legal",
            "lawyer",
            "danger",
            "unsafe",
            "charged",
            "money",
            "security",
            "privacy",
            "leak",
            "lost data",
            "fraud",
        ),
    ),
    (3, ("wrong", "incorrect", "false", "fail", "broken", "crash", "cannot", "can't", "made up", "invent", "useless")),
    (2, ("outdated", "slow", "confus", "long", "rude", "missing", "ignored", "irrelevant")),
)
_FIXES = {
    "retrieval": "Check which documents are retrieved for these questions, and replace those that are outdated.",
    "product": "Check the action, page or link that the quoted answers lead to.",
    "prompt": "Say in the instructions what a good answer does here, and keep a quote as a test case.",
    "model": "Give the model a tool for this task or let it say that it cannot do it.",
    "unknown": "Read the quotes and decide who owns this.",
}


def describe(item: _Json) -> _Json:
    """`failure`: the first sentence of what was said, cleaned and shortened; `injection_suspected` by its wording."""
    said = own_texts(item)
    return {
        "failure": first_sentence(said[0]) if said else "",
        "injection_suspected": any(speaks_to_model(text) for text in item.values() if isinstance(text, str)),
    }


def draw_card(item: _Json, others: Sequence[_Json]) -> _Json:
    """Name, cause, severity and evidence of a group of quotes, against the other groups of the request."""
    quotes = own_texts(item)
    everything = " ".join([*quotes, str(item.get("facts", ""))]).lower()
    words = _telling_words(quotes, [text for other in others for text in own_texts(other)])
    typical = max(quotes, key=lambda quote: len(set(words_of(quote)) & set(words)), default="")
    cause = _first_rule(everything, _CAUSES) or "unknown"
    severity = _first_rule(everything, _SEVERITIES) or 1
    return {
        "name": _name(words, typical),
        "description": f"In {len(quotes)} quotes people report: {first_sentence(typical)}",
        "likely_cause": cause,
        "severity": severity,
        "severity_reason": f"Severity {severity} by the words of the quotes.",
        "suggested_fix": _FIXES[cause],
        "evidence": _refs_of_quotes(item)[:3],
    }


def judge(item: _Json) -> _Json:
    """Whether a group is one of its nearest patterns, part of one, new, or no failure at all."""
    mine = set(words_of(" ".join(own_texts(item))))
    if len(mine) < 2:
        return {"judgement": "noise", "of": "none", "reason": "The quotes say nothing that could be compared."}
    overlaps = [(_jaccard(mine, set(words_of(" ".join(own_texts(near))))), str(near["ref"])) for near in nearest(item)]
    overlap, ref = max(overlaps, key=lambda pair: pair[0], default=(0.0, "none"))
    reason = f"The quotes share {overlap:.0%} of their words with the nearest pattern."
    if overlap < SUB:
        return {"judgement": "new", "of": "none", "reason": reason}
    return {"judgement": "same" if overlap >= SAME else "sub", "of": ref, "reason": reason}


def label(item: _Json) -> _Json:
    """Whether what was said shares words with the name and description of a pattern; unsure where nothing was said."""
    said = set(words_of(str(item.get("comment", ""))))
    shared = said & set(words_of(f"{item.get('pattern', '')} {item.get('description', '')}"))
    return {"is_case": "unsure" if not said else "yes" if len(shared) >= LABEL_WORDS else "no"}


def nearest(item: _Json) -> list[_Json]:
    """The known patterns an item is to be compared with."""
    for name, value in item.items():
        is_list = name not in _QUOTES and isinstance(value, list) and bool(value)
        if is_list and all(isinstance(each, dict) and "ref" in each for each in value):
            return list(value)
    return []


def own_texts(item: _Json) -> list[str]:
    """What an item says itself: of the first of its fields that says anything."""
    for name in _OWN_TEXT:
        value = item.get(name)
        listed = value if isinstance(value, list) else [value]
        texts = [each.get("text", "") if isinstance(each, dict) else each for each in listed]
        said = [_clean(text) for text in texts if isinstance(text, str) and _clean(text)]
        if said:
            return said
    return []


def words_of(text: str) -> list[str]:
    """The words that carry meaning, in order, in lower case, without a plural's s."""
    words = (word.lower() for word in _WORD.findall(text))
    return [word[:-1] if word.endswith("s") and len(word) > 4 else word for word in words if word not in _COMMON]


def first_sentence(text: str) -> str:
    """The first sentence, cut at a word where it is long."""
    cleaned = _clean(text)
    found = _SENTENCE.match(cleaned)
    sentence = found["sentence"] if found else cleaned
    return sentence if len(sentence) <= MAX_FAILURE else sentence[:MAX_FAILURE].rsplit(" ", 1)[0] + " ..."


def _clean(text: str) -> str:
    return " ".join(_UNSEEN.sub(" ", text).split())


def _telling_words(quotes: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Words in many of the quotes and few of the rest, most telling first; a tie goes to the alphabet."""
    here, there = _spread(quotes), _spread(rest)
    return sorted(here, key=lambda word: (-here[word] / (1 + there[word] / max(len(rest), 1) * len(quotes)), word))[:12]


def _spread(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in set(words_of(text)))


def _name(words: Sequence[str], typical: str) -> str:
    """The telling words in the order in which the typical quote has them; its first words where those are too few."""
    ordered = list(dict.fromkeys(words_of(typical)))
    chosen = sorted((word for word in words[:MAX_NAME_WORDS] if word in ordered), key=ordered.index)
    if len(chosen) < MIN_NAME_WORDS:
        chosen = typical.split()[: MAX_NAME_WORDS + 2] or ["unnamed"]
    name = " ".join(chosen).rstrip(".,;:!?")
    return name[:1].upper() + name[1:]


def _first_rule(text: str, rules: Sequence[tuple[Any, tuple[str, ...]]]) -> Any:
    """The rule with most mentions, the first of equals; None where none fits."""
    counts = [(sum(len(re.findall(rf"\b{re.escape(word)}", text)) for word in words), rule) for rule, words in rules]
    most = max(count for count, _ in counts)
    return next(rule for count, rule in counts if count == most) if most else None


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def _refs_of_quotes(item: _Json) -> list[str]:
    quotes: list[Any] = next((item[name] for name in _QUOTES if isinstance(item.get(name), list)), [])
    return [str(quote["ref"]) for quote in quotes if isinstance(quote, dict) and "ref" in quote]
