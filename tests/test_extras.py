"""Optional dependencies: modules match `pyproject.toml`, and errors say how to install them."""

import tomllib

import pytest
from packaging.requirements import Requirement

from jointprune import extras
from jointprune.workspace import ROOT


def test_the_modules_of_an_extra_are_declared_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, modules in extras.MODULES.items():
        declared = {Requirement(line).name for line in project["optional-dependencies"][extra]}
        assert set(modules) <= declared


def test_missing_modules_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "export", ("json", "no_such_module", "nor_this"))
    with pytest.raises(ModuleNotFoundError) as caught:
        extras.require("export", "to test")
    assert str(caught.value) == (
        "expected the extra `export` to test, got no no_such_module, nor_this: "
        "pip install -e '.[export]' in jointprune's repository"
    )
