"""Reading replies: what a model sent, held against what was asked, item by item.

Belongs here: the only way from a model's text into the product. Does not belong here: asking again (`analyst.py`).

Nothing a model writes becomes an id: refs are looked up among those that were sent, and the rest is dropped. A ref
that is answered twice is not believed at all, for one of the two may be the work of another item's text. Words of an
enum are compared without case (the API does not promise it), texts are cleaned and cut.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from feedback_loop.llm.prompts import CAUSES, JUDGEMENTS, LABELS, ref
from feedback_loop.llm.requests import Answer, Entry, Item, Problem, Purpose, Reason, Reply
from feedback_loop.llm.texts import plain

MAX_FAILURE, MAX_NAME, MAX_TEXT, MAX_REASON = 300, 90, 600, 300  # characters
_CUT_SHORT = {"max_tokens": "the answer", "model_context_window_exceeded": "the prompt"}
_INNER_REF = re.compile(r"[a-z](\d{1,3})")


class _InvalidError(ValueError):
    """A value that is not allowed; says which."""


def read_reply(purpose: Purpose, items: Sequence[Item], reply: Reply) -> Answer:
    """Every item of a request with its answer or the reason why there is none."""
    problem = _problem_of_reply(reply)
    given = None if problem else _load_items(reply.text)
    if given is None:
        return Answer.none(tuple(items), problem or Problem("unreadable", _shown(reply.text)))
    found: dict[str, Entry] = {}
    problems: dict[str, Problem] = {}
    for position, item in enumerate(items):
        answers = [answer for answer in given if _is_ref(answer, ref(position))]
        if len(answers) != 1:
            reason: Reason = "repeated" if answers else "missing"
            problems[item.key] = Problem(reason, f"{len(answers)} answers for {ref(position)}")
            continue
        try:
            found[item.key] = check_entry(purpose, answers[0], item.n_inner)
        except _InvalidError as error:
            problems[item.key] = Problem("invalid", str(error))
    return Answer(found, problems)


def count_invented(items: Sequence[Item], reply: Reply) -> int:
    """Answers for refs that nobody sent; they are dropped."""
    sent = {ref(position) for position in range(len(items))}
    return sum(not any(_is_ref(answer, one) for one in sent) for answer in _load_items(reply.text) or ())


def _problem_of_reply(reply: Reply) -> Problem | None:
    """What the stop reason says is wrong with the whole of it."""
    if reply.stop_reason == "refusal":
        return Problem("refused", _shown(reply.text))
    if reply.stop_reason in _CUT_SHORT:
        return Problem("cut", f"{_CUT_SHORT[reply.stop_reason]} is too long ({reply.stop_reason})")
    if reply.stop_reason != "end_turn":
        return Problem("unreadable", f"unknown stop reason {plain(reply.stop_reason, 40)!r}")
    return None


def _load_items(text: str) -> list[Mapping[str, Any]] | None:
    """The objects under `items`; None where the text is not JSON of that shape."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    items = content.get("items") if isinstance(content, dict) else None
    return items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else None


def _is_ref(answer: Mapping[str, Any], wanted: str) -> bool:
    given = answer.get("ref")
    return isinstance(given, str) and given.strip().lower() == wanted


def _shown(text: str) -> str:
    return f"the model said {plain(text, 80)!r}"


def check_entry(purpose: Purpose, answer: Mapping[str, Any], n_inner: int) -> Entry:
    """A model's answer for one item, as it may be kept; also of what was kept before.

    Raises:
        ValueError: a field is missing or has a value that is not allowed; names it.
    """
    return _CHECKS[purpose](answer, n_inner)


def _check_description(answer: Mapping[str, Any], _n_inner: int) -> Entry:
    suspected = answer.get("injection_suspected")
    if not isinstance(suspected, bool):
        raise _InvalidError("injection_suspected is missing or neither true nor false")
    return {"failure": _text(answer, "failure", MAX_FAILURE), "injection_suspected": suspected}


def _check_card(answer: Mapping[str, Any], n_inner: int) -> Entry:
    severity = answer.get("severity")
    if isinstance(severity, bool) or severity not in (1, 2, 3, 4):
        raise _InvalidError(f"severity is {plain(str(severity), 20)!r}, not 1 to 4")
    given = answer.get("evidence")
    numbers = [_inner("q", one, n_inner) for one in given] if isinstance(given, list) else []
    evidence = list(dict.fromkeys(n for n in numbers if n))
    if not evidence:
        raise _InvalidError("evidence names none of the quotes")
    return {
        "name": _text(answer, "name", MAX_NAME, is_needed=True),
        "description": _text(answer, "description", MAX_TEXT, is_needed=True),
        "likely_cause": _choice(answer, "likely_cause", CAUSES),
        "severity": int(severity),
        "severity_reason": _text(answer, "severity_reason", MAX_REASON),
        "suggested_fix": _text(answer, "suggested_fix", MAX_TEXT),
        "evidence": [f"q{n}" for n in evidence],
    }


def _check_judgement(answer: Mapping[str, Any], n_inner: int) -> Entry:
    judgement = _choice(answer, "judgement", JUDGEMENTS)
    number = _inner("p", answer.get("of"), n_inner)
    needs_other = judgement in ("same", "sub")
    if needs_other and number is None:
        raise _InvalidError(f"{judgement} of {plain(str(answer.get('of')), 20)!r}, which is none of the known patterns")
    of = f"p{number}" if needs_other else ""
    return {"judgement": judgement, "of": of, "reason": _text(answer, "reason", MAX_REASON)}


def _check_label(answer: Mapping[str, Any], _n_inner: int) -> Entry:
    return {"is_case": _choice(answer, "is_case", LABELS)}


_CHECKS: Mapping[Purpose, Callable[[Mapping[str, Any], int], Entry]] = {
    "describe": _check_description,
    "card": _check_card,
    "judge": _check_judgement,
    "audit": _check_label,
}


def _text(answer: Mapping[str, Any], name: str, max_chars: int, *, is_needed: bool = False) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise _InvalidError(f"{name} is missing or no text")
    text = plain(value, max_chars)
    if is_needed and not text:
        raise _InvalidError(f"{name} is empty")
    return text


def _choice(answer: Mapping[str, Any], name: str, allowed: Sequence[str]) -> str:
    value = answer.get(name)
    chosen = value.strip().lower() if isinstance(value, str) else None
    if chosen not in allowed:
        raise _InvalidError(f"{name} is {plain(str(value), 40)!r}, not one of {', '.join(allowed)}")
    return str(chosen)


def _inner(letter: str, given: Any, n_inner: int) -> int | None:
    """The number of a quote or known pattern that was sent under this ref; None for any other."""
    found = _INNER_REF.fullmatch(given.strip().lower()) if isinstance(given, str) else None
    number = int(found[1]) if found and found[0].startswith(letter) else 0
    return number if 1 <= number <= n_inner and found and found[0] == f"{letter}{number}" else None
