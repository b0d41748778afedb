"""What keeps the code readable, checked: sizes, room signs, and nothing of one machine in what is tracked.

A function's lines are those of its body without the docstring. Migrations are generated once and left alone.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(p for p in (ROOT / "feedback_loop").rglob("*.py") if "versions" not in p.parts)
TESTS = sorted((ROOT / "feedback_loop_tests").rglob("*.py"))
MAX_MODULE, MAX_FUNCTION, MAX_ASSET = 400, 40, 25
Function = ast.FunctionDef | ast.AsyncFunctionDef

TRACES = (
    r"/(?:home|Users)/[a-z][\w.-]*/",
    r"(?<![\w.])/root/",
    r"files\.pythonhosted\.org",
    r"--(?:extra-)?index-url",
    r"https?://[\w.-]*(?:artifactory|nexus|pypi\.(?!org))[\w.-]*",
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def is_asset(function: Function) -> bool:
    return any(
        ast.unparse(decorator).startswith(("dg.asset(", "dg.multi_asset", "dg.asset_check", "dg.multi_asset_check"))
        for decorator in function.decorator_list
    )


@pytest.mark.parametrize("path", MODULES + TESTS, ids=name)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE


@pytest.mark.parametrize("path", MODULES + TESTS, ids=name)
def test_functions_are_short(path: Path) -> None:
    assert {f.name: body_lines(f) for f in functions(path) if body_lines(f) > MAX_FUNCTION} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "feedback_loop" / "defs").glob("*.py")), ids=name)
def test_assets_are_thin(path: Path) -> None:
    assert {f.name: body_lines(f) for f in functions(path) if is_asset(f) and body_lines(f) > MAX_ASSET} == {}


def test_the_assets_are_found_at_all() -> None:
    assets = {f.name for path in MODULES for f in functions(path) if is_asset(f)}
    assert {"failure_patterns", "tickets", "verifications", "weekly_checks"} <= assets


@pytest.mark.parametrize("path", MODULES + TESTS, ids=name)
def test_every_module_has_a_room_sign(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=name)
def test_a_room_sign_says_what_belongs(path: Path) -> None:
    sign = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert re.search(r"belong|The settings of|nouns", sign, re.IGNORECASE), sign


def test_nothing_tracked_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: an installed or unpacked source")
    found = []
    for tracked in filter(None, listed.stdout.split("\0")):
        path = ROOT / tracked
        if path == Path(__file__) or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            found += [f"{tracked}:{number}: {line.strip()}" for trace in TRACES if re.search(trace, line)]
    assert found == []
