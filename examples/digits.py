"""Trains a small network on handwritten digits, as any training script would: `python examples/digits.py`."""

from __future__ import annotations

import retrograd as rg
from retrograd import nn, optim
from retrograd.datasets import digits

rg.manual_seed(0)
images, labels = digits()
order = rg.randperm(len(labels))
test, train = order[:360], order[360:]

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(20):
    total = 0.0
    shuffled = train[rg.randperm(len(train))]
    batches = [shuffled[i : i + 64] for i in range(0, len(shuffled), 64)]
    for batch in batches:
        optimizer.zero_grad()
        loss = criterion(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2}  loss {total / len(batches):.4f}")

model.eval()
with rg.no_grad():
    right = (model(images[test]).argmax(1) == labels[test]).sum().item()
print(f"test accuracy {right / len(test):.1%}")
