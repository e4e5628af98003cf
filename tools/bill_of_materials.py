"""The bill of materials of the package, CycloneDX 1.5 as JSON: `python -m tools.bill_of_materials [REQUIREMENTS]`.

It lists the libraries that are pinned, with versions, hashes and, where they are installed, licences. The same input
gives the same bytes; SOURCE_DATE_EPOCH sets its time.
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import docket

RUN = Path(__file__).parents[1] / "requirements" / "run.txt"
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)((?:[^\n]*\\\n\s+--hash=sha256:[0-9a-f]+)*)", re.MULTILINE)


def bill(requirements: str) -> dict[str, Any]:
    """The whole document."""
    components = [_component(*entry) for entry in _ENTRY.findall(requirements)]
    made = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, requirements + docket.__version__)}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "name": "docket", "version": docket.__version__, "bom-ref": "docket"},
        },
        "components": components,
        "dependencies": [{"ref": "docket", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(name: str, version: str, hashes: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    files = re.findall(r"sha256:([0-9a-f]+)", hashes)
    component: dict[str, Any] = {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}
    if len(files) == 1:
        component["hashes"] = [{"alg": "SHA-256", "content": files[0]}]
    elif files:
        # Of several files of one version any may be installed; the field for hashes means a single one.
        component["properties"] = [{"name": "docket:file:sha256", "value": value} for value in files]
    if licence := _licence(name):
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _licence(name: str) -> str:
    try:
        facts = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return ""
    return str(facts.get("license_expression") or facts.get("license") or "").partition("\n")[0][:100]


def main(arguments: list[str]) -> int:
    path = Path(arguments[0]) if arguments else RUN
    print(json.dumps(bill(path.read_text()), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
