"""The process environment, read in one place.

Belongs here: every environment variable the product knows, its name, default and meaning. Nothing else in the
package reads `os.environ` (ruff TID251 enforces it). Does not belong here: policy (see `config.py`) or anything that
needs more than the standard library.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SOURCE = "FEEDBACK_LOOP_SOURCE_"


@dataclass(frozen=True)
class Environment:
    """What the surroundings of a process say, already defaulted.

    Attributes:
        home: data directory (`FEEDBACK_LOOP_HOME`, default `.feedback_loop` in the working directory), absolute.
        database_url: one's own PostgreSQL (`FEEDBACK_LOOP_DATABASE_URL`); None means the embedded server under `home`.
        dagster_url: Dagster's own storage (`FEEDBACK_LOOP_DAGSTER_URL`); None means derived from the database.
        config_path: settings file (`FEEDBACK_LOOP_CONFIG`, default `feedback_loop.yaml` in the working directory
            where that exists); None means built-in defaults.
        hash_key: secret of the keyed hash of user ids (`FEEDBACK_LOOP_HASH_KEY`); None means the key file under `home`.
        anthropic_api_key: secret (`ANTHROPIC_API_KEY`), needed for `analyst: claude`; never shown or logged.
        anthropic_base_url: root of the Anthropic API (`ANTHROPIC_BASE_URL`); None means Anthropic's own.
        jira_email: account of the Jira Cloud token (`FEEDBACK_LOOP_JIRA_EMAIL`); None for Data Center.
        jira_token: secret (`FEEDBACK_LOOP_JIRA_TOKEN`): API token (Cloud) or personal access token (Data Center).
        source_secrets: of the sources that are imported from (`FEEDBACK_LOOP_SOURCE_<NAME>`), by the name as it stands
            there (`LANGFUSE_PROD` for the source `langfuse-prod`).
    """

    home: Path
    database_url: str | None = None
    dagster_url: str | None = None
    config_path: Path | None = None
    hash_key: str | None = None
    anthropic_api_key: str | None = field(default=None, repr=False)
    anthropic_base_url: str | None = None
    jira_email: str | None = None
    jira_token: str | None = field(default=None, repr=False)
    source_secrets: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def postgres_dir(self) -> Path:
        """Data directory of the embedded server."""
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        """The DAGSTER_HOME that CLI runs use."""
        return self.home / "dagster_home"

    @property
    def tickets_dir(self) -> Path:
        """Where the local tracker writes its Markdown files."""
        return self.home / "tickets"

    def source_secret(self, source: str) -> tuple[str, str | None]:
        """(the variable that holds the secret of a source, the secret)."""
        name = source.upper().replace("-", "_")
        return _SOURCE + name, self.source_secrets.get(name)

    @property
    def waiting_dir(self) -> Path:
        """Where tickets lie as files until a person releases them to the tracker."""
        return self.home / "waiting"


def read_environment(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Environment:
    """Read the variables above; empty strings count as unset.

    Args:
        environ: defaults to the process environment.
        cwd: directory that relative defaults start from; defaults to the working directory.
    """
    env = os.environ if environ is None else environ
    base = Path.cwd() if cwd is None else cwd
    config = env.get("FEEDBACK_LOOP_CONFIG") or None
    default_config = base / "feedback_loop.yaml"
    return Environment(
        home=(base / (env.get("FEEDBACK_LOOP_HOME") or ".feedback_loop")).resolve(),
        database_url=env.get("FEEDBACK_LOOP_DATABASE_URL") or None,
        dagster_url=env.get("FEEDBACK_LOOP_DAGSTER_URL") or None,
        config_path=base / config if config else (default_config if default_config.exists() else None),
        hash_key=env.get("FEEDBACK_LOOP_HASH_KEY") or None,
        anthropic_api_key=env.get("ANTHROPIC_API_KEY") or None,
        anthropic_base_url=env.get("ANTHROPIC_BASE_URL") or None,
        jira_email=env.get("FEEDBACK_LOOP_JIRA_EMAIL") or None,
        jira_token=env.get("FEEDBACK_LOOP_JIRA_TOKEN") or None,
        source_secrets={name.removeprefix(_SOURCE): v for name, v in env.items() if name.startswith(_SOURCE) and v},
    )


def export(variables: Mapping[str, str]) -> None:
    """Set variables for this process and its children (Dagster reads its own from the environment)."""
    os.environ.update(variables)
