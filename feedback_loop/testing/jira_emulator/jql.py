"""The part of JQL that a feedback loop and its PMs use, read strictly: what is not known here is refused as Jira does.

    query  = [clause] ["ORDER BY" field ["ASC"|"DESC"] {"," ...}]
    clause = term {("AND"|"OR"|"NOT") ...}, with parentheses
    term   = field ("=" | "!=" | "in" | "not in" | ">=" | ">" | "<=" | "<" | "~" | "is [not] EMPTY") value

Belongs here: parsing, checking and evaluating. Does not belong here: paging, the index (`state.py`).

As in Jira, `!=` and `not in` do not find what is empty. Left out: functions but `now()`, history (`was`, `changed`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from feedback_loop.testing.jira_emulator.adf import plain_text
from feedback_loop.testing.jira_emulator.catalogue import (
    CATEGORIES,
    FIELDS,
    ISSUE_TYPES,
    PRIORITIES,
    RESOLUTIONS,
    STATUSES,
)
from feedback_loop.testing.jira_emulator.records import Issue
from feedback_loop.testing.jira_emulator.refusals import refuse_jql
from feedback_loop.testing.jira_emulator.state import State, by_name

Matches = Callable[[Issue], bool]
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>>=|<=|!=|!~|[=<>~(),])"""
    r"""|(?P<word>cf\[\d+\]|[^\s"'=<>~(),!+.;?|*/%^$\#@\[\]{}&]+(?:/[\d/]+)?))""",
)
_RELATIVE = re.compile(r"(-?\d+)([wdhm])")
_MAX_DIGITS = 5  # of a period: some thousand years at most
_UNITS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_ALIASES = {
    "key": "key", "issuekey": "key", "issue": "key", "id": "id", "statuscategory": "statusCategory",
    **{clause.lower(): field.id for field in FIELDS.values() for clause in field.clauses},
}  # fmt: skip
_DATES = {"created", "updated", "resolutiondate", "statuscategorychangedate", "duedate", "customfield_10042"}
_TEXTS = {"summary", "description", "environment"}
_TOKENS_OF_EMPTY = {"empty", "null"}


@dataclass(frozen=True)
class _Token:
    text: str
    is_quoted: bool = False

    @property
    def word(self) -> str:
        """In lower case; nothing where it is quoted."""
        return "" if self.is_quoted else self.text.lower()


@dataclass(frozen=True)
class Query:
    """A query that was read.

    Attributes:
        matches: None where it restricts nothing.
        order: field id and whether it descends.
    """

    matches: Matches | None
    order: tuple[tuple[str, bool], ...]

    def run(self, state: State, issues: Sequence[Issue]) -> list[Issue]:
        """What it finds, in its order; else the newest first."""
        found = [issue for issue in issues if self.matches is None or self.matches(issue)]
        found.sort(key=lambda issue: int(issue.id), reverse=True)
        for field, descends in reversed(self.order):
            found.sort(key=lambda issue: _sort_key(field, issue), reverse=descends)
        return found


def parse_jql(state: State, text: str) -> Query:
    """Read a query.

    Raises:
        RefusedError: 400; syntax, an unknown field, or a value that does not exist.
    """
    parser = _Parser(state, _tokens(text))
    matches = None if parser.at_end() or parser.peek.word == "order" else parser.either()
    return Query(matches, parser.order())


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise refuse_jql(
                f"Error in the JQL Query: The character '{text[at:].strip()[:1]}' is a reserved JQL character. "
                f"You must enclose it in a string or use the escape instead. (line 1, character {at + 1})"
            )
        quoted = found["quoted"]
        tokens.append(_Token(re.sub(r"\\(.)", r"\1", quoted[1:-1]), True) if quoted else _Token(found[0].strip()))
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, state: State, tokens: list[_Token]) -> None:
        self._state, self._tokens, self._at = state, tokens, 0

    def at_end(self) -> bool:
        return self._at >= len(self._tokens)

    @property
    def peek(self) -> _Token:
        return _Token("") if self.at_end() else self._tokens[self._at]

    def take(self, *words: str) -> _Token:
        token = self.peek
        if self.at_end() or (words and token.word not in words):
            wanted = f"'{words[0]}'" if words else "a value"
            said = "the end of the query" if self.at_end() else f"'{token.text}'"
            raise refuse_jql(f"Error in the JQL Query: Expecting {wanted} but got {said}.")
        self._at += 1
        return token

    def accept(self, *words: str) -> bool:
        is_next = self.peek.word in words and not self.at_end()
        self._at += is_next
        return is_next

    def either(self) -> Matches:
        """Terms joined by OR."""
        parts = [self.both()]
        while self.accept("or"):
            parts.append(self.both())
        return lambda issue: any(part(issue) for part in parts)

    def both(self) -> Matches:
        parts = [self.one()]
        while self.accept("and"):
            parts.append(self.one())
        return lambda issue: all(part(issue) for part in parts)

    def one(self) -> Matches:
        if self.accept("not"):
            inner = self.one()
            return lambda issue: not inner(issue)
        if self.accept("("):
            inner = self.either()
            self.take(")")
            return inner
        return self.term()

    def term(self) -> Matches:
        field = self.field()
        is_not = False
        operator = self.take("=", "!=", ">=", "<=", ">", "<", "~", "in", "not", "is").word
        if operator == "not":
            self.take("in")
            operator, is_not = "in", True
        elif operator == "is":
            is_not = self.accept("not")
            self.take(*_TOKENS_OF_EMPTY)
            return lambda issue: bool(_values(self._state, field, issue)) == is_not
        values = self.listed() if operator == "in" else [self.value()]
        if operator in ("=", "!=") and values[0].word in _TOKENS_OF_EMPTY:
            return lambda issue: bool(_values(self._state, field, issue)) == (operator == "!=")
        if operator in ("=", "!=", "in"):
            return self.equals(field, values, is_not or operator == "!=")
        return self.compares(field, operator, values[0])

    def field(self) -> str:
        name = self.take().text
        found = _ALIASES.get(name.lower())
        if found is None or (found == "statuscategorychangedate" and not self._state.is_cloud):
            raise refuse_jql(f"Field '{name}' does not exist or you do not have permission to view it.")
        return found

    def listed(self) -> list[_Token]:
        self.take("(")
        values = [self.value()]
        while self.accept(","):
            values.append(self.value())
        self.take(")")
        return values

    def value(self) -> _Token:
        token = self.take()
        if not token.is_quoted and token.text in ("(", ")", ",", "=", "and", "or"):
            raise refuse_jql(f"Error in the JQL Query: Expecting a value but got '{token.text}'.")
        if not token.is_quoted and self.peek.word == "(":
            self.take("(")
            self.take(")")
            if token.word != "now":
                raise refuse_jql(f"Unable to find JQL function '{token.text}()'.")
        return token

    def equals(self, field: str, tokens: list[_Token], is_not: bool) -> Matches:
        if field in _TEXTS:
            raise refuse_jql(f"The operator '=' is not supported by the '{field}' field.")
        if field in _DATES:
            days = [self.moment(token) for token in tokens]
            return lambda issue: any((at in days) != is_not for at in _values(self._state, field, issue))
        wanted = {_existing(self._state, field, token.text) for token in tokens}
        unresolved = field == "resolution" and any(token.text.lower() == "unresolved" for token in tokens)

        def matches(issue: Issue) -> bool:
            found = set(_values(self._state, field, issue))
            if unresolved and not found:
                return not is_not
            return bool(found) and bool(found & wanted) != is_not

        return matches

    def compares(self, field: str, operator: str, token: _Token) -> Matches:
        if operator == "~":
            if field not in _TEXTS:
                raise refuse_jql(f"The operator '~' is not supported by the '{field}' field.")
            words = token.text.lower().split()
            return lambda issue: all(word in " ".join(_values(self._state, field, issue)).lower() for word in words)
        limit: Any
        if field in _DATES:
            limit = self.moment(token)
        elif field in ("id", "key", "customfield_10016"):
            limit = _float(field, token.text.rpartition("-")[2])
        else:
            raise refuse_jql(f"The operator '{operator}' is not supported by the '{field}' field.")
        compare: Callable[[Any], bool] = {
            ">=": lambda value: value >= limit,
            "<=": lambda value: value <= limit,
            ">": lambda value: value > limit,
            "<": lambda value: value < limit,
        }[operator]
        return lambda issue: any(compare(_number(field, value)) for value in _values(self._state, field, issue))

    def moment(self, token: _Token) -> datetime:
        """An absolute time in UTC, or one relative to now."""
        if token.word == "now":
            return self._state.now
        relative = _RELATIVE.fullmatch(token.text)
        if relative and len(relative[1]) <= _MAX_DIGITS:
            return self._state.now + int(relative[1]) * _UNITS[relative[2]]
        for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M"):
            try:
                return datetime.strptime(token.text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
        raise refuse_jql(
            f"Date value '{token.text}' for field is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
            "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )

    def order(self) -> tuple[tuple[str, bool], ...]:
        """`ORDER BY`, to the end of the query."""
        if self.at_end():
            return ()
        self.take("order")
        self.take("by")
        sorts = []
        while True:
            field = self.field()
            descends = self.peek.word == "desc" or (field in _DATES | {"priority"} and self.peek.word != "asc")
            self.accept("asc", "desc")
            sorts.append((field, descends))
            if not self.accept(","):
                break
        if not self.at_end():
            raise refuse_jql(f"Error in the JQL Query: Expecting ',' but got '{self.peek.text}'.")
        return tuple(sorts)


def _float(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise refuse_jql(f"The value '{text}' is not valid for the field '{field}'.") from error


def _existing(state: State, field: str, text: str) -> Any:
    """The value as issues have it; refused where there can be no such."""
    known: Any
    match field:
        case "project":
            known = next(
                (key for key in state.projects if text.lower() in (key.lower(), f"{key.lower()} project")), None
            )
        case "status":
            known = by_name(STATUSES, text)
        case "statusCategory":
            titles = {title.lower(): key for key, (_, title, __) in CATEGORIES.items()}
            known = titles.get(text.lower()) or (text.lower() if text.lower() in CATEGORIES else None)
        case "priority":
            known = by_name(PRIORITIES, text)
        case "issuetype":
            known = by_name(ISSUE_TYPES, text)
        case "resolution":
            known = "" if text.lower() == "unresolved" else by_name(RESOLUTIONS, text)
        case "key" | "id":
            issue = state.visible(text)
            if issue is None:
                raise refuse_jql(f"An issue with {field} '{text}' does not exist for field '{field}'.")
            known = issue.id  # a key it had finds it too
        case _:
            return _float(field, text) if field == "customfield_10016" else text
    if known is None:
        raise refuse_jql(f"The value '{text}' does not exist for the field '{field}'.")
    return known


def _values(state: State, field: str, issue: Issue) -> list[Any]:
    match field:
        case "project":
            return [issue.project]
        case "key" | "id":
            return [issue.id]
        case "statusCategory":
            return [STATUSES[issue.fields["status"]].category]
    value = issue.fields.get(field)
    if value is None:
        return []
    if field in _DATES and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return [moment if moment.tzinfo else moment.replace(tzinfo=UTC)]
    if isinstance(value, dict):
        return [plain_text(value)]
    return list(value) if isinstance(value, list) else [value]


def _number(field: str, value: Any) -> Any:
    return float(value) if field in ("id", "key", "customfield_10016") else value


def _sort_key(field: str, issue: Issue) -> tuple[Any, ...]:
    """Empty ones are last when ascending; of issues of one moment the one born later is the later."""
    if field in ("id", "key"):
        return (0, issue.project if field == "key" else "", int(issue.id))
    value: Any = issue.project if field == "project" else issue.fields.get(field)
    if field == "statusCategory":
        value = list(CATEGORIES).index(STATUSES[issue.fields["status"]].category)
    if field == "priority":
        value = -int(PRIORITIES[value])  # descending: the highest first
    if value is None:
        return (1,)
    if field in _DATES:
        return (0, value, int(issue.id))
    return (0, str(value).lower() if not isinstance(value, (int, float)) else value)
