"""What some parts need besides: the extras of `pyproject.toml`, and the one way to ask for them."""

from importlib.util import find_spec

MODULES = {
    "cluster": ("distributed",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "extract": ("mediapipe",),
}


def require(extra: str, purpose: str) -> None:
    """Raises ModuleNotFoundError where an extra is not installed; `purpose` says what it is for."""
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"expected the extra `{extra}` {purpose}, got no {', '.join(missing)}: "
            f"pip install -e '.[{extra}]' in jointprune's repository"
        )
