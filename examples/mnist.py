"""Trains on MNIST's images as a PyTorch script would; only the import differs: `python examples/mnist.py FOLDER`.

The folder holds the 10,000 images and labels of the test set: `t10k-images-idx3-ubyte.gz` and
`t10k-labels-idx1-ubyte.gz` (Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits). The first 9,000
are trained on, the last 1,000 held out. `--with torch` runs the same script on PyTorch, `--compare` both in turns.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

EPOCHS, BATCH, HELD_OUT = 10, 64, 1000


def read_idx(path: Path) -> Any:
    """The array in a gzipped IDX file of bytes."""
    data = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def train(torch: Any, folder: Path) -> tuple[float, float]:
    """The accuracy on the images held out, and the seconds that training took."""
    nn = torch.nn
    torch.manual_seed(0)
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz").reshape(-1, 784)
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz")
    x = torch.from_numpy(images.astype(np.float32) / 255)
    y = torch.from_numpy(labels.astype(np.int64))
    x, x_test, y, y_test = x[:-HELD_OUT], x[-HELD_OUT:], y[:-HELD_OUT], y[-HELD_OUT:]

    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    began = time.perf_counter()
    for epoch in range(EPOCHS):
        total = 0.0
        for b in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[b]), y[b])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(b)
        print(f"epoch {epoch + 1:2}  loss {total / len(x):.4f}", file=sys.stderr)
    seconds = time.perf_counter() - began

    with torch.no_grad():
        right = (model(x_test).argmax(1) == y_test).sum().item()
    return right / HELD_OUT, seconds


def compare(folder: Path, rounds: int = 5) -> None:
    """Runs the script on both frameworks in turns and prints the median ratio of their times."""
    ratios = []
    for _ in range(rounds):
        seconds = {}
        for framework in ("retrograd", "torch"):
            command = [sys.executable, __file__, str(folder), "--with", framework]
            out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
            print(out.stdout, end="", flush=True)
            seconds[framework] = float(out.stdout.split()[-2])
        ratios.append(seconds["retrograd"] / seconds["torch"])
    print(f"retrograd takes {median(ratios):.2f} of torch's time, the median of {rounds} pairs")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--with", dest="framework", default="retrograd", choices=["retrograd", "torch"])
    parser.add_argument("--compare", action="store_true", help="both frameworks in turns")
    args = parser.parse_args()
    if args.folder is None:
        parser.print_help()
        return
    if args.compare:
        compare(args.folder)
        return
    accuracy, seconds = train(importlib.import_module(args.framework), args.folder)
    print(f"{args.framework}: accuracy {accuracy:.1%} after {EPOCHS} epochs in {seconds:.2f} s")


if __name__ == "__main__":
    main()
