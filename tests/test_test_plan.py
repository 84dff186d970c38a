"""docs/test_plan.md: every row names tests that exist, and every rule has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from test_timing_rules import defined_rules

ROOT = Path(__file__).resolve().parent.parent

_TEST = re.compile(r"`(test_\w+)(?:::(test_\w+))?`")


def rows(text: str) -> list[tuple[str, str, str]]:
    """(what, rules, tests) of each row of the plan's tables."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0] not in ("what must hold", "---"):
            found.append((cells[0], cells[1], cells[2]))
    return found


def named_tests(module: str) -> set[str]:
    """Names of the test functions of a module; empty where there is no such module."""
    path = ROOT / "tests" / f"{module}.py"
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


PLAN = rows((ROOT / "docs" / "test_plan.md").read_text())


def test_a_table_row_is_read():
    text = (
        "| what must hold | rules | tests |\n| --- | --- | --- |\n| a | B-01 | `test_x::test_y` |"
    )
    assert rows(text) == [("a", "B-01", "`test_x::test_y`")]


@pytest.mark.parametrize("row", PLAN, ids=lambda row: row[0])
def test_row_names_tests_that_exist(row):
    what, _, named = row
    tests = _TEST.findall(named)
    assert tests, f"'{what}' names no test"
    assert _TEST.sub("", named).strip(" ,") == "", f"'{what}' names something that is no test"
    for module, function in tests:
        found = named_tests(module)
        assert found, f"there is no test in tests/{module}.py"
        assert not function or function in found, f"tests/{module}.py has no {function}"


@pytest.mark.parametrize("rule", defined_rules())
def test_rule_has_a_row(rule):
    assert any(rule in rules.replace(",", " ").split() for _, rules, _ in PLAN)
