"""Certificates and tokens of the test's cluster, and the Secrets that hold them."""

import json
import pathlib
import re

import release

user = {}  # what pacictl is given in its environment: of a user with a token, role admin


def make(folder):
    """New ones in the folder, of the same authority as before, and the Secrets of the namespace that hold them."""
    folder.mkdir(exist_ok=True)
    release.run(release.ROOT / "deploy/tls/make_certs.sh", folder, release.ADDRESS.split(":")[0])
    for secret, owner in (("coordinator-tls", "coordinator"), ("worker-tls", "worker"), ("client-tls", "admin"),
                          ("metrics-tls", "metrics")):
        keep(secret, {"tls.crt": folder / f"{owner}.pem", "tls.key": folder / f"{owner}.key", "ca.crt": folder / "ca.pem"})
    token = json.loads(release.run(release.ROOT / "build/bin/pacictl", "token", "anna", "admin", "-o", "json"))
    (folder / "tokens").write_text(token["line"] + "\n")
    keep("users", {"tokens": folder / "tokens"})
    (folder / "token").write_text(token["token"])
    user.update(PACI_TLS_CA=str(folder / "ca.pem"), PACI_TOKEN_FILE=str(folder / "token"))


def keep(secret, files):
    options = [f"--from-file={key}={file}" for key, file in files.items()]
    manifest = release.kubectl("create", "secret", "generic", secret, *options, "--dry-run=client", "-o", "yaml")
    release.kubectl("apply", "-f", "-", stdin=manifest)


def serial(certificate):
    return release.run("openssl", "x509", "-noout", "-serial", stdin=certificate).strip()


def serial_in(folder):
    return serial((folder / "coordinator.pem").read_text())


def serial_that_is_served():
    shown = release.run("openssl", "s_client", "-connect", release.ADDRESS, "-alpn", "h2", stdin="")
    return serial(re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown, re.DOTALL)[0])
