"""The sections of the report, each of which measures and prints."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from benches import (
    bench_elementwise,
    bench_gemm,
    bench_gemm_bf16,
    bench_layouts,
    bench_overheads,
    bench_workloads,
    footprint,
    memory,
    peers,
    regions,
)
from benches.interleave import Comparison, Plan, Worker, compare
from benches.machine import Machine
from benches.models import MODELS
from benches.roofline import Point, draw
from benches.table import Table, geometric_mean, number, time

__all__ = ["SECTIONS", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What the report is asked for."""

    machine: Machine | None
    threads: tuple[int, ...]
    plan: Plan
    only: Callable[[str], bool]
    torch_compile: bool = False

    def limit(self, what: str, threads: int) -> float | None:
        """A limit of this machine, where it can be measured."""
        return self.machine.limit(what, threads) if self.machine is not None else None

    def beside(self, what: str | Callable[[str], str], threads: int) -> Callable[[str], float] | None:
        """How to measure a limit, which may depend on the case's name, between other measurements."""
        if (machine := self.machine) is None:
            return None
        return lambda name: machine.limit(what if isinstance(what, str) else what(name), threads)


def _ratios(result: Comparison, among: list[str]) -> list[str]:
    """Each peer's time over ours."""
    return [number(result.ratio(peer)) if peer in result.times else "" for peer in among]


def _here(among: list[str]) -> list[str]:
    return [peer for peer in among if peers.installed(peer)]


def machine(settings: Settings) -> None:
    """The processor, the peers and the limits."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load {load:.1f}")
    versions = {peers.PEERS[peer]: peers.version(peer) for peer in peers.PEERS if peers.installed(peer)}
    print("Python", platform.python_version(), *(f"{name} {version}" for name, version in versions.items()), sep=", ")
    if settings.machine is None:
        print("limits are not known: build rust/kernels/examples/peak.rs")
        return
    table = Table("limit", *(f"{n} thread{'s'[: n > 1]}" for n in settings.threads))
    units = {"f32": "GFLOP/s", "f64": "GFLOP/s", "bf16": "GFLOP/s", "triad": "GB/s", "read": "GB/s"}
    for what, unit in units.items():
        table.row(f"{what} {unit}", *(number(settings.limit(what, n)) for n in settings.threads))


def _products(settings: Settings, module: ModuleType, dtype: str) -> None:
    others = _here(module.PEERS[1:])
    for threads in settings.threads:
        print(f"Matrix products of {dtype} on {threads} thread(s): fractions of the peak, peers' time / ours")
        table = Table("m x k x n", *(_here(module.PEERS)), *(f"{p}/ours" for p in others), "best/ours")
        large: list[float] = []
        small: list[float] = []
        worst = (float("inf"), "")
        beside = settings.beside(dtype, threads)
        results = compare(module.__name__, module.PEERS, threads, settings.plan, only=settings.only, beside=beside)
        for result in results:
            work = bench_gemm.flops(result.name)
            best = min((result.ratio(peer) for peer in others), default=float("nan"))
            (large if work > 1e7 else small).append(best)
            worst = min(worst, (best, result.name))
            fractions = [
                number(result.against_beside(peer, work * 1e-9)) if result.beside else time(result.seconds(peer))
                for peer in _here(module.PEERS)
            ]
            table.row(result.name, *fractions, *_ratios(result, others), number(best))
        for what, ratios in (("above 1e7 FLOP", large), ("below", small)):
            if ratios:
                print(f"geometric mean of best/ours {what}: {number(geometric_mean(ratios))} over {len(ratios)} shapes")
        print(f"worst: {number(worst[0])} at {worst[1]}\n")


def gemm(settings: Settings) -> None:
    """Products of float32 as fractions of the peak beside them, and peers' times over ours."""
    _products(settings, bench_gemm, "f32")


def gemm_bf16(settings: Settings) -> None:
    """Products of bfloat16 likewise."""
    _products(settings, bench_gemm_bf16, "bf16")


def elementwise(settings: Settings) -> None:
    """Operations as fractions of bandwidth, and peers' times over ours; then operands that are not contiguous."""
    others = _here(bench_elementwise.PEERS[1:])
    for threads in settings.threads:
        print(
            f"Elementwise operations on {threads} thread(s), fresh results: fraction of bandwidth, peers' time / ours"
        )
        table = Table("operation", "ours", "bandwidth", *(f"{p}/ours" for p in others), "faults")
        beside = settings.beside(lambda name: bench_elementwise.traffic(name)[0], threads)
        results = compare(
            bench_elementwise.__name__,
            bench_elementwise.PEERS,
            threads,
            settings.plan,
            only=settings.only,
            beside=beside,
        )
        for result in results:
            moved = bench_elementwise.traffic(result.name)[1] * 1e-9
            far = result.beside and result.name.endswith("1e7")
            fraction = number(result.fraction(peers.OURS, moved)) if far else ""
            faults = number(result.faults[peers.OURS])
            table.row(result.name, time(result.seconds(peers.OURS)), fraction, *_ratios(result, others), faults)
        print()
        _layouts(settings, threads)


def _layouts(settings: Settings, threads: int) -> None:
    others = _here(bench_layouts.PEERS[1:])
    print(f"Operands that are not contiguous, on {threads} thread(s): our time / contiguous, peers' time / ours")
    table = Table("operation", "ours", "contiguous", *(f"{p}/ours" for p in others))
    module = bench_layouts.__name__
    with Worker(module, peers.OURS, threads) as contiguous:

        def beside(name: str) -> float:
            return 1 / contiguous.time(bench_layouts.contiguous(name), settings.plan.seconds)["seconds"]

        only = settings.only
        for result in compare(module, bench_layouts.PEERS, threads, settings.plan, only=only, beside=beside):
            slower = number(1 / result.fraction(peers.OURS, 1.0))
            table.row(result.name, time(result.seconds(peers.OURS)), slower, *_ratios(result, others))
    print()


def overheads(settings: Settings) -> None:
    """Small operations on one thread, imports and sizes."""
    others = _here(bench_overheads.PEERS[1:])
    print("Overheads on one thread: time, peers' time / ours")
    table = Table("operation", *_here(bench_overheads.PEERS), *(f"{p}/ours" for p in others))
    for result in compare(bench_overheads.__name__, bench_overheads.PEERS, 1, settings.plan, only=settings.only):
        times = [time(result.seconds(peer)) if peer in result.times else "" for peer in _here(bench_overheads.PEERS)]
        table.row(result.name, *times, *_ratios(result, others))
    print()
    table = Table("package", "import", "installed", "wheel")
    for name, seconds in footprint.import_times().items():
        size = footprint.installed_bytes(name)
        wheel = footprint.wheel_bytes() if name == peers.OURS else None
        table.row(name, time(seconds), *(f"{number(n / 1e6)} MB" if n else "" for n in (size, wheel)))
    print("imports are on top of NumPy's\n")


def workloads(settings: Settings) -> None:
    """Training steps, eager and compiled."""
    among = bench_workloads.PEERS + ["torch.compile"] * settings.torch_compile
    others = _here([peer for peer in among if peer != peers.OURS])
    for threads in settings.threads:
        print(f"Training steps on {threads} thread(s): our eager step, its fraction of the peak, peers' time / ours")
        table = Table("workload", "ours", "peak", *(f"{p}/ours" for p in others), "faults")
        beside = settings.beside("f32", threads)
        for result in compare(
            bench_workloads.__name__, among, threads, settings.plan, only=settings.only, beside=beside
        ):
            gflop = MODELS[result.name].gflop
            fraction = number(result.against_beside(peers.OURS, gflop)) if result.beside else ""
            faults = number(result.faults[peers.OURS])
            table.row(result.name, time(result.seconds(peers.OURS)), fraction, *_ratios(result, others), faults)
        print()


def memory_of_steps(settings: Settings) -> None:
    """What training steps take of memory, each in a process of its own."""
    among = _here(["retrograd", "retrograd.compile", "torch"])
    print("Memory of training steps on one thread: peak over what the import left, minor page faults a step")
    table = Table("workload", *(f"{peer} {what}" for peer in among for what in ("MB", "faults")))
    steps = {"tiny": 2000, "mlp": 200, "mlp_wide": 20}
    for name in filter(settings.only, MODELS):
        found = [memory.measure(peer, name, steps[name]) for peer in among]
        cells = [(number(m.peak / 1e6), number(m.faults)) if m is not None else ("", "") for m in found]
        table.row(name, *(cell for pair in cells for cell in pair))
    if settings.only(memory.VARIED):
        count = 200_000 if settings.plan.rounds > 3 else 20_000
        found = [memory.measure(peers.OURS, memory.VARIED, count)]
        for m in filter(None, found):
            print(f"{memory.VARIED}: {number(m.growth / 1e6)} MB of growth over {count} eager steps")
    print()


def thread_pool(settings: Settings) -> None:
    """What parallel regions cost beyond their work, and what idle workers burn."""
    among = _here(["retrograd", "torch"])
    for count in settings.threads:
        if count < 2:
            continue
        print(
            f"Parallel regions on {count} threads: time beyond the work; "
            "a cache line from core to core; processor time in 0.2 s of sleep after one"
        )
        table = Table("region", "time")
        for name, seconds in regions.times(count).items():
            table.row(name, time(seconds))
        for peer in among:
            table.row(f"idle, {peer}", time(regions.burnt_while_idle(peer, count)))
        print()


def roofline(settings: Settings) -> None:
    """Draws what our kernels and steps reach under the machine's limits, on each number of threads."""
    if settings.machine is None:
        return
    for threads in settings.threads:
        points = []
        ours, plan = [peers.OURS], settings.plan
        for result in compare(bench_gemm.__name__, ours, threads, plan, only=settings.only):
            flop, moved = bench_gemm.flops(result.name), bench_gemm.traffic(result.name)
            points.append(Point(result.name, "matrix products", flop, moved, result.seconds(peers.OURS)))
        for result in compare(bench_elementwise.__name__, ours, threads, plan, only=settings.only):
            flop, moved = bench_elementwise.operations(result.name), bench_elementwise.traffic(result.name)[1]
            points.append(Point(result.name, "elementwise", flop, moved, result.seconds(peers.OURS)))
        for result in compare(bench_workloads.__name__, ours, threads, plan, only=settings.only):
            model = MODELS[result.name]
            # Each parameter, its gradient and the optimizer's state are read and written once, and the batch is read.
            parameters = sum((n + 1) * m for n, m in pairwise(model.sizes))
            moved = 4.0 * (8 * parameters + model.batch * model.sizes[0])
            points.append(Point(result.name, "training steps", model.gflop * 1e9, moved, result.seconds(peers.OURS)))
        path = Path("roofline.svg" if threads == 1 else f"roofline-{threads}.svg")
        title = f"float32 on {threads} thread{'s'[: threads > 1]}"
        peak, bandwidth = (settings.machine.limit(what, threads) * 1e9 for what in ("f32", "triad"))
        draw(path, title, peak, bandwidth, points)
        print(f"{path}: {len(points)} kernels and steps under the roofline\n")


SECTIONS: dict[str, Callable[[Settings], None]] = {
    "machine": machine,
    "gemm": gemm,
    "gemm-bf16": gemm_bf16,
    "elementwise": elementwise,
    "overheads": overheads,
    "workloads": workloads,
    "memory": memory_of_steps,
    "threads": thread_pool,
    "roofline": roofline,
}
