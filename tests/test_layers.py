"""Who may import whom, over the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = {"arch", "compiler", "flow", "golden", "hdl", "model", "tb", "tests", "workloads"}

FORBIDDEN = {
    "arch": PACKAGES - {"arch"},
    "hdl": PACKAGES - {"arch", "hdl"},
    "golden": PACKAGES - {"arch", "golden"},
    "model": PACKAGES - {"arch", "model"},
    "workloads": PACKAGES - {"arch", "workloads"},
    "compiler": PACKAGES - {"arch", "workloads", "model", "compiler"},
    "tb": PACKAGES - {"arch", "tb"},
    "flow": {"tests"},
}


def imported_packages(source: str) -> set[str]:
    """Top-level names imported anywhere in a source, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer they reach"
            names.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            assert isinstance(node.args[0], ast.Constant), "an import that cannot be checked"
            names.add(str(node.args[0].value).partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_package_imports_no_forbidden_layer(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    assert len(paths) > 1, "an empty package proves nothing"
    offenders = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imported_packages(path.read_text()) & FORBIDDEN[package]
    }
    assert not offenders


def test_a_planted_import_is_seen():
    source = "def f():\n    from golden.ops import linear\n    import hdl.ports as p\n"
    assert imported_packages(source) == {"golden", "hdl"}
