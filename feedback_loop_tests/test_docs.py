"""The documents say what the code does: settings, tables, commands, links.

Belongs here: what of a document can be checked against the code. Does not belong here: whether it reads well.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from feedback_loop.cli import cli
from feedback_loop.config import Settings
from feedback_loop.store.tables import metadata

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^```.*\n((?:.*\n)*?)```$|^((?: {4,}.*\n)+)|`([^`\n]+)`", re.MULTILINE)
YAML_BLOCK = re.compile(r"^ *```yaml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|&& |\$\()(feedback-loop [^\n|>)#&]*)", re.MULTILINE)
VARIABLE = re.compile(r"\"(FEEDBACK_LOOP_[A-Z_]+)\"")

pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documents are in the repository only")


def table_rows(document: str) -> list[list[str]]:
    """Cells of the document's tables whose first cell is code, without its backticks."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    return [[row[0].strip("`| "), *row[1:]] for row in rows]


def code_of(text: str) -> Iterator[str]:
    """Code blocks and inline code of a document, continuation lines joined."""
    for fenced, indented, inline in CODE.findall(text):
        lines = fenced or indented or inline
        yield re.sub(r"\\\n\s*", " ", "\n".join(line.strip() for line in lines.splitlines()))


def documented_commands(path: Path) -> list[str]:
    """Every `feedback-loop ...` line in a document's code."""
    return [match.strip() for code in code_of(path.read_text(encoding="utf-8")) for match in COMMAND.findall(code)]


def problem_of(command: str) -> str | None:
    """What is wrong with a documented command line: an unknown command or option; None where nothing is."""
    words, node = shlex.split(command)[1:], cli
    found: click.Command = node
    while words and isinstance(found, click.Group) and not words[0].startswith("-"):
        following = found.get_command(click.Context(found), words.pop(0))
        if following is None:
            return f"no such command: {command}"
        found = following
    known = {name for parameter in found.get_params(click.Context(found)) for name in parameter.opts}
    unknown = [word for word in words if word.startswith("-") and word != "-" and word.partition("=")[0] not in known]
    return f"unknown option {unknown[0]}: {command}" if unknown else None


def settings_of_the_code() -> dict[str, Any]:
    """Key in feedback_loop.yaml -> default; a policy within a policy by its own keys."""
    settings = Settings()
    return {key: value for name in Settings.model_fields for key, value in leaves(name, getattr(settings, name))}


def leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The keys under a setting, down to those that hold a plain value."""
    if is_dataclass(value):
        for field in fields(value):
            yield from leaves(f"{key}.{field.name}", getattr(value, field.name))
    else:
        yield key, list(value) if isinstance(value, tuple) else value


def anchors_of(path: Path) -> set[str]:
    """The anchors that a Markdown page offers, made from its headings as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_setting_is_documented_with_its_default() -> None:
    rows = [row for row in table_rows("docs/reference/settings.md") if not row[0].startswith("FEEDBACK_LOOP")]
    documented = {row[0]: yaml.safe_load(row[1].strip("`")) for row in rows}
    assert documented == settings_of_the_code()


def test_every_environment_variable_is_documented() -> None:
    source = (ROOT / "feedback_loop" / "environment.py").read_text(encoding="utf-8")
    rows = table_rows("docs/reference/settings.md")
    assert {row[0] for row in rows if row[0].startswith("FEEDBACK_LOOP")} == set(VARIABLE.findall(source))


def test_every_table_is_documented_with_its_key() -> None:
    rows = [row for row in table_rows("docs/reference/tables.md") if "." not in row[0]]
    documented = {row[0]: row[1].strip("`") for row in rows}
    assert documented.pop("patterns") == "application, pattern_id"  # the view
    assert documented == {t.name: ", ".join(c.name for c in t.primary_key.columns) for t in metadata.tables.values()}


def test_documented_columns_exist() -> None:
    documented = [row[0] for row in table_rows("docs/reference/tables.md") if "." in row[0]]
    existing = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns}
    assert documented
    assert set(documented) <= existing


def test_examples_of_settings_are_taken() -> None:
    blocks = [
        (path, yaml.safe_load(block))
        for path in DOCUMENTS
        for block in YAML_BLOCK.findall(path.read_text(encoding="utf-8"))
    ]
    assert blocks
    for path, block in blocks:
        assert Settings.model_validate(block), path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_exist(path: Path) -> None:
    assert [problem for command in documented_commands(path) if (problem := problem_of(command))] == []


def test_the_check_of_commands_sees_wrong_ones() -> None:
    assert problem_of("feedback-loop db url --dagster") is None
    assert problem_of("feedback-loop deployed - --fixes FL-3 FL-4") is None
    assert problem_of("feedback-loop launch") == "no such command: feedback-loop launch"
    assert problem_of("feedback-loop run --month 1") == "unknown option --month: feedback-loop run --month 1"


def test_every_command_is_documented() -> None:
    used = {" ".join(command.split()[1:3]) for path in DOCUMENTS for command in documented_commands(path)}
    missing = [name for name in cli.commands if not any(command.split()[:1] == [name] for command in used)]
    assert missing == []


def test_readme_begins_with_the_two_commands() -> None:
    blocks = [code for code in code_of((ROOT / "README.md").read_text(encoding="utf-8")) if "pip install" in code]
    assert blocks[:2] == [
        "pip install -c constraints.txt -e . && feedback-loop demo",
        'pip install -c constraints.txt -e ".[dev]" && pytest',
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        page = (path.parent / target).resolve() if target else path
        if not page.exists() or (anchor and anchor not in anchors_of(page)):
            broken.append(link)
    assert broken == []
