"""A week's feedback cleaned: which records are left out or weigh less, each with its reason, and what is verified.

Belongs here: the order of the rules, what they share, and the counts side by side. Does not belong here: the rules
(`texts.py`, `raters.py`, `crowds.py`) and SQL (`store/exclusions.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from feedback_loop.clean.crowds import bursts, campaigns
from feedback_loop.clean.frames import EXCLUSIONS, FEEDBACK, HISTORY, OUTCOMES, PRAISE, Past
from feedback_loop.clean.policy import CleanPolicy
from feedback_loop.clean.raters import (
    above_cap,
    constant_raters,
    exact_duplicates,
    found,
    near_duplicates,
    new_accounts,
    usual_new_odds,
)
from feedback_loop.clean.texts import copies_of, normal_form, says_nothing
from feedback_loop.records import ExclusionReason

_ESTABLISHED_DAYS, _ESTABLISHED_INTERACTIONS = 28, 5
_HASH_PREFIX = "hmac:"
_NOTHING = EXCLUSIONS.check(pd.DataFrame({name: [] for name in EXCLUSIONS.columns}))


@dataclass(frozen=True)
class CleanedWeek:
    """What cleaning says of one application's week.

    Attributes:
        exclusions: frame `EXCLUSIONS`, by feedback_id and reason.
        n_feedback, n_complaints: records looked at, and those by which people say that an answer is bad.
        n_verified, n_verified_complaints: of them, those of the verified stream: outcomes that the application saw, and
            what users said who are known for long and of whom nothing is left out.
        new_odds: complaints of new accounts per complaint of established ones, as is usual; None: not known.
    """

    exclusions: pd.DataFrame
    n_feedback: int
    n_complaints: int
    n_verified: int
    n_verified_complaints: int
    new_odds: float | None

    def count(self, effect: str) -> int:
        """Records with an effect."""
        rows = self.exclusions
        return int(rows.loc[rows["effect"] == effect, "feedback_id"].nunique())


def clean_week(feedback: pd.DataFrame, past: Past, policy: CleanPolicy) -> CleanedWeek:
    """Which of a week's feedback is left out, and whose weighs less.

    Args:
        feedback: frame `FEEDBACK` of one application; any order.
        past: what is usual there.
        policy: the rules.

    Returns:
        The answer depends on what is in the frame only, not on its order. A record that is excluded for one reason is
        not looked at for the next, but for `low_effort`; the others may have several.
    """
    HISTORY.check(past.hours)
    rows = prepare(FEEDBACK.check(feedback), past, policy)
    parts, left = [_NOTHING], rows[~rows["is_trusted"]]
    for reason, rule in _RULES.items():
        if reason not in policy.disabled:
            flagged = rule(left, past, policy)
            if flagged.empty:
                continue
            parts.append(_rows(left, flagged, reason, policy))
            if policy.effect(reason) == "excluded":
                left = left.drop(flagged.index)
    filled = [part for part in parts if len(part)] or parts[:1]
    exclusions = EXCLUSIONS.check(pd.concat(filled)).sort_values(["feedback_id", "reason"], ignore_index=True)
    verified = _verified(rows, exclusions)
    return CleanedWeek(
        exclusions,
        n_feedback=len(rows),
        n_complaints=int(rows["is_complaint"].sum()),
        n_verified=int(verified.sum()),
        n_verified_complaints=int((verified & (rows["is_complaint"] | rows["is_bad_outcome"])).sum()),
        new_odds=usual_new_odds(past),
    )


def prepare(feedback: pd.DataFrame, past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """The week in order of time, with what several rules ask for.

    Adds rater (user, else session), form (of the comment), n_words, copy_of (number of the first text that it is a copy
    of, -1 without words), is_judged (neither praise nor an outcome), is_slight, is_new, is_trusted, is_bad_outcome.
    """
    rows = feedback.sort_values(["occurred_at", "feedback_id"], ignore_index=True)
    known = rows["user_hash"].notna()
    rows["rater"] = rows["user_hash"].where(known, "session " + rows["session_key"])
    rows["form"] = [normal_form(comment) if comment else "" for comment in rows["comment"]]
    rows["n_words"] = [len(form.split()) for form in rows["form"]]
    rows["is_empty"] = [bool(c) and says_nothing(f) for c, f in zip(rows["comment"], rows["form"], strict=True)]
    rows["copy_of"] = _copy_numbers(rows["form"].where(~rows["is_empty"], ""), policy.alike)
    rows["is_judged"] = ~rows["signal"].isin([*OUTCOMES, *PRAISE])
    rows["is_bad_outcome"] = rows["signal"].isin(["task_failed", "reopened", "escalated"])
    age = rows["occurred_at"] - rows["first_at"]
    young = age.isna() | (age < timedelta(days=policy.new_days))
    rows["is_slight"] = ~known | (young & (rows["n_interactions"] <= policy.new_interactions))
    # In the first days of what is recorded everybody looks new.
    rows["is_new"] = known & rows["is_slight"] & (past.told_from is not None)
    if past.told_from is not None:
        rows["is_new"] &= rows["occurred_at"] >= past.told_from
    trusted = {user.strip().removeprefix(_HASH_PREFIX) for user in policy.trusted_users}
    rows["is_trusted"] = rows["user_hash"].isin(trusted)
    return rows


def _copy_numbers(forms: pd.Series, alike: float) -> np.ndarray:
    codes, texts = pd.factorize(forms.where(forms != "", None))
    leaders = copies_of([str(text) for text in texts], alike)
    return np.where(codes >= 0, leaders[codes] if len(leaders) else -1, -1)


def _low_effort(rows: pd.DataFrame, _past: Past, _policy: CleanPolicy) -> pd.DataFrame:
    said = rows[rows["is_empty"]]
    return found(said, 1.0, "the comment says nothing of what went wrong")


_RULES: Mapping[ExclusionReason, Callable[[pd.DataFrame, Past, CleanPolicy], pd.DataFrame]] = {
    "exact_duplicate": exact_duplicates,
    "campaign": campaigns,  # before what a rater repeats: all of a campaign is one
    "near_duplicate": near_duplicates,
    "user_cap": above_cap,
    "low_effort": _low_effort,
    "constant_rater": constant_raters,
    "new_account": new_accounts,
    "burst": bursts,
}


def _rows(rows: pd.DataFrame, flagged: pd.DataFrame, reason: ExclusionReason, policy: CleanPolicy) -> pd.DataFrame:
    effect = policy.effect(reason)
    weight = 0.0 if effect == "excluded" else flagged["weight"]
    own = rows.loc[flagged.index, ["feedback_id", "interaction_id", "user_hash", "occurred_at", "signal"]]
    return own.assign(reason=reason, effect=effect, weight=weight, detail=flagged["detail"])


def _verified(rows: pd.DataFrame, exclusions: pd.DataFrame) -> pd.Series:
    """Outcomes, and what users said who are known for four weeks and five answers and of whom nothing is left out."""
    is_old = (rows["occurred_at"] - rows["first_at"]) >= timedelta(days=_ESTABLISHED_DAYS)
    suspect = set(exclusions.loc[exclusions["effect"] != "wordless", "user_hash"].dropna())
    is_steady = is_old & (rows["n_interactions"] >= _ESTABLISHED_INTERACTIONS) & ~rows["user_hash"].isin(suspect)
    return rows["signal"].isin(OUTCOMES) | (rows["user_hash"].notna() & is_steady)
