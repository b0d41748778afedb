"""Settings: one policy per stage, from YAML. An unknown key is an error that names it.

Belongs here: what a team decides. Does not belong here: secrets and places (`environment.py`), and the meaning of a
policy (its dataclass lies with its stage).
"""

import hashlib
import json
from dataclasses import asdict
from datetime import date
from typing import Any, Self

import pydantic
import yaml

from feedback_loop.clean import CleanPolicy
from feedback_loop.clients.embeddings import EmbeddingPolicy
from feedback_loop.clients.trackers import TrackerPolicy
from feedback_loop.cluster import ClusterPolicy
from feedback_loop.deployed import DeployedPolicy
from feedback_loop.describe import DescribePolicy
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError
from feedback_loop.extract import ExtractPolicy
from feedback_loop.intake.importers.policy import SourcePolicy
from feedback_loop.intake.service.policy import ServePolicy
from feedback_loop.llm import AnalystPolicy
from feedback_loop.redaction.ner import PrivacyPolicy
from feedback_loop.route import ROUTES, RoutePolicy, RouteTarget, UpdatePolicy
from feedback_loop.segments import SegmentPolicy
from feedback_loop.store.retention import RetentionPolicy
from feedback_loop.verify import GuardPolicy, VerifyPolicy, WatchPolicy


class Settings(pydantic.BaseModel):
    """All settings, with defaults that work.

    Attributes:
        first_week: Monday that the weekly partitions start at; earlier facts are kept but not run.
        owners: of the assets in Dagster, as `team:name` or an e-mail address.
        dagster_url: of the Dagster UI, as people open it; tickets link to it.
        alert_webhook: where failed runs and silent weeks are posted to; None: they are only logged.
        late_facts_weeks: how many weeks back late facts are looked for.
        sources: tools that are imported from, each by its own schedule.
        max_unassigned_share: of a week's events that say something; a check warns where more are in no pattern.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    first_week: date = date(2026, 1, 5)
    owners: tuple[str, ...] = ("team:llm-quality",)
    dagster_url: str | None = None
    alert_webhook: str | None = None
    late_facts_weeks: int = pydantic.Field(default=8, ge=1)
    max_unassigned_share: float = pydantic.Field(default=0.6, ge=0, le=1)
    sources: tuple[SourcePolicy, ...] = ()
    clean: CleanPolicy = CleanPolicy()
    extract: ExtractPolicy = ExtractPolicy()
    embedding: EmbeddingPolicy = EmbeddingPolicy()
    describe: DescribePolicy = DescribePolicy()
    cluster: ClusterPolicy = ClusterPolicy()
    analyst: AnalystPolicy = AnalystPolicy()
    segments: SegmentPolicy = SegmentPolicy()
    route: RoutePolicy = RoutePolicy()
    tracker: TrackerPolicy = TrackerPolicy()
    updates: UpdatePolicy = UpdatePolicy()
    deployed: DeployedPolicy = DeployedPolicy()
    verify: VerifyPolicy = VerifyPolicy()
    guards: GuardPolicy = GuardPolicy()
    watch: WatchPolicy = WatchPolicy()
    serve: ServePolicy = ServePolicy()
    privacy: PrivacyPolicy = PrivacyPolicy()
    retention: RetentionPolicy = RetentionPolicy()

    @pydantic.model_validator(mode="after")
    def _can_be_audited(self) -> Self:
        if self.guards.audit_by == "analyst" and self.analyst.analyst == "offline":
            raise ValueError("guards.audit_by analyst needs analyst.analyst claude, which is offline")
        return self

    @pydantic.field_validator("sources")
    @classmethod
    def _have_names_of_their_own(cls, sources: tuple[SourcePolicy, ...]) -> tuple[SourcePolicy, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are called {', '.join(twice)}")
        return sources

    @property
    def asset_url(self) -> str | None:
        """The page of a pattern's numbers in Dagster."""
        return None if self.dagster_url is None else f"{self.dagster_url.rstrip('/')}/assets/pattern_weeks"

    @property
    def targets(self) -> dict[str, RouteTarget]:
        """Route -> where its tickets go."""
        return {route: self.route.target(route) for route in ROUTES.values()}

    @pydantic.field_validator("first_week")
    @classmethod
    def _is_monday(cls, day: date) -> date:
        if day.weekday() != 0:
            raise ValueError(f"a week is named by its Monday; {day} is a {day:%A}")
        return day


def load_settings(environment: Environment) -> Settings:
    """Settings of the file that the environment names, or the defaults.

    Raises:
        ConfigurationError: the file is missing, no YAML, or has an unknown key or wrong value; names each.
    """
    path = environment.config_path
    if path is None:
        return Settings()
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if content is not None and not isinstance(content, dict):
            kind = "a list" if isinstance(content, list) else "a single value"
            raise ConfigurationError(f"settings file {path} must hold keys with values (`key: value`), it is {kind}")
        return Settings.model_validate(content or {})
    except OSError as error:
        raise ConfigurationError(f"settings file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"settings file {path} is no YAML: {error}") from error
    except pydantic.ValidationError as error:
        # A policy's own check says which of its keys is wrong; pydantic says which policy.
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise ConfigurationError(f"settings file {path}: {problems}") from error


def policy_version(policy: Any) -> str:
    """A short name for what a policy says; stamped on the rows it made."""
    content = json.dumps(asdict(policy), sort_keys=True, default=str)
    return f"{type(policy).__name__}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
