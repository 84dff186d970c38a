"""Every rule of docs/architecture.md is cited by RTL, by a test, and (timing) by the model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

_RULE = r"(?:T-[A-Z]+|[BELNR])-\d\d"
_DEFINED = re.compile(rf"\*\*({_RULE})\b")
_CITED = re.compile(rf"({_RULE})(?: (?:to|and) ({_RULE}))?")


def defined_rules() -> list[str]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    return sorted(set(_DEFINED.findall(text)))


def cited_rules(text: str) -> set[str]:
    """Rules named in a text, alone or as ``T-XX-01 to T-XX-05``."""
    cited = set()
    for first, last in _CITED.findall(text):
        cited.update((first, last or first))
        prefix, low = first.rsplit("-", 1)
        if last.startswith(f"{prefix}-"):
            high = int(last.rsplit("-", 1)[1])
            cited.update(f"{prefix}-{number:02d}" for number in range(int(low), high + 1))
    return cited


def cited_in(folder: str) -> set[str]:
    paths = [path for path in (ROOT / folder).rglob("*.*") if path.suffix in {".py", ".sv"}]
    own = Path(__file__).name
    return set().union(*(cited_rules(path.read_text()) for path in paths if path.name != own))


def test_rules_are_found():
    rules = defined_rules()
    assert {"B-01", "L-01", "N-09", "T-RUN-01", "T-DRAM-05", "T-MX-05", "T-VX-06"} <= set(rules)


def test_ranges_cite_every_rule_between():
    assert cited_rules("T-LD-02 to T-LD-04, B-07") == {"T-LD-02", "T-LD-03", "T-LD-04", "B-07"}


def hardware_folder(rule: str) -> str:
    """The reference memory belongs to the testbench, everything else to the accelerator."""
    return "tb" if rule.startswith("T-DRAM") else "hdl"


@pytest.mark.parametrize("rule", defined_rules())
def test_rule_is_cited_where_it_is_implemented(rule):
    assert rule in cited_in(hardware_folder(rule))


@pytest.mark.parametrize("rule", defined_rules())
def test_rule_is_cited_by_a_test(rule):
    assert rule in cited_in("tests")


@pytest.mark.parametrize("rule", [rule for rule in defined_rules() if rule.startswith("T-")])
def test_timing_rule_is_cited_by_the_model(rule):
    assert rule in cited_in("model")


def test_no_file_cites_a_rule_that_is_not_defined():
    folders = ("arch", "hdl", "golden", "model", "compiler", "tb", "flow", "tests")
    cited = set().union(*(cited_in(folder) for folder in folders))
    assert cited <= set(defined_rules())
