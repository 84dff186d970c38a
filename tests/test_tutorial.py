"""docs/tutorial.md: what it changes is there to be changed."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_bug_of_the_tutorial_can_be_planted_once():
    text = (ROOT / "docs" / "tutorial.md").read_text()
    [(pattern, path)] = re.findall(r"sed -i 's/(.*)/.*/' (\S+)", text)
    assert (ROOT / path).read_text().count(pattern) == 1
    assert f"git checkout {path}" in text
