"""Rates of sampled traffic: numerator and denominator are weighed alike, whatever was kept for certain."""

from pathlib import Path

from sqlalchemy import Engine

from feedback_loop.extract import ExtractPolicy, extract_negatives
from feedback_loop.metrics import with_rate
from feedback_loop.records import Window
from feedback_loop.store import metrics, negatives, tables, trends
from feedback_loop_tests.factories import APPLICATION, W1, at, import_records, make_feedback, make_interaction, rows

WEEK = Window.of_week(W1)


def store_week(engine: Engine, folder: Path) -> None:
    """Twenty sessions seen by chance at 0.1, two of them with a complaint that came late, and four kept for one."""
    records = []
    for n in range(24):
        rate = {} if n < 4 else {"sample_rate": 0.1}
        records += [
            make_interaction(f"i{n}", at(W1), cohort="all", **rate),
            make_feedback(f"i{n}", at(W1, 13), "shown"),
        ]
        if n < 6:
            records.append(make_feedback(f"i{n}", at(W1, 14)))
    import_records(engine, folder, records)
    policy = ExtractPolicy()
    with engine.begin() as conn:
        found = extract_negatives(negatives.read_signals(conn, WEEK, policy.candidate_signals), policy, WEEK)
        negatives.save_negatives(conn, W1, found, "p")
        exposures = negatives.count_exposures(conn, WEEK)
        negatives.save_exposures(conn, W1, exposures)


def test_weekly_rates_are_weighted(engine: Engine, tmp_path: Path) -> None:
    store_week(engine, tmp_path)
    with engine.begin() as conn:
        versions = with_rate(metrics.count_versions(conn, W1), "negative_rate", "negative", "exposures")
        cohorts = with_rate(metrics.count_cohorts(conn, W1), "response_rate", "responses", "shown")
        metrics.save_metrics(conn, tables.prompt_version_weeks, W1, versions)
        metrics.save_metrics(conn, tables.cohort_weeks, W1, cohorts)
        _, share = trends.read_week(conn, APPLICATION, W1)
    expected = (4 + 2 * 10) / (4 + 20 * 10)
    assert versions["n_negative"].tolist() == [6]
    assert versions["negative_rate"].tolist() == [expected]
    assert cohorts["response_rate"].tolist() == [expected]
    (stored,) = rows(engine, "cohort_weeks")
    assert (stored["n_shown"], stored["n_responses"], stored["response_rate"]) == (24, 6, expected)
    assert share == expected
