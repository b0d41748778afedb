"""Settings from YAML: what is unknown or wrong is named, never ignored."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from feedback_loop.config import Settings, load_settings, policy_version
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError
from feedback_loop.extract import ExtractPolicy
from feedback_loop.verify import VerifyPolicy


def load(folder: Path, text: str) -> Settings:
    path = folder / "feedback_loop.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(Environment(home=folder, config_path=path))


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(Environment(home=tmp_path)) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Settings()


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "first_week: 2026-03-02\nverify: {bar: 0.5}\nroute: {min_users: 7}\nowners: [a@b.example]"
    )
    assert settings.first_week == date(2026, 3, 2)
    assert settings.verify == replace(VerifyPolicy(), bar=0.5)
    assert settings.route.min_users == 7
    assert settings.route.min_occurrences == Settings().route.min_occurrences
    assert settings.owners == ("a@b.example",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("firstweek: 2026-03-02", "firstweek"),
        ("route: {min_user: 7}", r"route\.min_user"),
        ("first_week: 2026-03-04", "2026-03-04 is a Wednesday"),
        ("first_week: soon", "first_week"),
        ("verify: {bar: much}", r"verify\.bar"),
        ("late_facts_weeks: 0", "late_facts_weeks"),
        ("a: [1", "is no YAML"),
        ("- just\n- a list", r"must hold keys with values \(`key: value`\), it is a list"),
        ("just words", r"must hold keys with values \(`key: value`\), it is a single value"),
        ("[]", "it is a list"),
        (
            "extract: {severities: {thumbsdown: 2}}",
            r"extract: severities names 'thumbsdown', .* signals are thumbs_up, ",
        ),
        (
            "extract: {severities: {report: 5}}",
            r"extract: severities\.report must be 1 \(minor\) to 4 \(critical\), got 5",
        ),
        ("extract: {severities: {rating: 3}}", r"severities names 'rating', .* its own: max_negative_rating"),
        ("extract: {severities: {report: 0}}", r"severities\.report"),
        ("extract: {edit_severity: 9}", "extract: edit_severity must be from 1 to 4, got 9"),
        ("extract: {high_safety_severity: 0}", "high_safety_severity"),
        ("extract: {max_negative_rating: 6}", "max_negative_rating must be from 0 to 5"),
        ("extract: {min_edit_distance: 30}", "extract: min_edit_distance must be from 0 to 1, got 30.0"),
        ("extract: {min_edit_distance: .nan}", "min_edit_distance must be from 0 to 1, got nan"),
        ("describe: {max_chars: 0}", "describe: max_chars must be at least 1, got 0"),
        ("describe: {max_edit_words: -1}", "max_edit_words"),
        ("cluster: {min_texts: 0}", "cluster: min_texts must be at least 1, got 0"),
        ("cluster: {max_sample: 0}", "cluster: max_sample must be at least 1, got 0"),
        ("cluster: {min_texts: 0}", "min_texts must be at least 1"),
        ("cluster: {join_share: 0.5}", "cluster.join_share: Unexpected keyword argument"),
        ("cluster: {seed: -1}", "seed must be at least 0"),
        ("route: {min_users: 0}", "route: min_users must be at least 1, got 0"),
        ("route: {max_new_tickets: -3}", "max_new_tickets"),
        ("tracker: {tracker: trello}", r"tracker\.tracker"),
        ("tracker: {needs_releas: true}", r"tracker\.needs_releas"),
        ("tracker: {jira: {server: jira.example.com}}", "server must start with https://"),
        ("tracker: {jira: {quiet_minutes: -1}}", "quiet_minutes must be at least 0, got -1"),
        ("route: {targets: {weather: {project: X}}}", r"route\.targets\.weather"),
        ("route: {targets: {model: {labels: [two words]}}}", "labels have no blanks"),
        (
            "route: {targets: {model: {priorities: {5: Low}}}}",
            r"priorities are named for 1 \(highest\) to 4, got \[5\]",
        ),
        ("updates: {factor: 1}", "factor must be at least 1.1, got 1"),
        ("updates: {told_dimensions: [weather]}", "told_dimensions knows no weather"),
        ("deployed: {deployed_statuses: [' ']}", "deployed_statuses are names of statuses"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        load(tmp_path, text)
    assert str(tmp_path) in str(caught.value)


def test_each_route_has_its_place_and_a_label_of_its_own(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "route: {targets: {model: {project: MODEL, labels: [llm], priorities: {1: P1}}}}\ntracker: {tracker: jira}",
    )
    assert (settings.tracker.tracker, settings.tracker.field_name) == ("jira", "Deployed at")
    places = settings.targets
    assert (places["model limitation"].project, places["model limitation"].labels) == (
        "MODEL",
        ("model-limitation", "llm"),
    )
    assert (dict(places["model limitation"].priorities), places["triage"].labels) == ({1: "P1"}, ("triage",))
    assert set(places) == {"prompt fix", "retrieval fix", "product change", "model limitation", "triage"}


def test_an_audit_by_the_analyst_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("guards: {audit_by: analyst}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"audit_by analyst needs analyst\.analyst claude"):
        load_settings(Environment(home=tmp_path, config_path=path))
    path.write_text("guards: {audit_by: analyst}\nanalyst: {analyst: claude}\n", encoding="utf-8")
    assert load_settings(Environment(home=tmp_path, config_path=path)).guards.audit_by == "analyst"


def test_a_missing_file_is_an_error_and_not_the_defaults(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.yaml cannot be read"):
        load_settings(Environment(home=tmp_path, config_path=tmp_path / "missing.yaml"))


def test_the_name_of_a_policy_follows_its_content() -> None:
    same, other = ExtractPolicy(), ExtractPolicy(min_edit_distance=0.5)
    assert policy_version(same) == policy_version(ExtractPolicy())
    assert policy_version(same) != policy_version(other)
    assert policy_version(same).startswith("ExtractPolicy-")
