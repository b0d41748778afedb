"""Blind audits of frozen detectors: which samples are due, and what is read for them.

Belongs here: when a sample is drawn, from which events, and how the analyst labels it. Does not belong here: the
sample itself and what labels say of a detector (`verify/audit.py`), labels of people (`audit_cli.py`), SQL
(`store/auditing.py`).

Both sides are drawn at once, at a look: drawn on the day of the fix, events before it would be all there is to label,
and who labels would know the side. Nothing is lost, for a verdict is given before the events after it can be labelled;
what labels say later stops the next look at the fix, or keeps its ticket from being closed.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from feedback_loop.defs.analysis import Spent
from feedback_loop.defs.counting import UncountableError
from feedback_loop.defs.resources import Database, OpenAnalyst
from feedback_loop.defs.verdicts import Court
from feedback_loop.llm import AuditCase
from feedback_loop.llm.prompts import PROMPT_VERSIONS
from feedback_loop.records import Fix
from feedback_loop.store import auditing, decisions
from feedback_loop.store import fixes as fix_store
from feedback_loop.verify import METHOD_VERSION, draw_sample, due_at, with_sides

_AUDITED = ("effective", "pending", "inconclusive")  # what labels can still change
_LABELS = {"yes": True, "no": False, "unsure": None}


def draw_audits(court: Court, as_of: datetime) -> int:
    """Draw what is to be labelled for the newest look at each fix by a time; returns how many events are new.

    A sample grows with the looks: the same events come first again, and labels stay. What cannot be counted has no
    sample; its look says why.
    """
    n_new, due = 0, list(_due(court, as_of))
    for fix, at in due:
        window = court.window_at([other for other, when in due if when == at], at)  # one, as of the looks of that day
        try:
            seen = court.counter.look_closely(str(fix.detector_version), window, fix.pattern_id)
        except UncountableError:  # of this fix alone
            continue
        sample = draw_sample(with_sides(seen, fix), fix.fix_id)
        n_new += auditing.save_sample(court.conn, fix, at, sample)
    return n_new


def _due(court: Court, as_of: datetime) -> Iterator[tuple[Fix, datetime]]:
    """Fixes whose newest look came after their sample, with the time of that look."""
    looks = fix_store.looks_done(court.conn, METHOD_VERSION, court.application)
    drawn = auditing.drawn_at(court.conn, court.application)
    for fix in court.fixes:
        days = {day: verdict for day, verdict in looks.get(fix.fix_id, {}).items() if due_at(fix, day) <= as_of}
        if not days or fix.detector_version is None or fix.fix_id not in court.judged:
            continue
        at, last = due_at(fix, max(days)), drawn.get(fix.fix_id)
        if days[max(days)] in _AUDITED and (last is None or last < at):
            yield fix, at


def label_by_analyst(database: Database, analyst: OpenAnalyst, at: datetime) -> Spent:
    """Have the analyst label what waits, as blind as people do; what it does not answer goes on waiting.

    No transaction is open while it is asked. Labels are known at the end of the day that runs.
    """
    with database.begin() as conn:
        rows = decisions.with_names(conn, auditing.list_audits(conn), "pattern")
    spent = Spent()
    for application in sorted({row["application"] for row in rows}):
        cases = [
            AuditCase(
                case_id=str(row["audit_number"]),
                pattern=row["pattern"],
                description=row["description"],
                comment=row["comment"],
                question=row["user_input"],
                answer=row["output"],
            )
            for row in rows
            if row["application"] == application
        ]
        with analyst(application) as (reader, asked):
            found, by = reader.audit(cases), f"{reader.version} {PROMPT_VERSIONS['audit']}"
        spent.add(asked, Counter(problem.reason for problem in found.problems.values()))
        with database.begin() as conn:
            for number, label in found.found.items():
                auditing.label_audit(conn, int(number), is_member=_LABELS[label], by=by, at=at)
    return spent
