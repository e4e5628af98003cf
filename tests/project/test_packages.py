"""What the tests need is what `make test` installs, and what the code imports is declared."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKED = re.compile(r"""\b(?:program|file)\([^()]*?,\s*"([a-z0-9.+-]+)"\)""")


def needed() -> set[str]:
    """The packages that tests and measurements ask for through `tests.services.needs`."""
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("bench/**/*.py")]
    return {package for path in files for package in ASKED.findall(path.read_text())}


def test_every_package_that_a_test_needs_is_installed_by_make_test() -> None:
    """A test that would skip for want of a package can run after `make test` has prepared the machine."""
    script = re.sub(r"#.*", "", (ROOT / "scripts/packages").read_text())
    installed = {
        package
        for purpose in re.findall(r"^(?:RUN|TEST)=\((.*?)\)", script, re.M | re.S)
        for package in purpose.split()
    }
    assert len(needed()) > 5
    assert needed() - installed == set()


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_unknown_purpose_is_refused(arguments: tuple[str, ...]) -> None:
    """The script does nothing unless it is told what for."""
    done = subprocess.run([ROOT / "scripts/packages", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: scripts/packages run|test|venv\n")


def imported(package: Path) -> set[str]:
    """The top-level modules that the files of a package import, but for the standard library and the package itself."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {package.name}


def declared() -> set[str]:
    """The distributions that pyproject.toml names, in lower case."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in project["dependencies"]}


def test_every_import_is_a_declared_dependency() -> None:
    """No module comes along by chance, as the dependency of a dependency."""
    distributions = packages_distributions()
    undeclared = {
        module
        for module in imported(ROOT / "docket")
        if not declared() & {name.lower() for name in distributions[module]}
    }
    assert undeclared == set()
