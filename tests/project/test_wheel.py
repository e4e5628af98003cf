"""The installed wheel works, not only the tree: page, demo traffic and command are in it."""

import shutil
import site
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

from docket import __version__
from tests.cli.running_server import RunningServer, clean_environ, docket
from tests.services import needs

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("docket", "deploy", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`docket` of a fresh environment that has the wheel, and of this one only the libraries that Docket needs."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = ("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(place), str(source))
    subprocess.run([*pip, *build], check=True, timeout=120.0)
    [wheel] = place.glob("*.whl")
    fresh = place / "fresh"
    venv.create(fresh, symlinks=True)
    subprocess.run(
        [*pip, "--python", str(fresh / "bin/python"), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=120.0,
    )
    # Path files inside such a directory are not followed, so this environment's own Docket stays invisible.
    [packages] = fresh.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    return fresh / "bin/docket"


def test_wheel_is_what_runs(command: Path, tmp_path: Path) -> None:
    """The command's Docket lies in the fresh environment."""
    found = subprocess.run(
        [command.with_name("python"), "-c", "import docket; print(docket.__file__)"],
        env=clean_environ(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(command.parent.parent)


def test_demo_runs_from_the_wheel(command: Path, tmp_path: Path) -> None:
    """From the wheel alone the page is served, the demo answers a question, and the version is right."""
    needs.program("tcpdump", "tcpdump")
    run = (str(command),)
    with RunningServer(tmp_path, run) as server:
        assert docket("--version", environ=server.environ, command=run).stdout == f"docket {__version__}\n"
        with urllib.request.urlopen(server.url, timeout=10.0) as page:
            assert b"<html" in page.read()
        done = docket("get", "port 53", "--after", "1h", environ=server.environ, cwd=tmp_path, command=run)
        assert (done.returncode, done.stdout.startswith("Saved ")) == (0, True), done.stderr
