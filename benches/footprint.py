"""What a package costs before it does anything: time to import, and bytes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from statistics import median

from benches import peers

__all__ = ["import_times", "installed_bytes", "wheel_bytes"]

_DIST = Path(__file__).parent.parent / "dist"


def import_times(rounds: int = 7) -> dict[str, float]:
    """Seconds to import each installed package, in turns; all but NumPy's are on top of NumPy's."""
    packages = [name for name in ("numpy", "retrograd", "torch", "jax") if peers.installed(name)]
    times: dict[str, list[float]] = {name: [] for name in packages}
    for _ in range(rounds):
        for name in packages:
            before = "" if name == "numpy" else "import numpy\n"
            code = (
                f"{before}import time\nbegan = time.process_time()\nimport {name}\nprint(time.process_time() - began)"
            )
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            times[name].append(float(done.stdout))
    return {name: median(values) for name, values in times.items()}


def installed_bytes(package: str) -> int:
    """The size of an installed package's files, compiled Python left out."""
    parts = ("jax", "jaxlib") if package == "jax" else (package,)
    folders = [Path(folder) for part in parts for folder in _folders(part)]
    files = (file for folder in folders for file in folder.rglob("*") if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in files if file.is_file())


def _folders(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


def wheel_bytes() -> int | None:
    """The size of our newest wheel in `dist/`, where there is one."""
    wheels = sorted(_DIST.glob("retrograd-*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return wheels[-1].stat().st_size if wheels else None
