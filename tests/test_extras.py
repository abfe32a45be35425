"""Extras: what is asked for is what is declared, and what lacks is said with the way to get it."""

import tomllib

import pytest
from packaging.requirements import Requirement

from jointprune import extras
from jointprune.workspace import ROOT


@pytest.mark.parametrize("extra", extras.MODULES)
def test_an_extras_modules_are_packages_that_it_declares(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {Requirement(line).name for line in project["optional-dependencies"][extra]}
    assert set(extras.MODULES[extra]) <= declared


def test_the_modules_that_lack_are_named_with_the_command(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "export", ("json", "no_such_module", "nor_this"))
    with pytest.raises(ModuleNotFoundError) as caught:
        extras.require("export", "to test")
    assert str(caught.value) == (
        "expected the extra `export` to test, got no no_such_module, nor_this: "
        "pip install -e '.[export]' in jointprune's repository"
    )


def test_an_extra_that_is_there_is_passed(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "export", ("json", "tomllib"))
    extras.require("export", "to test")
