"""The package as a whole: what it exports, documents, imports and contains."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import retrograd as rg
from checks.programs import run
from retrograd import Tensor, nn, optim

ROOT = Path(__file__).parents[1]
MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(rg.__path__, "retrograd.")
    if not info.name.endswith("__main__")
]


@pytest.mark.parametrize("module", [rg, *MODULES], ids=lambda m: m.__name__)
def test_everything_in_all_exists(module: ModuleType) -> None:
    assert module.__doc__
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), f"{module.__name__}.{name}"


def public() -> list[Any]:
    found = []
    for module in (
        rg,
        nn,
        nn.functional,
        nn.init,
        optim,
        rg.autograd,
        rg.datasets if hasattr(rg, "datasets") else rg,
    ):
        for name in module.__all__:
            item = getattr(module, name)
            if callable(item) or inspect.isclass(item):
                found.append(pytest.param(item, id=f"{module.__name__}.{name}"))
    return found


@pytest.mark.parametrize("item", public())
def test_everything_public_has_a_docstring(item: Any) -> None:
    assert inspect.getdoc(item), "no docstring"
    if inspect.isclass(item) and item.__module__.startswith("retrograd"):
        for name, member in vars(item).items():
            if not name.startswith("_") and callable(member):
                assert inspect.getdoc(member), f"{item.__name__}.{name} has no docstring"


def test_tensor_methods_have_docstrings() -> None:
    missing = [n for n in dir(Tensor) if not n.startswith("_") and not inspect.getdoc(getattr(Tensor, n))]
    assert missing == []


def test_importing_loads_numpy_and_little_else() -> None:
    code = """
        import sys
        import numpy
        before = set(sys.modules)
        import retrograd
        print(*sorted({m.split(".")[0] for m in set(sys.modules) - before} - {"retrograd"}))
        print("retrograd.cli" in sys.modules, "retrograd.datasets" in sys.modules)
    """
    others, late = run(code).splitlines()
    assert set(others.split()) <= {"reprlib", "_thread", "__future__", "_typing", "typing"}, others
    assert late == "False False"


def test_the_versions_agree() -> None:
    manifest = (ROOT / "Cargo.toml").read_text()
    version = re.search(r'^version = "(.+)"', manifest, re.M)
    assert version
    assert rg.__version__ == version[1]
    assert version[1] in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_is_typed_and_its_data_is_there() -> None:
    package = Path(rg.__file__).parent
    assert (package / "py.typed").exists()
    assert (package / "_core.pyi").stat().st_size > 1000
    assert (package / "datasets" / "digits.npz").stat().st_size < 60_000


SIGNATURES = {
    "nn.Linear": nn.Linear,
    "nn.Dropout": nn.Dropout,
    "nn.ReLU": nn.ReLU,
    "nn.Flatten": nn.Flatten,
    "nn.CrossEntropyLoss": nn.CrossEntropyLoss,
    "nn.MSELoss": nn.MSELoss,
    "nn.functional.cross_entropy": nn.functional.cross_entropy,
    "nn.functional.mse_loss": nn.functional.mse_loss,
    "nn.functional.dropout": nn.functional.dropout,
    "nn.functional.softmax": nn.functional.softmax,
    "nn.init.kaiming_uniform_": nn.init.kaiming_uniform_,
    "nn.init.xavier_normal_": nn.init.xavier_normal_,
    "optim.SGD": optim.SGD,
    "optim.Adam": optim.Adam,
    "optim.AdamW": optim.AdamW,
    "nn.Module.named_parameters": nn.Module.named_parameters,
    "nn.Module.named_modules": nn.Module.named_modules,
    "nn.Module.load_state_dict": nn.Module.load_state_dict,
    "nn.Module.register_buffer": nn.Module.register_buffer,
    "nn.Module.register_forward_hook": nn.Module.register_forward_hook,
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_and_defaults_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch
    for part in name.split("."):
        theirs = getattr(theirs, part)

    def arguments(f: Any) -> dict[str, Any]:
        return {p.name: p.default for p in inspect.signature(f).parameters.values()}

    ours, wanted = arguments(SIGNATURES[name]), arguments(theirs)
    assert list(ours) == list(wanted)
    for argument, default in wanted.items():
        assert ours[argument] == default or name.startswith("nn.init"), argument
