"""What is pinned is known by its hash, listed in the bill of materials, and in no advisory."""

import json
import re
from pathlib import Path

import pytest

from tools import advisories, bill_of_materials

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_pin_has_hashes(file: Path) -> None:
    """No library can be installed that was not seen when it was pinned."""
    entries = re.split(r"\n(?=\S)", file.read_text())
    pinned = [entry for entry in entries if re.match(r"[A-Za-z0-9._-]+==", entry)]
    assert [entry.partition("\n")[0] for entry in pinned if "--hash=sha256:" not in entry] == []
    assert pinned != []


def test_nothing_pinned_is_in_an_advisory() -> None:
    """`make check` says the same."""
    assert advisories.main([str(file) for file in FILES]) == 0


def test_an_affected_version_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the spelling of its name."""
    path = tmp_path / "old.txt"
    path.write_text("PyYAML==5.3.1 \\\n    --hash=sha256:00\ntornado==6.5\n")
    assert advisories.main([str(path)]) == 1
    assert capsys.readouterr().out == "pyyaml 5.3.1: CVE-2020-14343, code in files that full_load reads\n"


def test_the_bill_of_materials_lists_what_is_pinned() -> None:
    """Each library once, with version and hashes; the same bytes each time."""
    text = bill_of_materials.RUN.read_text()
    bill = bill_of_materials.bill(text)
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    assert listed == set(re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", text, re.MULTILINE))
    assert all(one.get("hashes") or one.get("properties") for one in bill["components"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert json.dumps(bill) == json.dumps(bill_of_materials.bill(text))
