"""Audits of frozen detectors: a blind sample of events, and what people or the analyst said of each.

Belongs here: SQL of `detector_audits`. Does not belong here: which events are drawn and when an audit blocks a verdict
(`verify/audit.py`), and the audits of stored weeks (`audits.py`).

Blind: what who labels gets to see (`list_audits`) names no fix, date, version or side, and comes in the order of a
hash. A row of weight 0 was drawn once and is no longer of the sample; its label stays, without effect.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.errors import NotFoundError
from feedback_loop.records import Fix
from feedback_loop.store.frames import read_frame
from feedback_loop.store.negatives import read_texts
from feedback_loop.store.tables import detector_audits

_audits = detector_audits.c


def save_sample(conn: Connection, fix: Fix, drawn_at: datetime, sample: pd.DataFrame) -> int:
    """Replace the sample of a fix, as `verify.draw_sample` gives it; labels stay. Returns how many events are new."""
    of_fix = (_audits.application == fix.application) & (_audits.fix_id == fix.fix_id)
    known = set(conn.execute(sa.select(_audits.interaction_id).where(of_fix)).scalars())
    conn.execute(detector_audits.update().where(of_fix).values(weight=0.0, drawn_at=drawn_at))
    taken = set(conn.execute(sa.select(_audits.audit_number)).scalars())
    own = {name: getattr(fix, name) for name in ("application", "fix_id", "pattern_id", "detector_version")}
    rows: list[dict[str, Any]] = []
    for row in sample.to_dict("records"):
        number = int(row.pop("number"))
        while number in taken:
            number += 1
        taken.add(number)
        rows.append(own | {str(name): value for name, value in row.items()})
        rows[-1] |= {"audit_number": number, "drawn_at": drawn_at}
    statement = insert(detector_audits)
    keys, again = ("application", "fix_id", "interaction_id"), ("weight", "is_found", "side")
    kept = statement.on_conflict_do_update(index_elements=keys, set_={name: statement.excluded[name] for name in again})
    if rows:
        conn.execute(kept, rows)
    return len(set(sample["interaction_id"]) - known)


def drawn_at(conn: Connection, application: str) -> dict[str, datetime]:
    """fix_id -> the look that its sample was last drawn for."""
    query = sa.select(_audits.fix_id, sa.func.max(_audits.drawn_at)).where(_audits.application == application)
    return {str(row[0]): row[1] for row in conn.execute(query.group_by(_audits.fix_id))}


def list_audits(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """What waits for a label, in the order in which it is to be labelled: the pattern, and what the event says."""
    query = """
        select a.application, a.audit_number, a.pattern_id, coalesce(p.name, a.pattern_id) as pattern,
               coalesce(p.description, '') as description, a.interaction_id, a.drawn_at
        from feedback_loop.detector_audits a
        left join feedback_loop.patterns p using (application, pattern_id)
        where a.labelled_at is null and a.weight > 0
          and (cast(:application as text) is null or a.application = :application)
        order by a.audit_number
    """
    rows = [dict(row) for row in conn.execute(sa.text(query), {"application": application}).mappings()]
    return list(_with_texts(conn, rows))


def _with_texts(conn: Connection, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with the texts of their events in place of what would tell when they were; without those that are gone."""
    if not rows:
        return
    ids = sorted({row["interaction_id"] for row in rows})
    texts = read_texts(conn, ids, max(row["drawn_at"] for row in rows)).set_index("interaction_id")
    for row in rows:
        if row["interaction_id"] in texts.index:
            said = texts.loc[row["interaction_id"]]
            blind = {name: value for name, value in row.items() if name not in ("interaction_id", "drawn_at")}
            comment = "\n".join([*said["comments"], *said["reasons"]])
            yield {**blind, "comment": comment, "user_input": said["user_input"], "output": said["output"]}


def label_audit(conn: Connection, number: int, *, is_member: bool | None, by: str, at: datetime) -> None:
    """Say whether an event is of its pattern; None: that cannot be told. A later label replaces an earlier one.

    Raises:
        NotFoundError: there is no such number.
    """
    values = {"is_member": is_member, "labelled_by": by, "labelled_at": at}
    changed = conn.execute(detector_audits.update().where(_audits.audit_number == number).values(values))
    if changed.rowcount == 0:
        raise NotFoundError(f"no event {number} was drawn; `feedback-loop audit` lists those that wait for a label")


def count_labels(conn: Connection) -> dict[str, int]:
    """Of the samples as they are: how many events are drawn, labelled, of them unsure, and open.

    What has no label and whose text is past retention is not open: nobody can tell any more.
    """
    query = """
        select count(*), count(a.labelled_at), count(a.labelled_at) filter (where a.is_member is null),
               count(i.interaction_id) filter (where a.labelled_at is null)
        from feedback_loop.detector_audits a left join feedback_loop.interactions i using (interaction_id)
        where a.weight > 0
    """
    numbers = (int(n) for n in conn.execute(sa.text(query)).one())
    return dict(zip(("drawn", "labelled", "unsure", "open"), numbers, strict=True))


def audit_counts(conn: Connection, application: str, at: datetime) -> pd.DataFrame:
    """Per fix, side and stratum what was labelled by a time; frame `verify.AUDITS` with the columns of strata.

    A stratum is told by its weight; two of the same weight on the same side may be taken as one. Unsure is left out and
    counted.
    """
    query = """
        with sampled as (
            select fix_id, side, is_found, weight, is_member, coalesce(labelled_at <= :at, false) as is_labelled
            from feedback_loop.detector_audits
            where application = :application and weight > 0 and drawn_at <= :at
        )
        select fix_id, side,
               count(*) filter (where is_labelled and is_member) as n_true,
               count(*) filter (where is_labelled and is_member and is_found) as n_found,
               count(*) filter (where is_labelled and is_member is not null and is_found) as n_detected,
               count(*) filter (where is_labelled and is_member is not null) as n_labelled,
               count(*) filter (where is_labelled and is_member is null) as n_unsure,
               sum(weight) as n_events,
               coalesce(sum(weight) filter (where is_found), 0) as n_found_events
        from sampled group by fix_id, side, is_found, weight order by fix_id, side, is_found, weight
    """
    frame = read_frame(conn, query, {"application": application, "at": at})
    numbers = [name for name in frame.columns if name.startswith("n_")]
    return frame.assign(**{name: pd.to_numeric(frame[name]).astype("float64") for name in numbers})
