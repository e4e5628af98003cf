"""Certificates as stenographer's own stenokeys makes them: on Debian 12 X.509 v1, a CN and no subjectAltName.

That of Debian 13 writes the names as subjectAltName, too; where it is installed, ours do so as well.

The commands and their settings are those of stenokeys, so the shape follows OpenSSL the same way; only the keys
are shorter, because a 4096-bit key takes seconds. A test compares both.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services import needs

_KEY_BITS = "2048"

_REQUEST = """\
[ req ]
default_md = sha256
prompt = no
distinguished_name = dn
[ dn ]
countryName = XX
organizationName = Stenographer
commonName = {name}
[ ca_ext ]
keyUsage = critical,keyCertSign,cRLSign
basicConstraints = critical,CA:true,pathlen:0
subjectKeyIdentifier = hash
[ client_ext ]
keyUsage = critical,digitalSignature
basicConstraints = CA:false
extendedKeyUsage = clientAuth
{names}
[ server_ext ]
keyUsage = critical,digitalSignature,keyEncipherment
basicConstraints = CA:false
extendedKeyUsage = serverAuth
{names}
[ ca_config ]
private_key = ca_key.pem
certificate = ca_cert.pem
new_certs_dir = ca
database = ca/index.txt
serial = ca/serial
default_md = default
default_days = 9999
policy = policy_match
{copied}
[ policy_match ]
organizationName = match
countryName = match
commonName = supplied
[ alternate_names ]
DNS.1 = {name}
{address}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """A directory as stenographer's CertPath wants it: ca, client and server, each *_cert.pem and *_key.pem."""

    directory: Path

    @property
    def ca(self) -> Path:
        """The CA's certificate."""
        return self.directory / "ca_cert.pem"

    @property
    def cert(self) -> Path:
        """The client's certificate."""
        return self.directory / "client_cert.pem"

    @property
    def key(self) -> Path:
        """The client's private key."""
        return self.directory / "client_key.pem"

    @property
    def server_cert(self) -> Path:
        """The server's certificate."""
        return self.directory / "server_cert.pem"

    @property
    def server_key(self) -> Path:
        """The server's private key."""
        return self.directory / "server_key.pem"


def make_certificates(directory: Path, host: str = "127.0.0.1") -> Certificates:
    """Make a CA of its own, a server certificate for the host and a client certificate in the directory."""
    directory.mkdir(parents=True)
    authority = directory / "ca"
    authority.mkdir()
    (authority / "index.txt").touch()
    (authority / "serial").write_text("1000\n")
    _make_key(directory, "ca")
    _openssl(
        directory,
        "*.steno",
        "req -new -x509 -extensions ca_ext -key ca_key.pem -out ca_cert.pem -days 9999",
    )
    for kind, name in (("client", f"{host}_client"), ("server", host)):
        _make_key(directory, kind)
        _openssl(directory, name, f"req -new -key {kind}_key.pem -out {kind}.csr -reqexts {kind}_ext -days 9999")
        _openssl(directory, name, f"ca -name ca_config -batch -notext -out {kind}_cert.pem -infiles {kind}.csr")
    return Certificates(directory)


def describe(certificate: Path) -> tuple[str, ...]:
    """Give a certificate's version, subject, issuer and extension names, one string each, as openssl says it."""
    text = subprocess.run(
        [needs.program("openssl", "openssl"), "x509", "-in", str(certificate), "-noout", "-text"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    wanted = ("Version:", "Subject:", "Issuer:", "X509v3 ", "Signature Algorithm:")
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line.startswith(wanted))


def _writes_names() -> bool:
    stenokeys = shutil.which("stenokeys", path="/usr/sbin:/usr/bin")
    return stenokeys is not None and "alternate_names" in Path(stenokeys).read_text()


def _make_key(directory: Path, kind: str) -> None:
    _run(directory, ["genrsa", "-out", f"{kind}_key.pem", _KEY_BITS])


def _openssl(directory: Path, common_name: str, arguments: str) -> None:
    config = directory / "openssl.conf"
    names, copied = ("subjectAltName = @alternate_names", "copy_extensions = copyall") if _writes_names() else ("", "")
    address = f"IP.1 = {common_name}" if re.fullmatch(r"[0-9.]+", common_name) else ""
    config.write_text(_REQUEST.format(name=common_name, names=names, copied=copied, address=address))
    command, *rest = arguments.split()
    _run(directory, [command, "-config", str(config), *rest])


def _run(directory: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [needs.program("openssl", "openssl"), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
