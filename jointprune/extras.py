"""The optional dependencies (extras) declared in `pyproject.toml`."""

from importlib.util import find_spec

MODULES = {
    "cluster": ("distributed",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "extract": ("mediapipe",),
}


def require(extra: str, purpose: str) -> None:
    """Raise ModuleNotFoundError if modules of `extra` are missing; `purpose` says what for."""
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"expected the extra `{extra}` {purpose}, got no {', '.join(missing)}: "
            f"pip install -e '.[{extra}]' in jointprune's repository"
        )
