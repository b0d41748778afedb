"""The demo in an emulated Jira: its tickets are there, nothing was refused, and users' words do nothing."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedback_loop.definitions import build_definitions
from feedback_loop.defs.demo import Demo, DemoWeek
from feedback_loop.defs.demo_surroundings import demo_surroundings
from feedback_loop.environment import Environment
from feedback_loop.testing.simulator_plan import SimulatorSettings

SETTINGS = SimulatorSettings(n_weeks=3, sessions_per_week=800)
EXPORTED = ("DAGSTER_HOME", "FEEDBACK_LOOP_DAGSTER_URL", "FEEDBACK_LOOP_JIRA_EMAIL", "FEEDBACK_LOOP_JIRA_TOKEN")


def test_three_weeks_of_the_demo_in_jira(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EXPORTED:
        monkeypatch.setenv(name, "")  # what the demo exports ends with the test
    home, weeks = short_dir / "home", list[DemoWeek]()
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(home))
    with demo_surroundings("offline", "jira-emulator", SETTINGS.week_start(0)) as surroundings:
        jira = surroundings.jira
        assert jira is not None
        definitions = build_definitions(surroundings.resources)
        Demo(Environment(home=home), definitions, SETTINGS, surroundings).run(weeks.append)
        told = [key for week in weeks for key, _ in week.new_tickets]
        assert sorted(told) == sorted(issue.key for issue in jira.issues)
        assert len(told) > 0
        assert {key.partition("-")[0] for key in told} <= {"FL", "MODEL"}
        assert jira.refused == []
        assert {issue.key: jira.active_content(issue.key, ["127.0.0.1"]) for issue in jira.issues} == {
            key: [] for key in told
        }
        assert all(issue.attachments and issue.fields["description"] for issue in jira.issues)
        assert jira.now >= SETTINGS.week_start(3) > datetime(2000, 1, 1, tzinfo=UTC)
    pages = {path.name: path.read_text(encoding="utf-8") for path in (home / "demo" / "tickets").iterdir()}
    assert sorted(pages) == sorted(f"{key}.html" for key in told)
    titles = dict(pair for week in weeks for pair in week.new_tickets)
    assert all(titles[key].split()[0] in pages[f"{key}.html"] for key in told)
    assert not (home / "tickets").exists()
    assert os.environ["FEEDBACK_LOOP_JIRA_TOKEN"]  # it was the real client that signed in
