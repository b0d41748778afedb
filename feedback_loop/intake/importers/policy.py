"""What a team says about a source that it imports from: the settings `sources`, and the options of an import.

Belongs here: dataclasses of settings and their checks. Does not belong here: secrets (`environment.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from feedback_loop.errors import InputError
from feedback_loop.records import SIGNAL_NAMES

Tool = Literal["langfuse", "langsmith", "phoenix", "otel", "tables", "warehouse"]
TOOLS: tuple[str, ...] = get_args(Tool)
API_TOOLS = ("langfuse", "langsmith", "phoenix", "warehouse")
WRITABLE_TOOLS = ("langfuse", "langsmith", "phoenix")
BECOMES = (*SIGNAL_NAMES, "thumbs", "evaluation", "ignore")
RECORDS = ("interaction", "feedback", "evaluation", "deployment")
UNKNOWN_VERSION = "unknown"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True)
class ScoreRule:
    """What scores of one name are.

    Attributes:
        becomes: a signal; `thumbs` for a thumb up or down by the value; `evaluation`; or `ignore`.
        min, max: of an evaluation's values, which become 0 to 1.
        labels: label -> value, for scores that have a label only.
    """

    becomes: str = "evaluation"
    min: float = 0.0
    max: float = 1.0
    labels: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.becomes not in BECOMES:
            raise ValueError(f"a score can be {', '.join(BECOMES)}, not {self.becomes!r}")
        if not self.min < self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")


@dataclass(frozen=True)
class RecordMapping:
    """How a row of a table becomes a record of the import format.

    Attributes:
        type: which record.
        fields: field of the record -> column of the table.
        constants: field of the record -> the same value in every row.
        values: field of the record -> value of the table -> value of the record.
        only_if: column that must hold something; rows without it make no such record.
        time_zone: of times without one, as `UTC` or `Europe/Berlin`.
    """

    type: str
    fields: dict[str, str]
    constants: dict[str, Any] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    only_if: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.type not in RECORDS:
            raise ValueError(f"a mapping's type must be {', '.join(RECORDS)}, not {self.type!r}")


@dataclass(frozen=True)
class SourcePolicy:
    """A source to import from.

    Attributes:
        name: what it is called here; part of its assets' names and of its secret's.
        tool: what it is.
        url: root of its API; None means the tool's own cloud.
        project: its project by name, where the API wants one (LangSmith, Phoenix).
        application: that its records belong to.
        prompt_version: of interactions that say none.
        scores: score name -> what scores of that name are; other names follow the rules of `scores.py`.
        since: start of the first import, with a time zone; None means a week before it.
        overlap_hours: how far back each import reads again, for scores that came late.
        settle_minutes: how old a trace must be before it is taken: until then parts of it may be missing.
        schedule: cron expression, UTC.
        write_back: pattern ids and verdicts are written back as scores.
        query: SQL of a warehouse, with the parameters `:since` and `:until`.
        records: what a row of the query becomes.
    """

    name: str
    tool: Tool
    url: str | None = None
    project: str | None = None
    application: str = "default"
    prompt_version: str = UNKNOWN_VERSION
    scores: dict[str, str | ScoreRule] = field(default_factory=dict)
    since: datetime | None = None
    overlap_hours: float = 24.0
    settle_minutes: float = 15.0
    schedule: str = "17 * * * *"
    write_back: bool = False
    query: str | None = None
    records: tuple[RecordMapping, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"a source's name has lower-case letters, digits and hyphens, not {self.name!r}")
        if self.since is not None and self.since.tzinfo is None:
            raise ValueError(f"since of source {self.name} needs a time zone")
        if self.write_back and self.tool not in WRITABLE_TOOLS:
            raise ValueError(f"write_back needs {', '.join(WRITABLE_TOOLS)}; source {self.name} is {self.tool}")
        if self.tool == "warehouse" and not (self.query and self.records):
            raise ValueError(f"source {self.name} is a warehouse and needs query and records")
        if self.tool in ("langsmith", "phoenix") and not self.project:
            self._check_project()
        if self.overlap_hours < 0 or self.settle_minutes < 0:
            raise ValueError(f"overlap_hours and settle_minutes of source {self.name} must be 0 or more")
        for name, rule in self.scores.items():
            if isinstance(rule, str) and rule not in BECOMES:
                raise ValueError(f"score {name} of source {self.name} can be {', '.join(BECOMES)}, not {rule!r}")

    def _check_project(self) -> None:
        """A project is only needed to ask the API; files of an export come without."""
        if self.url is not None:
            raise ValueError(f"source {self.name} needs the name of its project")

    @property
    def asset_name(self) -> str:
        """Of the source, in names of assets and jobs."""
        return self.name.replace("-", "_")

    def rule_of(self, score: str) -> ScoreRule | None:
        """What the settings say about scores of a name; None: nothing."""
        rule = self.scores.get(score)
        return ScoreRule(becomes=rule) if isinstance(rule, str) else rule


def choose_source(sources: Sequence[SourcePolicy], origin: str, *, is_for_files: bool) -> SourcePolicy | None:
    """The source that is meant: by its name, else the only one of a tool; for files also none but the tool's name.

    Args:
        sources: of the settings.
        origin: a source's name, or a tool.
        is_for_files: export files are given; they need no source in the settings.

    Returns:
        None where nothing is meant.

    Raises:
        InputError: several sources of the tool are there, or none, and an API needs one.
    """
    named = next((source for source in sources if source.name == origin), None)
    if named is not None:
        return named
    if origin not in TOOLS:
        return None
    of_tool = [source for source in sources if source.tool == origin]
    if len(of_tool) == 1:
        return of_tool[0]
    if of_tool:
        names = ", ".join(source.name for source in of_tool)
        raise InputError(f"there are several sources of {origin}: name one of {names}")
    if is_for_files and origin != "warehouse":
        return SourcePolicy(name=origin, tool=origin)  # type: ignore[arg-type]  # one of TOOLS
    raise InputError(f"no source of {origin} is in the settings (`sources`): configure one, or name export files")
