"""Route: which patterns get a ticket, where it goes, and what happens to it after a verdict. Plans only.

    policy      when a pattern earns a ticket, and where each route goes
    plan        the tickets of a week
    facts       what a ticket is written from
    ticket      what a ticket says (with `words` and `visibility`: what numbers make in plain words)
    updates     what is said and done on it later: a fix, merges
    verdicts    what a verdict or regression says and does on it
    returns     what a reopened ticket is told by the next weekly run
    closing     an effective fix's ticket closed later, or kept open by an audit
    numbers     what is said on it when its numbers change
    following   what people mean by how they end it

Belongs here: the decision, and the words of a ticket. Does not belong here: the ledger (`store/tickets.py`) and the
tracker that carries a plan out (`clients/`).

In the loop: prioritise -> **route** -> (people ship a fix) -> verify -> **route** again.
"""

from feedback_loop.route.closing import Vouched, plan_closing_events
from feedback_loop.route.facts import (
    SegmentFact,
    TicketFacts,
    TrendWeek,
    contradictions_of,
    lines_of,
    segments_of,
    trend_of,
)
from feedback_loop.route.following import UNJUDGED, Answers, plan_answers
from feedback_loop.route.numbers import WeekNumbers, plan_progress_comments
from feedback_loop.route.plan import HeldPattern, TicketDraft, TicketPlan, plan_tickets
from feedback_loop.route.policy import ROUTES, RoutePolicy, RouteTarget
from feedback_loop.route.returns import plan_returns
from feedback_loop.route.updates import SILENT, UpdatePolicy, plan_deployed_comments, plan_duplicates
from feedback_loop.route.verdicts import (
    Regression,
    Reopening,
    plan_regression_events,
    plan_verdict_events,
    regression_sentence,
    verdict_document,
    verdict_sentence,
)

__all__ = [
    "ROUTES",
    "SILENT",
    "UNJUDGED",
    "Answers",
    "HeldPattern",
    "Regression",
    "Reopening",
    "RoutePolicy",
    "RouteTarget",
    "SegmentFact",
    "TicketDraft",
    "TicketFacts",
    "TicketPlan",
    "TrendWeek",
    "UpdatePolicy",
    "Vouched",
    "WeekNumbers",
    "contradictions_of",
    "lines_of",
    "plan_answers",
    "plan_closing_events",
    "plan_deployed_comments",
    "plan_duplicates",
    "plan_progress_comments",
    "plan_regression_events",
    "plan_returns",
    "plan_tickets",
    "plan_verdict_events",
    "regression_sentence",
    "segments_of",
    "trend_of",
    "verdict_document",
    "verdict_sentence",
]
