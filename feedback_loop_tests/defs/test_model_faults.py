"""Whatever the model's API does, nothing is lost and nothing is paid twice.

One case of each kind runs always. All of them run with `-m exhaustive`, which prints the table that is committed as
docs/reference/model-faults.md and checks that the committed one is the same:

    pytest -n 0 -m exhaustive -s feedback_loop_tests/defs/test_model_faults.py
"""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.model_faults import N_REPORTS, Case, Outcome, all_cases, table, try_case

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "model-faults.md"

USUAL = [
    Case("messages", "overloaded", "messages"),  # passes: tried again
    Case("messages", "overloaded", "messages", None),  # stays
    Case("messages", "spend_limit", "messages"),  # stops the run
    Case("messages", "rate_limit", "messages", 1, {"retry_after": "3600"}),
    Case("messages", "bad_request", "messages"),  # one request is refused
    Case("messages", "lost_response", "messages"),  # paid, and gone
    Case("messages", "html_200", "messages"),
    Case("messages", "max_tokens", "messages"),  # halved
    Case("messages", "refusal", "messages", None),  # bisected to every single one
    Case("messages", "missing_ref", "messages"),  # asked alone
    Case("messages", "duplicate_ref", "messages"),
    Case("messages", "schema_violation", "messages"),
    Case("messages", "none_content", "messages"),
    Case("batches", "lost_response", "batches.create"),  # made, its id is lost
    Case("batches", "reset", "batches.create"),  # not made, which is not known
    Case("batches", "html_200", "batches.list", None),  # in doubt, and cannot be looked up
    Case("batches", "overloaded", "batches.retrieve", None),  # cannot be polled
    Case("batches", "batch_expired", "batches.item"),
    Case("batches", "batch_errored", "batches.item"),
    Case("batches", "missing_custom_id", "batches.results"),
    Case("batches", "cut_jsonl", "batches.results", None),
    Case("batches", "foreign_results_url", "batches.retrieve", None),
    Case("batches", "refusal", "batches.item"),
]


def check(case: Case, outcome: Outcome) -> None:
    for findings in (outcome.first, outcome.second):
        fates = sorted([*findings.found, *findings.problems])
        assert fates == sorted(f"r{i}" for i in range(N_REPORTS)), case  # every event is there, once
    assert outcome.n_without_reason == 0, case
    assert outcome.n_unrecorded == 0, case
    assert outcome.n_paid_twice == 0, case
    assert outcome.overspent_usd <= 1e-12, case  # the ledger knows of every cent
    assert set(outcome.first.found) <= set(outcome.second.found), case  # what was known stays known
    for report_id, description in outcome.first.found.items():
        assert description.failure.startswith(f"Answer {report_id[1:]} was in English"), case
        assert outcome.second.found[report_id] == description, case


@pytest.mark.parametrize("case", USUAL, ids=lambda case: f"{case.way}-{case.route}-{case.label}")
def test_nothing_is_lost_and_nothing_is_paid_twice(engine: Engine, case: Case) -> None:
    check(case, try_case(engine, case))


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_every_failure_everywhere(admin: Engine) -> None:
    outcomes: list[tuple[Case, Outcome]] = []
    for case in all_cases():
        for url in make_database(admin, "template_feedback_loop"):
            outcomes.append((case, _try(url, case)))
            check(*outcomes[-1])
    found = table(outcomes)
    print(found)
    assert found in DOCUMENT.read_text(encoding="utf-8")


def _try(url: URL, case: Case) -> Outcome:
    engine = create_engine(url, poolclass=sa.NullPool)
    try:
        return try_case(engine, case)
    finally:
        engine.dispose()
