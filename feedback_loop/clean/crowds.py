"""Many raters together: copies of one text from accounts that do nothing else, and sudden crowds of new accounts.

Belongs here: rules that no rater breaks alone. Does not belong here: single raters (`raters.py`).

A crowd is no proof: in an outage thousands complain in the same minute. So nobody is left out for the time of a
complaint. A campaign is known by its text and by who sends it; a burst by new accounts that complain where established
ones do not.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from feedback_loop.clean.frames import Past
from feedback_loop.clean.policy import CleanPolicy
from feedback_loop.clean.raters import found, usual_new_odds

_SLIGHT_SHARE = 0.8  # of a campaign's raters that have done little else
_BY_CHANCE = 1e-4  # that so many of its raters are such, by the share of them among everybody else who says something
_SCALES = {"h": "hour", "D": "day"}  # UTC


def campaigns(feedback: pd.DataFrame, _past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """Copies of one text from many raters, nearly all of them new or hardly seen.

    The chance of so many slight accounts is a binomial tail at their share among all raters of the week that did not
    send the text; so where most accounts are slight, or everybody sends the same ready-made answer, nobody is left out.
    """
    said = feedback[(feedback["copy_of"] >= 0) & (feedback["n_words"] >= policy.min_campaign_words)]
    if said["copy_of"].value_counts().head(1).sum() < policy.min_campaign:
        return found(said[:0], 0.0, [])
    # A letter may be near what others say of themselves; its equal copies still are a group of their own.
    sizes = pd.concat([_campaign_sizes(feedback, said, column, policy) for column in ("copy_of", "form")])
    sizes = sizes[~sizes.index.duplicated()]
    with_them = _of_the_same(feedback, said.loc[sizes.index].assign(size=sizes))
    told = [f"copies of one text from {n:.0f} accounts, nearly all new" for n in with_them["size"]]
    return found(with_them, 0.0, told)


def _campaign_sizes(feedback: pd.DataFrame, said: pd.DataFrame, column: str, policy: CleanPolicy) -> pd.Series:
    """How many raters sent the text, for the records of campaigns; texts are the same that are equal in a column."""
    sent = said.drop_duplicates([column, "rater"]).groupby(column)["is_slight"].agg(["size", "sum"])
    everybody = feedback.drop_duplicates("rater")
    n_all, n_slight = len(everybody), int(everybody["is_slight"].sum())
    others = (n_slight - sent["sum"] + 1) / (n_all - sent["size"] + 2)
    chance = stats.binom.sf(sent["sum"] - 1, sent["size"], others)
    is_campaign = (sent["size"] >= policy.min_campaign) & (sent["sum"] >= _SLIGHT_SHARE * sent["size"])
    return said[column].map(sent["size"][is_campaign & (chance < _BY_CHANCE)]).dropna()


def bursts(feedback: pd.DataFrame, past: Past, policy: CleanPolicy) -> pd.DataFrame:
    """Complaints of new accounts in an hour or day that has far more of them than it should.

    Expected are as many as the weeks before had in such a span on average, or as many as usually come with the
    complaints that established accounts make in the same span, whichever is more: an outage that everybody feels is no
    burst. The chance is a negative binomial tail with the dispersion of the weeks before (moments; at least Poisson).
    """
    odds = usual_new_odds(past)
    if odds is None:
        return found(feedback[:0], 0.0, [])
    flagged = pd.Series("", index=feedback.index, dtype=object)
    for scale, word in _SCALES.items():
        span = feedback["occurred_at"].dt.floor(scale)
        for at, n, expected in _sudden(feedback, span, past, odds, scale, policy):
            said = f"{n:.0f} complaints of new accounts in one {word}, {expected:.1f} expected"
            flagged[(span == at) & (flagged == "")] = said
    said_by_them = feedback[(flagged != "") & feedback["is_new"] & feedback["is_judged"]]
    return found(said_by_them, 0.0, flagged[said_by_them.index].tolist())


def _sudden(
    feedback: pd.DataFrame, span: pd.Series, past: Past, odds: float, scale: str, policy: CleanPolicy
) -> Iterator[tuple[pd.Timestamp, float, float]]:
    """Spans with a burst: when, complaints of new accounts, and how many were to be expected."""
    known = feedback["is_complaint"] & feedback["user_hash"].notna()
    new = feedback[known & feedback["is_new"]].groupby(span)["rater"].agg(["size", "nunique"])
    established = feedback[known & ~feedback["is_new"]].groupby(span).size().reindex(new.index).fillna(0)
    mean, dispersion = _usual(past, scale)
    expected = np.maximum(mean, odds * established.to_numpy(dtype=np.float64))
    n = new["size"].to_numpy(dtype=np.float64)
    is_burst = (new["nunique"].to_numpy() >= policy.min_burst) & (_tail(n, expected, dispersion) < policy.burst_p)
    for place in np.flatnonzero(is_burst).tolist():
        yield new.index[place], float(n[place]), float(expected[place])


def _of_the_same(feedback: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """Whatever the senders of copies did on the same answers, outcomes apart, with the `size` of their campaign."""
    keys = ["rater", "interaction_id"]
    first = copies.drop_duplicates(keys)[[*keys, "size"]]
    judged = feedback[feedback["is_judged"]]
    return judged.reset_index().merge(first, on=keys, validate="many_to_one").set_index("index")


def _usual(past: Past, scale: str) -> tuple[float, float]:
    """Complaints of new accounts per span, and their variance over the mean."""
    per_span = past.hours.groupby(past.hours["hour"].dt.floor(scale))["n_new"].sum().to_numpy(dtype=np.float64)
    n_spans = max(past.n_days * (24 if scale == "h" else 1), float(len(per_span)))
    mean = per_span.sum() / n_spans
    square = (per_span**2).sum() / n_spans
    return float(mean), float(max(1.0, (square - mean**2) / mean)) if mean > 0 else 1.0


def _tail(counts: NDArray[np.float64], expected: NDArray[np.float64], dispersion: float) -> NDArray[np.float64]:
    """Chance of so many or more."""
    expected = np.maximum(expected, 1e-9)
    if dispersion <= 1.0 + 1e-9:
        return np.asarray(stats.poisson.sf(counts - 1, expected), dtype=np.float64)
    return np.asarray(stats.nbinom.sf(counts - 1, expected / (dispersion - 1), 1 / dispersion), dtype=np.float64)
