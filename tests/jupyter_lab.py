"""JupyterLab on a folder, for a browser to open: nobody's settings, no news from the network."""

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
    # All cells stay in the page, so that a test finds what is out of sight.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
START = 60.0  # seconds


@contextmanager
def jupyter_lab(notebooks: Path, home: Path):
    """Serve `notebooks`; yields a function from a notebook's name to its address.

    `home` takes what Jupyter would keep in the user's own folders.
    """
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    token, port = secrets.token_hex(16), _free_port()
    own = {"JUPYTER_TOKEN": token, "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    for name in ("CONFIG", "RUNTIME", "DATA"):
        own[f"JUPYTER_{name}_DIR"] = str(home / name.lower())
    own["JUPYTERLAB_WORKSPACES_DIR"] = str(home / "workspaces")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               f"--ServerApp.root_dir={notebooks}"]  # fmt: skip
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        _wait(f"http://localhost:{port}/api?token={token}", server, home / "log")
        yield lambda name: f"http://localhost:{port}/lab/tree/{name}?token={token}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(timeout=START)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return taken.getsockname()[1]


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"expected JupyterLab to answer in {START:.0f} s, got: {log.read_text()}")
