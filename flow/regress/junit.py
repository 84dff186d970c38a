"""A regression as JUnit XML: a test case for each run."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from flow.regress.schema import Regression, Run

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def write_junit(found: Regression, path: Path) -> None:
    """Write the file."""
    totals = {
        "tests": str(len(found.runs)),
        "failures": str(len(found.having("failed"))),
        "errors": "0",
        "skipped": str(len(found.having("skipped"))),
        "time": f"{found.seconds:.3f}",
    }
    root = Element("testsuites", totals)
    started = found.started.isoformat(timespec="seconds")
    suite = SubElement(root, "testsuite", {"name": found.suite, **totals, "timestamp": started})
    for run in found.runs:
        suite.append(_case(found.suite, run))
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: str, run: Run) -> Element:
    point = run.point
    case = Element("testcase")
    case.set("classname", _clean(f"{suite}.{point.config}"))
    case.set("name", _clean(point.title))
    case.set("time", f"{run.seconds:.3f}")
    values = point.model_dump() | run.model_dump(
        include={"build", "cycles", "predicted_cycles", "utilization", "khz"}
    )
    properties = SubElement(case, "properties")
    for name, value in values.items():
        if value is not None:
            SubElement(properties, "property", {"name": name, "value": _clean(str(value))})
    if run.status == "skipped":
        SubElement(case, "skipped", {"message": _clean(run.reason)})
    if run.status == "failed":
        failure = SubElement(case, "failure", {"message": _clean(run.reason)})
        parts = [*run.failures, run.trace, f"again with: {point.command}"]
        failure.text = _clean("\n".join(filter(None, parts)))
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
