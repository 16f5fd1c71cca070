"""The proxy of production: Caddy with docker/Caddyfile and a certificate chain of its own, on ports of 127.0.0.1."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import trustme

from sharecharge.testing.containers import FOLDER
from sharecharge.testing.platform import START_SECONDS
from sharecharge.testing.ports import free_port

CADDYFILE = str(FOLDER / "Caddyfile")


def find_caddy() -> str | None:
    """The one that came with a wheel, beside this Python, else one in PATH."""
    return shutil.which("caddy", path=str(Path(sys.executable).parent)) or shutil.which("caddy")


class Proxy:
    """Serves https and wss on `port`, and wallboxes without TLS on `plain_port`.

    `root` is the file with the one certificate that its clients have to trust; `web` and `ocpp` are the ports of the
    processes behind it. Use as a context manager; nothing is left behind.
    """

    def __init__(self, folder: Path, *, web: Sequence[int], ocpp: Sequence[int]) -> None:
        self.folder = folder
        self.port, self.http_port, self.plain_port = free_port(), free_port(), free_port()
        self.admin = f"127.0.0.1:{free_port()}"
        self.url = f"https://localhost:{self.port}"
        self.charger_url = f"wss://localhost:{self.port}/ocpp"
        self.root = folder / "root.pem"
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "CADDY_ADMIN": self.admin,
            "DOMAIN": "localhost",
            "HTTPS_PORT": str(self.port),
            "HTTP_PORT": str(self.http_port),
            "MORE_SITES": str(FOLDER / "plain-ws.caddy"),
            "PLAIN_WS_PORT": str(self.plain_port),
            "TLS_FILES": self._certificates(),
            "WEB_UPSTREAMS": addresses(web),
            "OCPP_UPSTREAMS": addresses(ocpp),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def _certificates(self) -> str:
        """Root → intermediate → leaf for localhost and 127.0.0.1, as of a public authority."""
        rsa = trustme.KeyType.RSA
        root = trustme.CA(organization_name="Root of the test", key_type=rsa)
        leaf = root.create_child_ca(key_type=rsa).issue_cert("localhost", "127.0.0.1", key_type=rsa)
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        root.cert_pem.write_to_path(self.root)
        chain.write_bytes(b"".join(certificate.bytes() for certificate in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return f"{chain} {key}"

    def start(self) -> Self:
        """Returns when it listens. Raises RuntimeError with its last words when it does not."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(find_caddy()), "run", "--config", CADDYFILE], env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the proxy did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def reload(self) -> None:
        """Puts a configuration in the place of the running one, as after an edit."""
        command = [str(find_caddy()), "reload", "--config", CADDYFILE, "--address", self.admin, "--force"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    def stop(self) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def addresses(ports: Sequence[int]) -> str:
    return " ".join(["addresses", *(f"127.0.0.1:{port}" for port in ports)])
