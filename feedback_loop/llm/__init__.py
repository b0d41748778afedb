"""The seams to language models: what the loop asks of an embedder and of an analyst, whichever one answers. Pure.

    embedder    text -> vectors
    policy      which models are asked, and for how much money
    prices      what a call can cost at most; the table is `feedback_loop/prices.py`
    budget      money of a run: reserved before a call, settled after it, never passed
    manners     how each model wants to be asked
    requests    one request, one reply, one answer, as nouns
    prompts     items -> requests: rules, schemas, rendering of texts that strangers wrote
    replies     reply -> answers, item by item; whatever is wrong has one reason
    analyst     describe, judge, card, audit: chunks, smaller chunks where a reply was no use, one answer per item

Belongs here: what can be tried without a network. Does not belong here: SDKs (`clients/`), the ledger
(`store/models.py`) and when something is asked (`defs/asking.py`).
"""

from feedback_loop.llm.analyst import (
    Analyst,
    Card,
    ClaudeAnalyst,
    Description,
    Findings,
    Judgement,
    Label,
    OfflineAnalyst,
)
from feedback_loop.llm.embedder import Embedder, Vectors
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.llm.prompts import AuditCase, Candidate, FailureReport, KnownPattern, Quote, QuotedPattern
from feedback_loop.llm.requests import Problem

__all__ = [
    "Analyst",
    "AnalystPolicy",
    "AuditCase",
    "Candidate",
    "Card",
    "ClaudeAnalyst",
    "Description",
    "Embedder",
    "FailureReport",
    "Findings",
    "Judgement",
    "KnownPattern",
    "Label",
    "OfflineAnalyst",
    "Problem",
    "Quote",
    "QuotedPattern",
    "Vectors",
]
