"""The demo: a network learns to read handwritten digits.

It uses the public interface only, as any training script does.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import retrograd as rg
from retrograd import nn, optim
from retrograd.cli.plot import Line, line_plot
from retrograd.cli.terminal import ProgressBar, confusion_matrix
from retrograd.datasets import digits

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """What the command line chooses."""

    epochs: int = 30
    seed: int = 0
    batch_size: int = 64
    lr: float = 2e-3
    output: Path = Path("retrograd-demo.png")
    compile: bool = False


def model() -> nn.Sequential:
    """64 pixels, two hidden layers, ten classes."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 10),
    )


def run(options: Options) -> int:
    """Trains, tests, shows; returns the exit status."""
    rg.manual_seed(options.seed)
    images, labels = digits()
    order = rg.randperm(len(labels))
    held_out = len(labels) // 5
    test, train = order[:held_out], order[held_out:]
    train_images, train_labels = images[train], labels[train]
    test_images, test_labels = images[test], labels[test]

    net = model()
    optimizer = optim.AdamW(net.parameters(), lr=options.lr)
    criterion = nn.CrossEntropyLoss()
    parameters = sum(p.numel() for p in net.parameters())
    print(
        f"Handwritten digits: {len(train)} to learn from, {held_out} held out. {parameters:,} parameters; "
        f"{rg.get_num_threads()} threads, {rg.simd_level()}."
    )

    def step(x: rg.Tensor, y: rg.Tensor) -> tuple[rg.Tensor, rg.Tensor]:
        optimizer.zero_grad()
        logits = net(x)
        loss = criterion(logits, y)
        loss.backward()
        optimizer.step()
        return loss.detach(), (logits.detach().argmax(1) == y).sum()

    train_step = rg.compile(step) if options.compile else step
    batch = min(options.batch_size, len(train))
    # Whole batches only: what is left over takes part in another epoch's shuffle.
    batches = len(train) // batch
    bar = ProgressBar(options.epochs)
    losses: list[float] = []
    seconds = 0.0
    for epoch in range(1, options.epochs + 1):
        start = time.perf_counter()
        shuffled = rg.randperm(len(train))
        right = 0
        for i in range(batches):
            chosen = shuffled[i * batch : (i + 1) * batch]
            loss, hits = train_step(train_images[chosen], train_labels[chosen])
            losses.append(loss.item())
            right += int(hits.item())
        seconds += time.perf_counter() - start
        mean = sum(losses[-batches:]) / batches
        accuracy = right / (batches * batch)
        bar.update(epoch, f"epoch {epoch:{len(str(options.epochs))}}  loss {mean:.4f}  accuracy {accuracy:6.1%}")

    net.eval()
    with rg.no_grad():
        predicted = net(test_images).argmax(1).numpy()
    true = test_labels.numpy()
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (true, predicted), 1)
    correct = int(np.trace(counts))
    print(f"Trained in {seconds:.2f} s, {1e6 * seconds / (batches * options.epochs):.0f} µs a step.\n")
    print(confusion_matrix(counts))
    print(f"\nTest accuracy {correct / held_out:.2%} ({correct} of {held_out}).")
    return _plot(options, losses, batches)


def _plot(options: Options, losses: list[float], batches: int) -> int:
    epochs = [(i + 1) / batches for i in range(len(losses))]
    means = [sum(losses[i : i + batches]) / batches for i in range(0, len(losses), batches)]
    lines = [
        Line("each step", (190, 210, 235), epochs, losses),
        Line("mean of the epoch", (25, 90, 170), [i + 0.5 for i in range(options.epochs)], means),
    ]
    try:
        line_plot(options.output, "training loss (cross-entropy)", "epoch", lines)
    except (OSError, ValueError) as error:
        print(f"No picture of the loss: {error}", file=sys.stderr)
        return 1
    print(f"The loss curve: {options.output}")
    return 0
