"""Several Python threads, forked processes, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import retrograd as rg
from checks.programs import TIMEOUT, run
from retrograd import Tensor, nn, optim
from retrograd.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((64, 32)).astype(np.float32)
Y = RNG.integers(0, 5, 64)


def train(state: dict[str, Tensor], steps: int, compiled: bool) -> list[bytes]:
    net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 5))
    net.load_state_dict(state)
    optimizer = optim.Adam(net.parameters(), lr=1e-2)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = rg.compile(step) if compiled else step
    x, y = rg.tensor(X), rg.tensor(Y)
    return [run(x, y).numpy().tobytes() for _ in range(steps)]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_many_threads_train_at_once(compiled: bool) -> None:
    state = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 5)).state_dict()
    want = train(state, 50, compiled)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(train, state, 50, compiled) for _ in range(8)]
        assert all(f.result() == want for f in futures)


def test_grad_mode_belongs_to_the_thread() -> None:
    inside = threading.Event()
    leave = threading.Event()

    def other() -> None:
        with rg.no_grad():
            inside.set()
            leave.wait(TIMEOUT)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(TIMEOUT)
    try:
        assert rg.is_grad_enabled()
        assert (rg.ones(1, requires_grad=True) * 2).requires_grad
    finally:
        leave.set()
        thread.join()


def test_one_tensor_in_many_threads() -> None:
    x = rg.tensor(X, requires_grad=True)

    def work(_: int) -> float:
        (g,) = rg.autograd.grad((x @ x.t()).tanh().sum(), [x])
        return float(g.sum().item())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(64)))) == 1


def test_backward_from_many_threads_into_one_leaf() -> None:
    w = rg.ones(4, requires_grad=True)

    def work(_: int) -> None:
        (w * 2).sum().backward()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert w.grad is not None
    assert w.grad.tolist() == [200] * 4


def test_no_gradient_is_lost_between_threads() -> None:
    # Large enough that additions meet; a layer's gradients are added by the product itself.
    leaf = rg.zeros(200_000, requires_grad=True)
    layer = nn.Linear(256, 256)
    x = rg.ones(64, 256)
    leaves = [leaf, *layer.parameters()]
    (leaf.sum() + layer(x).sum()).backward()
    once = [p.grad.numpy().copy() for p in leaves if p.grad is not None]

    def work(_: int) -> None:
        for _ in range(30):
            (leaf.sum() + layer(x).sum()).backward()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for p, grad in zip(leaves, once, strict=True):
        assert p.grad is not None
        np.testing.assert_array_equal(p.grad.numpy(), grad * 121)


def test_set_num_threads() -> None:
    before = rg.get_num_threads()
    try:
        rg.set_num_threads(3)
        assert rg.get_num_threads() == 3
        a = rg.tensor(RNG.standard_normal((300, 300)))
        np.testing.assert_allclose((a @ a).numpy(), a.numpy() @ a.numpy(), atol=1e-10)
        for bad in (0, -1):
            with pytest.raises((ValueError, OverflowError)):
                rg.set_num_threads(bad)
        with pytest.raises(TypeError):
            rg.set_num_threads("2")  # type: ignore[arg-type]
    finally:
        rg.set_num_threads(before)


def test_the_environment_sets_the_number_of_threads() -> None:
    code = "import retrograd as rg; print(rg.get_num_threads())"
    assert run(code, env={"RETROGRAD_NUM_THREADS": "3"}) == "3\n"
    assert run(code, env={"RETROGRAD_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}) == "2\n"


FORK = """
    import os, sys
    import numpy as np
    import retrograd as rg
    from retrograd import nn, optim

    def train():
        rg.manual_seed(1)
        net = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1))
        optimizer = optim.SGD(net.parameters(), lr=0.01)
        x = rg.tensor(np.random.default_rng(0).standard_normal((512, 256)).astype(np.float32))
        for _ in range(5):
            optimizer.zero_grad()
            loss = (net(x) * net(x)).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    rg.set_num_threads(3)
    want = train()  # The pool is running when we fork.
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            ok = train() == want
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if train() == want else 1)
            ok &= os.waitpid(grandchild, 0)[1] == 0
            os._exit(0 if ok else 1)
        children.append(pid)
    assert train() == want
    print([os.waitpid(pid, 0)[1] for pid in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_training_survives_fork() -> None:
    assert run(FORK) == "[0, 0, 0, 0]\n"


# What is done before, what two threads do all the time, and what must hold in a child forked meanwhile: a thread that
# the child does not have may hold a lock.
FORKED: dict[str, tuple[str, str, str]] = {
    "a product": (
        "rg.set_num_threads(2); a = rg.randn(200, 200); ones = rg.ones(200, 200)",
        "a @ a",
        "(ones @ ones).sum().item() == 200 ** 3",
    ),
    "adding to a gradient": (
        "w = rg.zeros(1_000_000, requires_grad=True)",
        "w.sum().backward()",
        "w.sum().backward() is None",
    ),
    "a replay": (
        "a = rg.ones(300, 300); step = rg.compile(lambda x: x @ x @ x); want = step(a)[0, 0].item()",
        "step(a)",
        "step(a)[0, 0].item() == want",
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("what", FORKED)
def test_fork_while_other_threads_work(what: str) -> None:
    setup, busy, check = FORKED[what]
    code = f"""
        import os, threading, warnings
        import retrograd as rg
        warnings.simplefilter("ignore")
        {setup}
        stop = threading.Event()

        def work():
            while not stop.is_set():
                {busy}

        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        statuses = []
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if {check} else 1)
            statuses.append(os.waitpid(pid, 0)[1])
        stop.set()
        for t in threads:
            t.join()
        print(set(statuses))
    """
    assert run(code) == "{0}\n"


INTERRUPT = {
    "forward": """
        a = rg.randn(300, 300)
        print("ready", flush=True)
        while True:
            a @ a
    """,
    "backward": """
        x = rg.randn(1000, requires_grad=True)
        y = x
        for _ in range(200_000):
            y = y * 1.0
        print("ready", flush=True)
        while True:
            y.sum().backward(retain_graph=True)
    """,
    "replay": """
        p = rg.randn(100, 100, requires_grad=True)

        @rg.compile
        def step(x):
            y = x
            for _ in range(2000):
                y = (y @ p).tanh()
            return y.sum()

        x = rg.randn(100, 100)
        step(x)
        print("ready", flush=True)
        while True:
            step(x)
    """,
}


@pytest.mark.parametrize("kind", INTERRUPT)
def test_control_c(kind: str) -> None:
    lines = [line[8:] for line in INTERRUPT[kind].splitlines()]
    body = "\n".join("    " + line for line in lines)
    # A program started in the background may have inherited that SIGINT is ignored.
    code = f"""import signal
import retrograd as rg
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
{body}
except KeyboardInterrupt:
    x = rg.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    print("interrupted", x.grad.tolist())
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
        process.wait()
    assert out == "interrupted [2.0, 2.0]\n"
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_a_replay_is_not_begun_in_the_middle_of_itself() -> None:
    """A signal's handler runs between two kernels of a replay: it must not wait for that one to end."""
    code = """import signal
import retrograd as rg
a = rg.rand(256, 256)
errors = []
def handle(number, frame):
    try:
        step(a)
    except RuntimeError as error:
        errors.append(str(error))
def chain(x, n):
    for _ in range(n):
        x = (x @ a) * 0.01
    return x
signal.signal(signal.SIGALRM, handle)
for n in (64, 256, 1024, 4096):
    step = rg.compile(lambda x, n=n: chain(x, n))
    want = step(a).tolist()
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    assert step(a).tolist() == want
    signal.setitimer(signal.ITIMER_REAL, 0)
    if errors:
        break
assert "handler" in errors[0]
assert step(a).tolist() == want
"""
    run(code)
