"""Cards: what a new pattern is called and what is said of it, without a model.

Belongs here: distinctive terms, the medoid's quote, and the likely cause by rules on what was recorded. Does not
belong here: any guess; a cause that no rule supports is "unknown" and goes to triage.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from feedback_loop.records import Cause
from feedback_loop.redaction import visible

_REASON_CAUSES: dict[str, Cause] = {
    "did_not_follow_instructions": "prompt",
    "too_long": "prompt",
    "too_short": "prompt",
    "wrong_tone": "prompt",
    "wrong_language": "prompt",
    "wrong_format": "prompt",
    "outdated": "retrieval",
    "missing_source": "retrieval",
    "wrong_source": "retrieval",
    "off_topic": "retrieval",
    "broken_link": "product",
    "action_failed": "product",
    "slow": "product",
    "bug": "product",
    "made_up": "model",
    "refused": "model",
    "wrong_calculation": "model",
}
_REFUSAL = re.compile(
    r"\b(i(?:'m| am) (?:sorry|unable)|i can(?:no|')t (?:help|assist|do|share|discuss))", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?:\S+\s+){2,}?\S+?[.!?](?=\s)")  # of three words at least
_TERM = r"(?u)\b[^\W\d_]{3,}\b"
_MAJORITY = 0.5
_MIN_EVIDENCE = 3
_FEW = 0.2  # of the members of a pattern
_SHORT = 12  # characters that say nothing: "first", "hm", "lol"
_MAX_REASON, _MAX_QUOTE = 60, 300  # characters of a card; what users send has no limit

SUGGESTED_FIXES: dict[Cause, str] = {
    "prompt": "Change the instructions: say what a good answer does here, and keep one of the quotes as a test case.",
    "retrieval": "Look at what was retrieved for the quoted questions: missing, outdated or off-topic documents.",
    "product": "Look at the product around the answer: the action, link or tool that failed in the quoted cases.",
    "model": "A limit of the model: consider another model, a tool for this task, or telling users what it cannot do.",
    "unknown": "Read the quotes and decide which team owns this; nothing recorded points to a cause.",
}


def distinctive_terms(groups: Sequence[Sequence[str]], n_terms: int = 3) -> list[list[str]]:
    """The terms that set each group of texts apart from the others, best first.

    Class-based tf-idf (Grootendorst 2022, eq. 2): tf of the term in the group x log(1 + mean group length / tf in all).

    Returns:
        One list per group, shorter than `n_terms` where the group has fewer words.
    """
    if not groups:
        return []
    vectorizer = CountVectorizer(stop_words="english", token_pattern=_TERM, min_df=1)
    try:
        counts = vectorizer.fit_transform([" ".join(texts) for texts in groups]).toarray().astype(np.float64)
    except ValueError:  # scikit-learn's word for "not one word in all of it"
        return [[] for _ in groups]
    total = counts.sum(axis=0)
    score = counts * np.log1p(counts.sum() / len(groups) / total)
    words = np.array(vectorizer.get_feature_names_out())
    order = np.argsort(-score, axis=1, kind="stable")[:, :n_terms]
    return [[str(words[j]) for j in row if counts[i, j] > 0] for i, row in enumerate(order)]


def pattern_name(reason: str | None, quote: str, max_quote: int = 80) -> str:
    """A display name, never a key: the reason most people chose, and the first sentence of a typical quote."""
    sentence = _SENTENCE.match(quote)
    short = sentence.group() if sentence else quote
    if len(short) > max_quote:
        short = short[: max_quote - 1].rsplit(" ", 1)[0] + "…"
    return f"{reason[:1].upper()}{reason[1:]}: “{short}”" if reason and reason != short else f"“{short}”"


def common_reason(reasons: Sequence[Sequence[str]]) -> str | None:
    """The reason code that most of those who chose any chose, in words; None where there is no such one."""
    counts = Counter(reason for given in reasons for reason in dict.fromkeys(given))
    n_given = sum(1 for given in reasons if given)
    if n_given < max(_MIN_EVIDENCE, _MAJORITY * len(reasons)):
        return None
    reason, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return visible(reason.replace("_", " "), _MAX_REASON) or None if n > _MAJORITY * n_given else None


def typical_quote(members: pd.DataFrame, vectors: NDArray[np.float32]) -> str:
    """The words of the member nearest to the centre who wrote a comment of some length; else of the most central one.

    Where few wrote any, as in a pattern of a reason code that people chose, what one of them wrote is not typical. One
    line that hides nothing, of at most 300 characters.
    """
    said = members["comments"].map(lambda comments: len(" ".join(comments)) >= _SHORT).to_numpy(dtype=bool)
    wrote = np.flatnonzero(said & (members["evidence"].to_numpy() == "comment"))
    if len(wrote) <= _FEW * len(members):
        return str(members["description"].iloc[medoid_of(vectors)])
    central = wrote[int(np.argmax(vectors[wrote] @ vectors.mean(axis=0)))]
    return visible(" ".join(members["comments"].iloc[central]), _MAX_QUOTE)


def likely_cause(texts: pd.DataFrame, has_retrieval: bool) -> Cause:
    """The cause that most of a pattern's events were recorded with, else "unknown".

    Args:
        texts: rows of frame `records.TEXTS` of the pattern's members.
        has_retrieval: whether the application's events normally carry documents; only then does an empty list mean
            that retrieval found nothing.
    """
    if texts.empty:
        return "unknown"
    reasons = Counter(
        _REASON_CAUSES.get(reason, "unknown") for given in texts["reasons"] for reason in dict.fromkeys(given)
    )
    votes = reasons.total()
    if votes >= _MIN_EVIDENCE:
        cause, n = max(sorted(reasons.items()), key=lambda item: item[1])
        if cause != "unknown" and n > _MAJORITY * votes:
            return cause
    if texts["has_error"].mean() > _MAJORITY:
        return "product"
    if has_retrieval and (texts["n_documents"] == 0).mean() > _MAJORITY:
        return "retrieval"
    if texts["output"].map(lambda output: bool(_REFUSAL.search(output[:300]))).mean() > _MAJORITY:
        return "model"
    return "unknown"


def medoid_of(vectors: NDArray[np.float32]) -> int:
    """Row nearest to the mean direction; the first of equals."""
    return int(np.argmax(vectors @ vectors.mean(axis=0)))
