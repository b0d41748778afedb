"""Who is before and who is after: the arms of a fix over days and versions.

Belongs here: day 0 of a ramp, the versions of a fix, other fixes of the same pattern, days that belong to neither arm.
Does not belong here: counting and statistics.

Roll-outs, canaries and hold-backs need no case of their own: what the fixed version served is the new arm on whatever
day, what older versions served is the old arm, also after the deployment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feedback_loop.verify.tenant import UNKNOWN, Tenant, code, day_of

Bools = NDArray[np.bool_]

_MAIN_SHARE = 0.5
_JOINT_DAYS = 14  # a fix of the same pattern this much earlier is the baseline; a nearer one is judged together
_MOST_NAMED = 3
_LEAST_HELD_BACK = 0.05  # of the sessions since day 0
_SECONDS = 86_400


@dataclass(frozen=True)
class Claim:
    """A fix of one pattern, all its deployments together.

    Attributes:
        fix_id, pattern_id: whose.
        versions: that carry it; empty: it is verified by time.
        days, moments, shares: of its deployments in time order; `moments` in days with fractions.
        parent: pattern that this one was split from, or None.
        is_judged: whether it gets a verdict; else it only happened.
    """

    fix_id: str
    pattern_id: str
    versions: frozenset[str]
    days: tuple[int, ...]
    moments: tuple[float, ...]
    shares: tuple[float, ...]
    parent: str | None
    is_judged: bool = True

    @property
    def day0(self) -> int:
        """First day with at least half of the traffic; of a canary that never got it, its first day."""
        main = [day for day, share in zip(self.days, self.shares, strict=True) if share >= _MAIN_SHARE]
        return main[0] if main else self.days[0]

    @property
    def first_full_day(self) -> int:
        """First day that is wholly after day 0's deployment."""
        moment = max(m for day, m in zip(self.days, self.moments, strict=True) if day == self.day0)
        return self.day0 if moment == self.day0 else self.day0 + 1

    def due_day(self, look: int) -> int:
        """Day on which a look falls due: of a fix that is verified by time, a day later if its first day is mixed."""
        return (self.day0 if self.versions else self.first_full_day) + look


@dataclass(frozen=True)
class Arms:
    """The arms of a fix; shape (days, versions).

    Attributes:
        old, new: what counts before and after.
        planned: share of a day's traffic that the roll-out gives to the new arm, shape (days,).
        scope: versions of the same prompt, shape (versions,).
        notes: what the reason of the verdict must say of the arms.
    """

    old: Bools
    new: Bools
    planned: NDArray[np.float64]
    scope: Bools
    notes: tuple[str, ...] = field(default=())


def read_claims(fixes: pd.DataFrame) -> list[Claim]:
    """One claim per fix and pattern, in the order they first appear.

    Raises:
        ValueError: a needed column is missing, or a fix has no time of deployment.
    """
    if missing := [c for c in ("fix_id", "pattern_id", "deployed_at") if c not in fixes.columns]:
        raise ValueError(f"frame 'fixes' lacks {missing}; it has {list(fixes.columns)}")
    if fixes["deployed_at"].isna().any():
        raise ValueError("frame 'fixes' has a fix without deployed_at")
    n = len(fixes)
    share = fixes["rollout_share"].to_numpy(dtype=float, na_value=np.nan) if "rollout_share" in fixes else np.ones(n)
    words = ("fix_id", "pattern_id", "prompt_version", "parent_pattern_id")
    text = {name: np.array([*code(fixes, name)[1], ""], dtype=object)[code(fixes, name)[0]] for name in words}
    frame = pd.DataFrame(
        {
            **text,
            "day": day_of(fixes["deployed_at"]),
            "moment": _moment(fixes["deployed_at"]),
            "share": np.where(np.isnan(share), 1.0, share),
            "is_judged": fixes["is_judged"].to_numpy(dtype=bool) if "is_judged" in fixes else True,
        }
    )
    groups = frame.sort_values("moment", kind="stable").groupby(["fix_id", "pattern_id"])
    order = frame[["fix_id", "pattern_id"]].drop_duplicates().itertuples(index=False, name=None)
    return [_claim(fix, pattern, groups.get_group((fix, pattern))) for fix, pattern in order]


def _claim(fix: str, pattern: str, rows: pd.DataFrame) -> Claim:
    return Claim(
        fix_id=fix,
        pattern_id=pattern,
        versions=frozenset(rows["prompt_version"]) - {UNKNOWN},
        days=tuple(rows["day"].astype(int)),
        moments=tuple(rows["moment"].astype(float)),
        shares=tuple(rows["share"].astype(float)),
        parent=next((p for p in rows["parent_pattern_id"] if p != UNKNOWN), None),
        is_judged=bool(rows["is_judged"].all()),
    )


def _moment(at: pd.Series) -> NDArray[np.float64]:
    plain = at if pd.api.types.is_datetime64_any_dtype(at.dtype) else at.astype(object)
    seconds = pd.to_datetime(plain, utc=True, format="ISO8601").dt.as_unit("s").astype("int64").to_numpy()
    return seconds / _SECONDS


def arms_of(claim: Claim, claims: Sequence[Claim], tenant: Tenant) -> Arms:
    """The arms of a claim, given the other fixes of its pattern."""
    together, baseline, notes = _others(claim, claims, tenant.end)
    versions = frozenset().union(*(c.versions for c in together))
    is_blind = set(tenant.versions) == {UNKNOWN}
    arms = _by_version(claim, together, versions, tenant) if claim.versions and not is_blind else None
    if claim.versions and is_blind:
        notes += ("the traffic names no versions, so the fix is verified by the time of its deployment",)
    elif claim.versions and arms is None:
        notes += ("the version was served all along, so it is verified by the time of its deployment",)
    elif not claim.versions:
        notes += ("no prompt version is named, so everything served since the deployment counts as after",)
    arms = arms or _by_time(together, tenant)
    old = arms.old.copy()
    old[: max(baseline - tenant.start, 0)] = False
    left, note = _left_over(claim, old, arms, tenant)
    old[left] = False
    return Arms(old, arms.new, arms.planned, arms.scope, arms.notes + notes + note)


def _left_over(claim: Claim, old: Bools, arms: Arms, tenant: Tenant) -> tuple[Bools, tuple[str, ...]]:
    """Days since day 0 on which old versions served next to nothing, and what to say of them.

    Somebody who never updated, or a bot, is no hold-back: whoever is left over is not like everybody.
    """
    since = np.arange(tenant.start, tenant.end) >= claim.day0
    kept, total = (float((tenant.served * which)[since].sum()) for which in (old, arms.scope[None]))
    if kept == 0 or kept >= _LEAST_HELD_BACK * total:
        return np.zeros_like(since), ()
    return since, (f"what old versions still served, {kept / total:.1%} of the sessions, is left out",)


def _others(claim: Claim, claims: Sequence[Claim], end: int) -> tuple[list[Claim], int, tuple[str, ...]]:
    """Fixes judged together with this one, the day its baseline starts, and what to say of both."""
    same = [c for c in claims if c.pattern_id == claim.pattern_id and c != claim and not _same_change(c, claim)]
    past = [c.day0 for c in same if c.day0 <= claim.day0 - _JOINT_DAYS]
    joint = [c for c in same if claim.day0 - _JOINT_DAYS < c.day0 < end]
    notes = []
    if joint:
        names = ", ".join(sorted(c.fix_id for c in joint))
        notes.append(f"joint verdict: {names} changed the same pattern in this time and cannot be told apart from it")
    if past:
        notes.append("the time before begins with the fix of the same pattern that came before")
    return [claim, *joint], max(past, default=-(10**9)), tuple(notes)


def _same_change(one: Claim, other: Claim) -> bool:
    return bool(one.versions) and one.versions == other.versions


def _by_version(claim: Claim, together: Sequence[Claim], versions: frozenset[str], tenant: Tenant) -> Arms | None:
    """By what was served; None where nothing but the fixed versions was ever served before the deployment."""
    served = tenant.served > 0
    days = np.arange(tenant.start, tenant.end)
    carries = np.array([v in versions for v in tenant.versions], dtype=bool)
    scope, notes = _scope(claim, tenant, carries)
    first = np.where(served.any(0), served.argmax(0), tenant.n_days) + tenant.start
    start = min(c.days[0] for c in together)
    is_old = scope & ~carries & (first < claim.day0)
    old = np.broadcast_to(is_old, served.shape).copy()
    unknown = np.array([v == UNKNOWN for v in tenant.versions], dtype=bool)
    old[np.ix_(days >= start, unknown)] = False
    if (
        carries.any()
        and not (old & served)[days < claim.day0].any()
        and (served[:, carries].any(1) & (days < start)).any()
    ):
        return None
    late = scope & ~carries & ~is_old & served.any(0)
    if late.any():
        names = [v or "unknown" for v, is_late in zip(tenant.versions, late, strict=True) if is_late]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        notes += (f"first served after the fix and counted on neither side: {', '.join(names[:_MOST_NAMED])}{more}",)
    new = np.broadcast_to(carries, served.shape).copy()
    new[np.ix_(days < start, unknown)] = False
    for other in together:
        if not other.versions:  # a fix by time, judged together: nothing that was served since is old
            old[days >= other.days[0]] = False
            new[days >= other.first_full_day] |= scope
    return Arms(old, new, _planned(together, tenant), scope | carries, notes)


def _scope(claim: Claim, tenant: Tenant, carries: Bools) -> tuple[Bools, tuple[str, ...]]:
    """Versions of the same prompt: `name@version` compares with `name@` only."""
    names = {v.rpartition("@")[0] for v in claim.versions}
    scope = np.array([v == UNKNOWN or v.rpartition("@")[0] in names for v in tenant.versions], dtype=bool)
    if (scope & ~carries).any():
        return scope, ()
    return np.ones(len(tenant.versions), dtype=bool), (
        "no other version of this prompt was served, so it is compared with all that the application served",
    )


def _by_time(together: Sequence[Claim], tenant: Tenant) -> Arms:
    days = np.arange(tenant.start, tenant.end)
    everything: Bools = np.ones((tenant.n_days, len(tenant.versions)), dtype=bool)
    before = days < min(c.days[0] for c in together)
    after = days >= together[0].first_full_day
    planned = after.astype(float)
    return Arms(
        everything & before[:, None], everything & after[:, None], planned, np.ones(len(tenant.versions), dtype=bool)
    )


def _planned(together: Sequence[Claim], tenant: Tenant) -> NDArray[np.float64]:
    """Share of each day's traffic that the deployments give to the new arm; day 0 from the moment on."""
    own = together[0]
    days = np.arange(tenant.start, tenant.end, dtype=float)
    share = np.zeros(len(days))
    for moment, value in zip(own.moments, own.shares, strict=True):
        part = np.clip(days + 1 - moment, 0.0, 1.0)
        share = share * (1 - part) + value * part
    share[days < own.day0] = 0.0
    return share
