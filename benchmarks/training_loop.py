"""Rows per CPU second of the training loop, against one written by hand and those of other libraries.

    python benchmarks/training_loop.py
    PYTHONPATH=src PYTHON benchmarks/training_loop.py     with the Python of an environment that has them

The same network, rows, batch size and optimizer (fused AdamW) everywhere, float32, on one thread. The loops
take turns, `--repeats` times; the ratio to the loop by hand is the median over the turns, as CPU seconds
vary.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise

if os.environ.get("OMP_NUM_THREADS") != "1":
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.execv(sys.executable, [sys.executable, *sys.argv])

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from cairn.models import loop

ROWS, NUMBERS, CODES, LEVELS, WIDTH = 60_000, 20, 8, 50, 256
BATCH, RATE, DECAY = 1024, 0.001, 0.01


class Network(nn.Module):
    """Numbers and embeddings side by side, then two hidden layers; 170 thousand weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CODES * LEVELS, 16)
        shape = (NUMBERS + 16 * CODES, WIDTH, WIDTH)
        hidden = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.1)) for a, b in pairwise(shape)]
        self.layers = nn.Sequential(*hidden, nn.Linear(WIDTH, 1))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Map (n, numbers) and (n, codes) to logits (n, 1)."""
        return self.layers(torch.cat([numbers, self.embedding(codes).flatten(1)], dim=1))


def loss_of(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean log loss."""
    return binary_cross_entropy_with_logits(output[:, 0], target)


def optimizer_of(network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that all loops use."""
    return torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY, fused=True)


def made(rows: int) -> TensorDataset:
    """Make the rows: normal numbers, uniform codes (as rows of the embedding), and a target."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, NUMBERS)).astype(np.float32)
    codes = rng.integers(0, LEVELS, (rows, CODES)) + LEVELS * np.arange(CODES)
    target = (numbers[:, 0] + rng.normal(size=rows) > 0).astype(np.float32)
    return TensorDataset(torch.from_numpy(numbers), torch.from_numpy(codes), torch.from_numpy(target))


def by_hand(network: Network, table: TensorDataset) -> None:
    """Do one epoch in as few lines as it takes."""
    network.train()
    optimizer = optimizer_of(network)
    numbers, codes, target = table.tensors
    for batch in torch.randperm(len(table)).split(BATCH):
        value = loss_of(network(numbers[batch], codes[batch]), target[batch])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def of_cairn(network: Network, table: TensorDataset) -> None:
    """Do one epoch as our networks are trained."""
    settings = loop.Settings(RATE, DECAY, "cosine", BATCH, 1, 1, "float32", seed=0)
    loop.train(network, loss_of, table=table, validation=None, settings=settings)


def with_loader(network: Network, table: TensorDataset) -> None:
    """Do one epoch by hand with torch's DataLoader, row by row as in its tutorials."""
    network.train()
    optimizer = optimizer_of(network)
    for numbers, codes, target in DataLoader(table, batch_size=BATCH, shuffle=True):
        value = loss_of(network(numbers, codes), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def with_lightning(network: Network, table: TensorDataset) -> None:
    """Do one epoch with Lightning's Trainer."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            numbers, codes, target = batch
            return loss_of(self.network(numbers, codes), target)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer_of(self.network)

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, **quiet)
    trainer.fit(Module(), DataLoader(table, batch_size=BATCH, shuffle=True))


def with_skorch(network: Network, table: TensorDataset) -> None:
    """Do one epoch with skorch."""
    from skorch import NeuralNet

    class Flat(nn.Module):
        def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
            return network(numbers, codes)[:, 0]

        def __init__(self) -> None:
            super().__init__()
            self.network = network

    numbers, codes, target = (values.numpy() for values in table.tensors)
    net = NeuralNet(
        Flat,
        nn.BCEWithLogitsLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=DECAY,
        optimizer__fused=True,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=1,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    net.fit({"numbers": numbers, "codes": codes}, target)


def main() -> None:
    """Let the loops take turns and print their speed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    loops: dict[str, Callable[[Network, TensorDataset], None]] = {
        "by hand": by_hand,
        "cairn": of_cairn,
        "DataLoader": with_loader,
    }
    loops |= {"lightning": with_lightning} if find_spec("lightning") else {}
    loops |= {"skorch": with_skorch} if find_spec("skorch") else {}
    table, seconds = made(args.rows), {name: [] for name in loops}
    for turn in range(args.repeats + 1):  # the first one warms up
        for name, one in loops.items():
            torch.manual_seed(0)
            network, began = Network(), time.process_time()
            one(network, table)
            if turn:
                seconds[name].append(time.process_time() - began)
    others = [name for name in ("lightning", "skorch") if name in loops]
    print(", ".join(f"{name} {version(name).partition('+')[0]}" for name in ("torch", *others)))
    print("| loop | rows per CPU second | of the loop by hand |")
    print("|---|---|---|")
    hand = np.array(seconds["by hand"])
    for name, each in seconds.items():
        low, middle, high = np.quantile(hand / np.array(each), (0.25, 0.5, 0.75))
        speed = args.rows / float(np.median(each))
        print(f"| {name} | {speed:,.0f} | {middle:.2f} [{low:.2f}, {high:.2f}] |")


if __name__ == "__main__":
    main()
