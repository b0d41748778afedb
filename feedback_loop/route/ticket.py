"""What a ticket says: for a person who has never heard of embeddings, clusters or p-values.

Belongs here: the sections of a ticket and their order: problem, impact, users' words, cause and fix, what is not
known, how we will know that it is fixed, where it comes from. Does not belong here: sentences that numbers make
(`words`), how a fix's visibility is computed (`visibility`), markup (`rendering/`).

Every claim of a model or rule is marked as one. What users wrote is quoted; no renderer lets it do anything.
"""

from collections.abc import Mapping
from math import isnan
from typing import Any

from feedback_loop.documents import Block, Bullets, Document, Heading, Inline, Link, Note, Paragraph, Quote, Text
from feedback_loop.records import Cause, PatternState
from feedback_loop.redaction import visible
from feedback_loop.rendering import fit
from feedback_loop.route import visibility, words
from feedback_loop.route.facts import TicketFacts, TrendWeek, per_1000
from feedback_loop.route.policy import RoutePolicy

Row = Mapping[str, Any]

_SEVERITY = {1: "minor", 2: "moderate", 3: "serious", 4: "critical"}
_CAUSES: Mapping[Cause, str] = {
    "prompt": "the instructions in the prompt",
    "retrieval": "the documents that were retrieved for the answer",
    "product": "the product around the answer, not the answer itself",
    "model": "a limit of the model",
    "unknown": "not known",
}
_NOTES: Mapping[Cause, str] = {
    "model": "A change of the prompt is not expected to solve this. What can help: another model, a tool that does "
    "this task for the model, a guard that stops such answers, or telling users what the product cannot do.",
    "unknown": "This needs a decision first: who can fix it? Open some quoted conversations. Did the instructions "
    "cover the case? Were the right documents found? Did a link or action fail? Is it more than the model can do? Then "
    "record the answer with ",
}
_VERSIONS: Mapping[Cause, tuple[str, str]] = {
    "prompt": ("VERSION", ""),
    "unknown": ("VERSION", " (- for VERSION where the prompt did not change)"),
}
_MOST_SEGMENTS = 2
_MOST_UNKNOWN = 5  # the first say most
_MAX_WORDS = 270  # characters of a quote beside its date
_FEW_USERS = 10
_MUCH_UNASSIGNED = 0.1
_MOSTLY = 2 / 3  # of the answers that were hit


def ticket_body(
    state: PatternState,
    row: Row,
    facts: TicketFacts,
    looks: Mapping[int, float],
    policy: RoutePolicy,
    *,
    is_decided: bool,
) -> Document:
    """What a new ticket says, short enough for every tracker.

    Args:
        state: the pattern as people corrected it.
        row: its row of frame `prioritise.PATTERN_WEEKS`.
        facts: what else is known.
        looks: days after a fix at which it is judged -> confidence of that judgement.
        policy: how many quotes.
        is_decided: a person named the cause.
    """
    return fit(
        (
            *_problem(state, facts),
            Paragraph(_impact(state, row, facts)),
            *_note(state),
            *_quotes(state, facts, policy),
            *_cause(state, facts, is_decided=is_decided),
            *_unknown(row, facts),
            *_fixed(state, row, facts, looks),
            *_origin(state, row, facts),
        )
    )


def _problem(state: PatternState, facts: TicketFacts) -> tuple[Block, ...]:
    described = visible(state.description, 300) if facts.card_source == "claude" else ""
    return (Paragraph((Text(described or "Several users report the failure that the title names."),)),)


def _impact(state: PatternState, row: Row, facts: TicketFacts) -> tuple[Inline, ...]:
    week = _this_week(state, row)
    hit = f"In the week of {words.day(week.week)} it hit {words.count(week.n_occurrences, 'answer')}"
    n_users = int(row["n_users"])
    users = f" and at least {words.count(n_users, 'person', 'people')}" if n_users else ""
    rate = ""
    if not isnan(week.rate):
        low, high = week.interval
        rate = f": {per_1000(week.rate)} of every 1,000 sessions (95% range: {per_1000(low)} to {per_1000(high)})"
    sentences = [
        f"{hit}{users}{rate}.",
        words.trend(facts.trend, state.first_seen_week),
        _where(facts),
        _version(facts),
        f"Severity: {state.severity} of 4 ({_SEVERITY[state.severity]}).",
    ]
    return Text("Impact.", "strong"), Text(" " + " ".join(s for s in sentences if s))


def _this_week(state: PatternState, row: Row) -> TrendWeek:
    """The week that the ticket is made in: its pattern was seen in it."""
    affected, exposures = float(row["affected"]), float(row["exposures"])
    n_sessions = float(row["n_sessions"])
    weight = max(1.0, affected / n_sessions) if n_sessions else 1.0
    return TrendWeek(state.last_seen_week, int(row["n_occurrences"]), affected, exposures, weight)


def _where(facts: TicketFacts) -> str | None:
    if not facts.segments:
        return None
    where = [words.segment(fact) for fact in facts.segments[:_MOST_SEGMENTS]]
    return f"It hits more people than expected {words.listed(where)}."


def _version(facts: TicketFacts) -> str | None:
    """The prompt version that most of it came with, unless it is named as a segment."""
    total = sum(n for _, _, n in facts.versions)
    name, prompt_version, n = facts.versions[0] if facts.versions else (None, "", 0)
    is_named = any(fact.dimension == "prompt_version" for fact in facts.segments[:_MOST_SEGMENTS])
    if is_named or not n or n < _MOSTLY * total:
        return None
    share = "All" if n == total else f"{n / total:.0%}"
    only = ", the only one in use" if facts.n_versions == 1 else ""
    return f"{share} of it came with {words.version(name, prompt_version)}{only}."


def _note(state: PatternState) -> tuple[Block, ...]:
    said = _NOTES.get(state.likely_cause)
    if said is None:
        return ()
    if state.likely_cause == "unknown":
        command = Text(f"feedback-loop patterns cause {state.pattern_id} CAUSE", "code")
        return (Note((Text(said), command, Text(" (prompt, retrieval, product or model)."))),)
    return (Note((Text(said),)),)


def _quotes(state: PatternState, facts: TicketFacts, policy: RoutePolicy) -> tuple[Block, ...]:
    said: dict[str, Quote] = {}
    for exemplar in state.exemplars:
        text = visible(exemplar.quote or exemplar.text, _MAX_WORDS)
        on = facts.said_on.get(exemplar.interaction_id)
        said.setdefault(text.casefold(), Quote(f"{words.day(on)}: {text}" if on else text))
    said.pop("", None)
    if not said:
        return ()
    marked = Paragraph((Text("Users' own words, unverified. Links do not work.", "em"),))
    return Heading("What users say"), marked, *list(said.values())[: policy.n_quotes]


def _cause(state: PatternState, facts: TicketFacts, *, is_decided: bool) -> tuple[Block, ...]:
    by_model, fix = facts.card_source == "claude", state.suggested_fix.strip()
    if is_decided:
        said = "A person decided this."
    elif by_model and state.likely_cause == "unknown":
        said = "A language model read some of the complaints and found none."
    elif by_model:
        said = "A language model suggested this after reading some of the complaints. Nobody has checked it."
    elif state.likely_cause == "unknown":
        said = "No rule found one in what was recorded."
    else:
        said = "A simple rule suggested this from what was recorded. Nobody has checked it."
    if facts.card_problem and not by_model:
        said += f" A language model could not be asked: {_sentence(facts.card_problem)}"
    blocks: list[Block] = [
        Heading("Likely cause and suggested fix"),
        Paragraph((Text("Likely cause:", "strong"), Text(f" {_CAUSES[state.likely_cause]}. {said}"))),
    ]
    if fix and (by_model or state.likely_cause not in _NOTES):  # a rule's advice says no more than the note above
        by = f" (from the {'model' if by_model else 'rule'}, not tested): "
        blocks.append(Paragraph((Text("Suggested fix", "strong"), Text(by + _sentence(fix)))))
    elif not fix and is_decided:
        blocks.append(
            Paragraph((Text("Suggested fix:", "strong"), Text(" none; the earlier one supposed another cause.")))
        )
    return tuple(blocks)


def _unknown(row: Row, facts: TicketFacts) -> tuple[Block, ...]:
    n_inferred, n_users = int(row["n_inferred"]), int(row["n_users"])
    silent = "Only people who gave feedback are counted. How many others met the problem in silence is not known."
    if facts.response_rate is not None:
        silent = (
            f"Only {facts.response_rate:.1%} of sessions gave any feedback. The others may be different, and the "
            "true number is probably higher."
        )
    known = [
        isnan(float(row["rate"])) and "How many sessions there were was not recorded, so there is no rate.",
        silent,
        n_users < _FEW_USERS and f"Only {words.count(n_users, 'person is', 'people are')} known to be behind it.",
        facts.contradictions
        and f"Users in {words.quoted(facts.contradictions[0][0])} dislike such answers, users in "
        f"{words.quoted(facts.contradictions[0][1])} like them. One fix may not suit both.",
        n_inferred
        and f"{words.count(n_inferred, 'more answer')} on the same subject {'was' if n_inferred == 1 else 'were'} "
        "rejected without a reason. It may be the same failure; they are not counted.",
        facts.n_versions == 1
        and facts.versions
        and "Only one prompt version was in use. Another version may do better.",
        (facts.unassigned_share or 0) >= _MUCH_UNASSIGNED
        and f"{facts.unassigned_share:.0%} of the week's complaints fit no known failure. Some may belong here.",
        "Complaints were put together by what they say. Single ones may be in the wrong place.",
    ]
    told = [said for said in known if isinstance(said, str)][:_MOST_UNKNOWN]
    return Heading("What is not known"), Bullets(tuple((Text(said),) for said in told))


def _fixed(state: PatternState, row: Row, facts: TicketFacts, looks: Mapping[int, float]) -> tuple[Block, ...]:
    week = _this_week(state, row)
    version, meaning = _VERSIONS.get(state.likely_cause, ("-", " (- means: no new prompt version)"))
    record = (
        Text("When a fix is live, run "),
        Text(f"feedback-loop deployed {version} --fixes KEY", "code"),
        Text(f" with this ticket's key{meaning}, fill in its field “Deployed at” if it has one, "),
        Text("or set it to released or done."),
    )
    if isnan(week.rate):
        judged = "There is no verdict without the number of sessions: record all of them, also those that went well."
    else:
        seen = visibility.outlook(facts.trend or (week,), looks, max(facts.dispersion, week.weight))
        judged = (
            f"{min(looks)} days later the affected sessions are compared with those that were to be expected without "
            f"the fix. {visibility.sentence(seen.drops)}{visibility.advice(seen)} Where the evidence is too thin, the "
            "ticket says so."
        )
    return Heading("How we will know it is fixed"), Paragraph(record), Paragraph((Text(judged),))


def _origin(state: PatternState, row: Row, facts: TicketFacts) -> tuple[Block, ...]:
    first = f"First seen in the week of {words.day(state.first_seen_week)}. Pattern {state.pattern_id}."
    link: tuple[Inline, ...] = (
        (Text(" "), Link("All its numbers and examples", facts.asset_url)) if facts.asset_url else ()
    )
    made = (
        f"Created by feedback-loop from {words.count(int(row['n_occurrences']), 'report')}. Numbers are as of "
        "creation; updates arrive as comments."
    )
    return Paragraph((Text(first), *link)), Paragraph((Text(made, "em"),))


def _sentence(text: str) -> str:
    """With a full stop, where nothing ends it."""
    return text if not text or text.rstrip("”\"'").endswith((".", "!", "?", "…")) else f"{text}."
