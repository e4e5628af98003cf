"""A manifest is signed with a key from outside of the spool; its public half finds every change."""

import random
import re
import stat
import subprocess
from pathlib import Path

import pytest

from docket.errors import SpoolError
from docket.spool.layout import Spool, read_manifest
from docket.spool.signing import Signer, is_signature, public_path
from docket.spool.verification import verify_directory
from tests.spool.test_verification import EM1, TIMES_US, capture, manifest_of

CORRUPTIONS = 60


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "signing" / "private.pem"


@pytest.fixture
def job(tmp_path: Path, key: Path) -> Path:
    """A signed result as the spool has it."""
    spool = Spool(tmp_path / "spool")
    content = capture(TIMES_US)
    manifest = manifest_of(content)
    spool.create()
    spool.prepare(manifest.job)
    spool.result(manifest.job).write_bytes(content)
    spool.part(manifest.job, EM1).write_bytes(capture(TIMES_US[:2]))
    spool.write_manifest(manifest, Signer.of_file(key))
    return spool.job_directory(manifest.job)


def test_key_is_made_once_and_private(key: Path) -> None:
    """The first start makes it, 0600, with a public half that all may read; later ones use it."""
    signer = Signer.of_file(key)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, public_path(key))] == [0o600, 0o644]
    assert Signer.of_file(key).sign(b"x") == signer.sign(b"x")


def test_broken_key_is_said(key: Path) -> None:
    """What is no key signs nothing, and says which file it is."""
    key.parent.mkdir()
    key.write_text("no key")
    with pytest.raises(SpoolError, match=r"private\.pem is no private key"):
        Signer.of_file(key)


def test_signed_result_is_verified(job: Path, key: Path) -> None:
    """With the public key, and no other one."""
    assert verify_directory(job, public_path(key).read_bytes()).ok
    other = key.with_name("other") / "private.pem"
    Signer.of_file(other)
    assert not verify_directory(job, public_path(other).read_bytes()).ok


def test_openssl_alone_checks_the_signature(job: Path, key: Path) -> None:
    """Another program agrees."""
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public_path(key)), "-rawin"]
    words += ["-in", str(job / "job.json"), "-sigfile", str(job / "job.json.sig")]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (found.returncode, "Verified Successfully" in found.stdout) == (0, True)


@pytest.mark.parametrize("number", range(CORRUPTIONS))
def test_every_change_of_the_manifest_is_found(job: Path, key: Path, number: int) -> None:
    """One value after the other is changed, whatever it says."""
    path = job / "job.json"
    text = path.read_text()
    values = list(re.finditer(r'": ("[^"]*"|[-0-9.]+|null|true|false|\[\]|\{\})', text))
    chosen = values[number % len(values)]
    old = chosen[1]
    new = {0: '"x"', 1: "0", 2: "null"}[number // len(values)] if number >= len(values) else changed(old)
    path.write_text(text[: chosen.start(1)] + new + text[chosen.end(1) :])
    try:
        found = verify_directory(job, public_path(key).read_bytes()).ok
    except SpoolError:
        found = False
    assert (new == old, found) in ((False, False), (True, True))


@pytest.mark.parametrize("name", ["job.pcap", "job.json", "job.json.sig", f"parts/{EM1}.pcap"])
def test_every_change_of_bytes_is_found(job: Path, key: Path, name: str) -> None:
    """Sixty to each file: bits turned, ends cut off, bytes added, also such as make it no text at all."""
    public, path, chance = public_path(key).read_bytes(), job / name, random.Random(name)
    whole = path.read_bytes()
    for number in range(CORRUPTIONS):
        path.write_bytes(corrupted(whole, number % 4, chance))
        try:
            found = not verify_directory(job, public).ok
        except SpoolError:
            found = True
        assert found, (number, path.read_bytes())
    path.write_bytes(whole)
    assert verify_directory(job, public).ok


def corrupted(whole: bytes, kind: int, chance: random.Random) -> bytes:
    place = chance.randrange(len(whole))
    turned = whole[place] ^ (0x80 if kind == 0 else 1 << chance.randrange(8))
    return (
        whole[:place] + bytes([turned]) + whole[place + 1 :],
        whole[:place] + bytes([turned]) + whole[place + 1 :],
        whole[:place],
        whole + chance.randbytes(1 + place % 80),
    )[kind]


def changed(value: str) -> str:
    if value.startswith('"'):
        return f'{value[:-1]}0"'
    return "7" if value in ("null", "true", "false", "0") or not value.isdigit() else f"{value}0"


def test_a_removed_or_foreign_signature_is_found(job: Path, key: Path) -> None:
    """No signature, a cut one and one of another text are not one of this manifest."""
    public = public_path(key).read_bytes()
    signature = job / "job.json.sig"
    whole = signature.read_bytes()
    for body in (whole[:-1], bytes(64), b"", Signer.of_file(key).sign(b"else")):
        signature.write_bytes(body)
        assert not verify_directory(job, public).ok
    signature.unlink()
    assert not verify_directory(job, public).ok
    assert is_signature(whole, (job / "job.json").read_bytes(), public)


def test_a_manifest_without_signer_has_no_signature(job: Path) -> None:
    """That of an earlier revision goes with its manifest."""
    spool = Spool(job.parent.parent)
    spool.write_manifest(read_manifest(job / "job.json"))
    assert not (job / "job.json.sig").exists()
