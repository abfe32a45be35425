"""JupyterLab on a folder, for a browser to open, without the user's settings or the network."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

SETTINGS = {
    # All cells stay in the page, so that a test also finds those outside the window.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PATIENCE = 60.0  # seconds


@contextmanager
def jupyter_lab(notebooks: Path, home: Path):
    """Serve `notebooks`, with `home` in place of the user's folders; yields name -> address."""
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {
        f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in ("config", "data", "runtime")
    }
    for name in ("settings", "workspaces"):
        own[f"JUPYTERLAB_{name.upper()}_DIR"] = str(home / name)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               f"--ServerApp.root_dir={notebooks}"]  # fmt: skip
    with (home / "log").open("w") as log:
        environment = os.environ | own | {"JUPYTER_TOKEN": token}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://localhost:{port}/api?token={token}", server, home / "log")
        yield lambda name: f"http://localhost:{port}/lab/tree/{name}?token={token}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(timeout=PATIENCE)


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"expected JupyterLab to answer in {PATIENCE:.0f} s, got {log.read_text()}")
