"""`docket install` writes what belongs on a machine, once, and `docket uninstall` takes away what it wrote."""

import subprocess
from pathlib import Path

import pytest

from docket.cli import make_parser
from docket.cli.setup.manpage import SHELLS, commands_of, completion, manual
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import clean_environ, docket
from tests.services import needs


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Every file below a directory, with its content and mode."""
    return {
        str(path.relative_to(root)): (path.read_text(), path.stat().st_mode & 0o777)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def install(root: Path, *options: str, command: str = "install") -> list[str]:
    done = docket(command, "--root", str(root), *options, environ=clean_environ(root.parent))
    assert done.returncode == ExitCode.OK, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    """`--dry-run` says what would be made and makes nothing."""
    root = tmp_path / "root"
    root.mkdir()
    assert set(install(root, "--dry-run")) == {"make"}
    assert tree(root) == {}


def test_second_time_changes_nothing(tmp_path: Path) -> None:
    """Installing again finds everything as it should be; a changed unit is mended, a changed configuration is kept."""
    root = tmp_path / "root"
    root.mkdir()
    install(root)
    first = tree(root)
    assert set(install(root)) == {"same"}
    assert tree(root) == first
    config, unit = root / "etc/docket/docket.yaml", root / "usr/lib/systemd/system/docket.service"
    config.write_text("sources: []\n")
    unit.write_text("[Unit]\n")
    assert sorted(set(install(root))) == ["change", "keep", "same"]
    assert config.read_text() == "sources: []\n"
    assert unit.read_text() == first["usr/lib/systemd/system/docket.service"][0]


def test_uninstall_leaves_what_the_operator_changed(tmp_path: Path) -> None:
    """Nothing of an untouched installation stays; a changed configuration does."""
    root = tmp_path / "root"
    root.mkdir()
    install(root)
    assert set(install(root, "--dry-run", command="uninstall")) == {"remove"}
    assert len(tree(root)) > 10
    install(root, command="uninstall")
    assert tree(root) == {}
    install(root)
    (root / "etc/docket/docket.yaml").write_text("sources: []\n")
    install(root, command="uninstall")
    assert list(tree(root)) == ["etc/docket/docket.yaml"]


def test_installed_configuration_is_valid_and_closed(tmp_path: Path) -> None:
    """The example that is installed has no fault, and its mode keeps others from the broker's password."""
    root = tmp_path / "root"
    root.mkdir()
    install(root)
    config = root / "etc/docket/docket.yaml"
    assert config.stat().st_mode & 0o777 == 0o640
    done = docket("--config", str(config), "config", "show", environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.OK, done.stderr


def test_manual_has_every_command_and_option() -> None:
    """docket(1) names each command and each of its options."""
    text = manual(make_parser()).replace("\\-", "-")
    for name, command in commands_of(make_parser()).items():
        assert f".SS docket {name}" in text
        flags = [flag for action in command._actions for flag in action.option_strings]
        assert [flag for flag in flags if flag not in text] == []


def test_manual_is_well_formed() -> None:
    """No line of text begins with what man(7) takes for an order."""
    known = {".TH", ".SH", ".SS", ".TP", ".B", ".I", ".PP", ".nf", ".fi"}
    orders = {line.split(" ")[0] for line in manual(make_parser()).splitlines() if line.startswith(".")}
    assert orders <= known


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("docket stat", ["status"]),
        ("docket get --aft", ["--after"]),
        ("docket --verbose topology --pri", ["--print"]),
        ("docket completion z", ["zsh"]),
    ],
)
def test_bash_completes(tmp_path: Path, words: str, expected: list[str]) -> None:
    """bash itself completes commands and options with what is installed."""
    script = tmp_path / "docket.bash"
    script.write_text(completion(make_parser(), "bash"))
    array = " ".join(words.split())
    order = (
        f"source {script}; COMP_WORDS=({array}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
        "read -r complete_docket < <(complete -p docket | grep -oE '_[a-z_]+' | tail -n 1); "
        "$complete_docket docket; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([needs.program("bash", "bash"), "-c", order], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_of_every_shell_has_every_command(shell: str) -> None:
    """Each shell learns each command."""
    text = completion(make_parser(), shell)
    assert [name for name in commands_of(make_parser()) if name not in text] == []


def test_token_goes_to_the_file_and_its_secret_to_the_person(tmp_path: Path) -> None:
    """The line on standard output holds no secret; the token is told beside it."""
    done = docket("token", "siem", environ=clean_environ(tmp_path))
    name, digest = done.stdout.split()
    assert (name, len(digest)) == ("siem", 64)
    assert "The token: " in done.stderr
    assert digest not in done.stderr
    assert docket("token", "two words", environ=clean_environ(tmp_path)).returncode == ExitCode.CONFIG
