"""Certificates like stenographer's own: X.509 version 1, a common name, no subjectAltName. Made by openssl.

Elliptic keys in place of stenographer's RSA with 4096 bits, since a test has no four seconds to wait for one.
"""

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.needs import program

_CONFIG = """
[req]
prompt = no
distinguished_name = dn
[dn]
C = XX
O = Stenographer
CN = {name}
[ca_extensions]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[ca]
default_ca = issuer
[issuer]
certificate = {directory}/ca_cert.pem
private_key = {directory}/ca_key.pem
new_certs_dir = {directory}
database = {directory}/index.txt
rand_serial = yes
unique_subject = no
default_md = sha256
policy = names
[names]
countryName = match
organizationName = match
commonName = supplied
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority of one sensor, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Make the directory and the CA in it."""
        self._openssl = program("openssl", "openssl")
        self._directory = directory
        self._numbers = itertools.count(1)
        directory.mkdir(parents=True)
        (directory / "index.txt").touch()
        self.ca = self._pair("ca_cert", "ca_key")
        request = ["req", "-new", "-x509", "-days", "30", "-extensions", "ca_extensions", "-out", str(self.ca.cert)]
        self._run(*request, *self._new_key(self.ca.key, "*.steno"))

    def issue(self, name: str, *, expired: bool = False) -> Pair:
        """Issue a certificate for a common name; an expired one was good on the first day of 2020 only."""
        number = next(self._numbers)
        pair = self._pair(f"{name}_cert_{number}", f"{name}_key_{number}")
        request = pair.cert.with_suffix(".csr")
        self._run("req", "-new", "-out", str(request), *self._new_key(pair.key, name))
        end = "20200102000000Z" if expired else "20990101000000Z"
        signing = ["-batch", "-notext", "-startdate", "20200101000000Z", "-enddate", end]
        self._run("ca", *self._config(name), *signing, "-in", str(request), "-out", str(pair.cert))
        return pair

    def _pair(self, cert: str, key: str) -> Pair:
        return Pair(self._directory / f"{cert}.pem", self._directory / f"{key}.pem")

    def _new_key(self, key: Path, name: str) -> list[str]:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return [*curve, "-keyout", str(key), *self._config(name)]

    def _config(self, name: str) -> list[str]:
        config = self._directory / "openssl.cnf"
        config.write_text(_CONFIG.format(name=name, directory=self._directory))
        return ["-config", str(config)]

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._openssl, *arguments], check=True, capture_output=True, timeout=30)
