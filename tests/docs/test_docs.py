"""The documentation says what the code does: every setting, command, option and exit code is in it, and no other."""

import argparse
import re
from pathlib import Path

import pytest

from docket.cli import make_parser
from docket.config.loader import every_setting, load_config
from docket.config.model import Config
from docket.runtime.exit_codes import MEANINGS, ExitCode

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
COMMAND_LINE = (ROOT / "docs/command-line.md").read_text()


def first_cells(page: str, pattern: str) -> list[str]:
    """What the first cells of the page's table rows hold, where they look like the pattern."""
    return re.findall(rf"^\| `({pattern})`", page, flags=re.MULTILINE)


def commands() -> dict[str, argparse.ArgumentParser]:
    parser = make_parser()
    [subparsers] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(subparsers.choices)


def test_every_setting_is_described_and_no_other() -> None:
    """The tables of the configuration page hold exactly the settings that the reader knows."""
    assert sorted(first_cells(CONFIGURATION, r"[a-z\[\]]+\.[a-z_]+")) == sorted(every_setting())


def test_example_configuration_is_valid(tmp_path: Path) -> None:
    """The file that the page shows is read without a fault."""
    [example] = re.findall(r"```yaml\n(.*?)```", CONFIGURATION, flags=re.DOTALL)
    path = tmp_path / "docket.yaml"
    path.write_text(example)
    assert [source.name for source in load_config(path, {}).sources] == ["rock01:em1", "rock01:em2"]


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("bus.url", Config(sources=()).bus),
        ("web.listen", Config(sources=()).web.listen[0]),
        ("web.base_path", Config(sources=()).web.base_path),
        ("web.user_header", str(Config(sources=()).web.user_header)),
        ("spool.path", str(Config(sources=()).spool.path)),
    ],
)
def test_default_is_the_documented_one(setting: str, shown: str) -> None:
    """The default in the table is the default in the code."""
    assert f"| `{setting}` | `{shown}` |" in CONFIGURATION


def test_every_command_is_described_and_no_other() -> None:
    """The table of commands holds exactly the commands that there are."""
    assert first_cells(COMMAND_LINE, r"docket [a-z]+") == [f"docket {name}" for name in commands()]


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_helps_with_an_example(name: str) -> None:
    """A command's help shows how it is called."""
    help_text = commands()[name].format_help()
    assert re.search(rf"examples?:\n  docket .*\b{name}\b", help_text) is not None


def test_every_option_of_get_is_described() -> None:
    """The page names each option of the command that people use most."""
    options = [option for action in commands()["get"]._actions for option in action.option_strings]
    known = {option for option in options if option.startswith("--")} - {"--help", "--write"}
    assert {option for option in known if option not in COMMAND_LINE} == set()


def test_every_exit_code_is_described_and_no_other() -> None:
    """Number, name and meaning stand in the page as they stand in the code."""
    rows = [f"| {code.value} | `{code.name}` | {MEANINGS[code]} |" for code in ExitCode]
    table = COMMAND_LINE.partition("## Exit codes")[2].strip().splitlines()[2:]
    assert table == rows


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link in a page leads to a file of this repository."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


MODULES = sorted(
    str(path.relative_to(ROOT / "docket"))
    for path in (ROOT / "docket").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


def test_architecture_names_every_module_and_no_other() -> None:
    """The map has one line for each module of the package, below the heading of its folder."""
    _, _, text = (ROOT / "docs/architecture.md").read_text().partition("## Every module")
    named = []
    for folder, table in re.findall(r"^### `docket/([\w/]*)`\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL):
        named += [folder + name for name in re.findall(r"^\| `(\w+\.py)` \| \S", table, flags=re.MULTILINE)]
    assert sorted(named) == MODULES


def test_ways_through_the_code_name_what_is_there() -> None:
    """Each name in the table of ways is defined in a module of its row; settings are named with their section."""
    _, _, text = (ROOT / "docs/architecture.md").read_text().partition("## Six ways through the code")
    table, _, _ = text.partition("\n## ")
    missing = []
    rows = re.findall(r"^\| (?!where is|---)(.*?) \| (.*) \|$", table, flags=re.MULTILINE)
    for what, way in rows:
        words = re.findall(r"`([^`]+)`", way)
        modules = [word for word in words if word.endswith(".py")]
        source = "".join((ROOT / "docket" / module).read_text() for module in modules)
        names = [word for word in words if word not in modules and "." not in word]
        missing += [
            (what, name)
            for name in names
            if not re.search(rf"^\s*(?:(?:async )?def |class |){name}\b[(:]", source, re.MULTILINE)
        ]
    assert (len(rows) >= 6, missing) == (True, [])


def test_architecture_walks_through_modules_that_exist() -> None:
    """Every path in the text leads to a module."""
    text, _, _ = (ROOT / "docs/architecture.md").read_text().partition("## Every module")
    paths = re.findall(r"(?<![\w/])((?:[a-z]+/)+\w+\.py)", text)
    assert [path for path in paths if path not in MODULES] == []
