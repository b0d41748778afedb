"""Small worlds of verdict tests: sessions, exposures and fixes spelled out by day."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from feedback_loop.verify import VerifyPolicy, verify_fixes

START = pd.Timestamp("2026-01-05", tz="UTC")  # a Monday
LOOK = VerifyPolicy(looks=(14,), q=0.05)


def sessions(
    counts: Sequence[int], pattern: str = "p1", version: str = "bot@v1", first: int = 0, **fields: Any
) -> pd.DataFrame:
    """`counts[i]` affected sessions on day `first + i`, each of another user, known at once."""
    records = [(first + i, f"{pattern}-{version}-{first + i}-{k}") for i, n in enumerate(counts) for k in range(n)]
    frame = pd.DataFrame(records, columns=["day", "session_id"])
    at = START + pd.to_timedelta(frame["day"].astype("float64") * 24 + 12, unit="h")
    values: dict[str, Any] = {"pattern_id": pattern, "user_id": frame["session_id"], "prompt_version": version}
    frame = frame.assign(**values, occurred_at=at, known_at=at, n_occurrences=1, weight=1.0).drop(columns="day")
    return frame.assign(**fields)


def served(n: float, first: int, end: int, version: str = "bot@v1", **fields: Any) -> pd.DataFrame:
    """`n` exposures on each day from `first` to before `end`."""
    days = START + pd.to_timedelta(range(first, end), unit="D")
    return pd.DataFrame({"date": days, "prompt_version": version, "n_exposures": float(n)}).assign(**fields)


def fix(fix_id: str = "f1", day: float = 56, **fields: Any) -> pd.DataFrame:
    """One deployment of bot@v2 for p1, at a day."""
    values = {"fix_id": fix_id, "pattern_id": "p1", "prompt_version": "bot@v2", "rollout_share": 1.0}
    return pd.DataFrame([values | {"deployed_at": START + pd.Timedelta(days=day)} | fields])


def all_of(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)


Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def switch(before: int = 10, after: int = 2, days: int = 14, n: float = 1000, others: int = 3) -> Frames:
    """Eight weeks of v1, then v2 alone; `others` steady patterns that nobody fixed."""
    end = 56 + days
    steady = [
        sessions([9 + k] * length, f"q{k}", version, first)
        for k in range(others)
        for version, first, length in (("bot@v1", 0, 56), ("bot@v2", 56, days))
    ]
    own = sessions([before] * 56), sessions([after] * days, version="bot@v2", first=56)
    return all_of(*own, *steady), all_of(served(n, 0, 56), served(n, 56, end, "bot@v2")), fix()


def judge(frames: Frames, day: int = 70, policy: VerifyPolicy = LOOK, **options: Any) -> pd.DataFrame:
    """Verdicts at the start of a day."""
    return verify_fixes(*frames, as_of=START + pd.Timedelta(days=day), policy=policy, **options)
