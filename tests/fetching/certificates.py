"""TLS certificates that the openssl command makes for tests."""

import ssl
import subprocess
from pathlib import Path

from app.fetching.resolver import Resolver

_CA_CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
basicConstraints = critical, CA:true
"""


def make_certificate(folder: Path, name: str, *, is_expired: bool = False) -> Path:
    """A self-signed certificate for `name`, with its key in the same file."""
    made = folder / f"{name}-{is_expired}.pem"
    key, request, config = (folder / f"{made.stem}.{end}" for end in ("key", "csr", "cnf"))
    config.write_text(_CA_CONFIG.format(folder=folder, name=name))
    (folder / "index.txt").write_text("")
    dates = (
        ("20200101000000Z", "20200102000000Z")
        if is_expired
        else ("20200101000000Z", "20991231235959Z")
    )
    ask = f"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {key}"
    sign = f"openssl ca -batch -notext -selfsign -config {config} -keyfile {key} -out {made}"
    commands = (
        f"{ask} -subj /CN={name} -out {request}",
        f"{sign} -in {request} -startdate {dates[0]} -enddate {dates[1]}",
    )
    for command in commands:
        done = subprocess.run(command.split(), capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    made.write_text(made.read_text() + key.read_text())
    return made


def server_tls(certificate: Path) -> ssl.SSLContext:
    """A server's context with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def resolve_to_loopback() -> Resolver:
    """A resolver for which every name is 127.0.0.1."""
    return Resolver(lookup=lambda _: ["127.0.0.1"])
