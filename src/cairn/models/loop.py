"""The training loop of torch networks: the table lives on the device, a batch is a slice of a permutation.

Everything that decides the next step is in the snapshot written after each epoch: a killed run that resumes
ends in the same bits as one that was never interrupted (same machine, device and thread count).

torchrun may start several processes, which torch.distributed connects. All of them hold the whole table and
use the same order of rows; each computes its share of every batch, and the gradients are summed. So batch
size and result are the same as in one process, except for the order in which numbers are added.
"""

import atexit
import math
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.utils.data import TensorDataset
from tqdm import tqdm

from cairn.progress import OnIteration

EVALUATION_ROWS = 8192

Loss = Callable[[Tensor, Tensor], Tensor]
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Group:
    """The processes of one training, numbered from 0 by rank; with a size of 1 nothing here has an effect."""

    rank: int = 0
    size: int = 1

    @property
    def own(self) -> slice:
        """Every size-th row, from the rank-th on: the share of this process."""
        return slice(self.rank, None, self.size)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its sum over all processes, all of them in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        # Not DistributedDataParallel: it overlaps sending with computing, which gains little for a network of
        # this size, and freeing it after an error can hang for ever (its destructor waits for gloo's threads
        # while it holds Python's lock, which they may need).
        message = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(message)
        sums = message.split([gradient.numel() for gradient in gradients])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total.view_as(gradient))

    def total(self, value: Tensor) -> float:
        """Sum a number over all processes."""
        if self.size > 1:
            distributed.all_reduce(value)
        return float(value)

    def mean(self, value: Tensor, rows: int) -> float:
        """Average a mean over this process's rows (any number if there are none) over all processes' rows."""
        if self.size == 1:
            return float(value)
        weighted = value.double() * rows if rows else torch.zeros_like(value, dtype=torch.float64)
        count = torch.tensor(float(rows), dtype=torch.float64, device=value.device)
        return self.total(weighted) / self.total(count)

    def from_first(self, content: Any) -> Any:
        """Return what the first process holds."""
        if self.size == 1:
            return content
        held = [content]
        distributed.broadcast_object_list(held, src=0)
        return held[0]

    def seed_dropout(self, seed: int, epoch: int) -> None:
        """Make dropout differ between processes, and be the same again in a run that resumes after a kill."""
        if self.size > 1:
            state = np.random.SeedSequence((seed, self.rank, epoch)).generate_state(1)
            torch.manual_seed(int(state[0]))


def started_group() -> Group:
    """Return the group of processes that torchrun has started; without torchrun a group of one."""
    if not distributed.is_torchelastic_launched():
        return Group()
    return Group(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def own_gpu() -> torch.device:
    """Return the GPU of this process.

    Raises:
        ValueError: torchrun has started more processes on this machine than it has GPUs.
    """
    if started_group().size == 1:
        return torch.device("cuda")
    number, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= count:
        asked = os.environ["LOCAL_WORLD_SIZE"]
        raise ValueError(f"{asked} processes share {count} GPU: torchrun --nproc-per-node {count}")
    return torch.device("cuda", number)


def connect(device: torch.device) -> Group:
    """Connect the processes that torchrun has started, by NCCL between GPUs and by gloo between CPUs.

    Once for the life of a process: torchrun's processes cannot find each other a second time.
    """
    group = started_group()
    if group.size > 1 and not distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)
    return group


@dataclass(frozen=True)
class Settings:
    """How a network is trained; named like the estimators' parameters."""

    learning_rate: float
    weight_decay: float
    schedule: Literal["cosine", "constant"]
    batch_size: int
    max_epochs: int
    patience: int
    precision: Literal["float32", "bfloat16"]
    seed: int
    epochs: int | None = None
    """Train so many epochs, whatever happens; None: see `train`."""
    horizon: float | None = None
    """Epochs over which the schedule lets the learning rate fall; None: max_epochs."""


@dataclass
class State:
    """The state of a run after a number of whole epochs; losses are means over rows."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: Weights = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return len(self.train)


@dataclass
class _Run:
    """One training in progress; validation holds only this process's share of the rows."""

    network: nn.Module
    loss: Loss
    table: TensorDataset
    validation: TensorDataset | None
    settings: Settings
    group: Group
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        weights = self.network.parameters()
        self.optimizer = torch.optim.AdamW(weights, rate, weight_decay=decay, fused=True)
        self.generator = torch.Generator().manual_seed(self.settings.seed)

    @property
    def device(self) -> torch.device:
        return self.table.tensors[-1].device

    @property
    def finished(self) -> bool:
        """All epochs are done, or the last `patience` of them did not improve the validation loss."""
        state, settings = self.state, self.settings
        if settings.epochs is not None:
            return state.epochs >= settings.epochs
        waited = bool(state.validation) and state.epochs - state.best_epoch >= settings.patience
        return state.epochs >= settings.max_epochs or waited


def train(
    network: nn.Module,
    loss: Loss,
    *,
    table: TensorDataset,
    validation: TensorDataset | None,
    settings: Settings,
    snapshot: Path | None = None,
    on_iteration: OnIteration | None = None,
) -> State:
    """Train with AdamW (Loshchilov & Hutter 2019) and leave the network with its best weights.

    A table holds what the network is called with, in order, and the target, all on the device of training.
    With validation rows the epoch with the lowest validation loss gives the weights, and training
    stops when `patience` epochs in a row do not improve it; without them training runs to the last epoch.
    Processes that torchrun has started share the work.

    The snapshot is resumed from if it exists and replaced after each epoch; the caller removes it.

    Raises:
        FloatingPointError: the training loss is NaN or infinite.
    """
    device = table.tensors[-1].device
    group = connect(device)
    with repeatable(settings.seed, device):
        own = None if validation is None else TensorDataset(*validation[group.own])
        run = _Run(network, loss, table, own, settings, group)
        _restore(run, snapshot)
        hidden = None if group.rank == 0 else True  # None: hidden unless stderr is a terminal
        done = run.state.epochs
        with tqdm(
            total=settings.epochs or settings.max_epochs,
            initial=done,
            unit="epoch",
            disable=hidden,
            dynamic_ncols=True,
        ) as bar:
            while not run.finished:
                _learn(run)
                _judge(run)
                if snapshot is not None and group.rank == 0:
                    _store(run, snapshot)
                losses = run.state.validation or run.state.train
                bar.set_postfix(loss=f"{losses[-1]:.5g}", best=f"{min(losses):.5g}")
                bar.update()
                if on_iteration is not None and run.validation is not None:
                    on_iteration(run.state.epochs, losses[-1])
    network.load_state_dict(run.state.best)
    return run.state


@torch.inference_mode()
def outputs(network: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """Apply the network to all rows without dropout, in batches; shape (n, outputs), float32."""
    network.eval()
    batches = zip(*(values.split(EVALUATION_ROWS) for values in inputs), strict=True)
    parts = [network(*batch) for batch in batches]
    return torch.cat(parts).float()


def pick_device(name: str) -> torch.device:
    """Turn auto, cpu or cuda into a device; auto takes the GPU when there is one.

    Raises:
        ValueError: cuda without a usable GPU, an unknown name, or see own_gpu.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"unknown device '{name}': choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda
        why = "torch finds no GPU" if built else f"torch {torch.__version__} is built without CUDA"
        raise ValueError(f"device cuda: {why}; set device: auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return own_gpu() if name == "cuda" else torch.device(name)


def _learn(run: _Run) -> None:
    settings, rows, device = run.settings, len(run.table), run.device
    run.network.train()
    run.group.seed_dropout(settings.seed, run.state.epochs)
    steps = math.ceil(rows / settings.batch_size)
    order = torch.randperm(rows, generator=run.generator).to(device)
    total = torch.zeros((), dtype=torch.float64, device=device)
    for step in range(steps):
        batch = order[step * settings.batch_size : (step + 1) * settings.batch_size]
        own = run.table[batch[run.group.own]]
        share = (run.state.epochs * steps + step) / ((settings.horizon or settings.max_epochs) * steps)
        for group in run.optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rate(settings.schedule, share)
        # Stays on the device: reading the number at every step would make the GPU wait for it.
        total += _step(run, own, len(own[-1]) / len(batch)) * len(own[-1])
    mean = run.group.total(total) / rows
    if not math.isfinite(mean):
        raise FloatingPointError(
            f"the training loss is {mean} in epoch {run.state.epochs + 1}: lower learning_rate, or scale the"
            " inputs (encoding.numeric: standard or quantile)"
        )
    run.state.train.append(mean)


def _step(run: _Run, batch: tuple[Tensor, ...], weight: float) -> Tensor:
    """Take one step of the optimizer on this process's share of the rows; return the loss before it.

    The loss is 0 without rows. weight is the share's size: the shares' gradients add up to that of the mean.
    """
    *inputs, target = batch
    mixed = run.settings.precision == "bfloat16" and run.device.type == "cuda"
    with torch.autocast(run.device.type, torch.bfloat16, enabled=mixed):
        output = run.network(*inputs)
    value = run.loss(output.float(), target) if len(target) else output.sum()
    run.optimizer.zero_grad(set_to_none=True)
    (value * weight).backward()
    run.group.sum_gradients(run.network)
    run.optimizer.step()
    return value.detach()


def _rate(schedule: str, share: float) -> float:
    """Factor of the learning rate at this share of all steps (Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0))) if schedule == "cosine" else 1.0


def _judge(run: _Run) -> None:
    """Record the validation loss, and keep the weights if they are the best so far."""
    state = run.state
    if run.validation is not None:
        *inputs, target = run.validation.tensors
        value = run.loss(outputs(run.network, inputs), target)
        state.validation.append(run.group.mean(value, len(run.validation)))
    if run.validation is None or state.validation[-1] == min(state.validation):
        state.best_epoch = state.epochs
        state.best = {name: values.detach().clone() for name, values in run.network.state_dict().items()}


@contextmanager
def repeatable(seed: int, device: torch.device) -> Generator[None]:
    """Make dropout and kernels repeatable, and restore the caller's random state and switches."""
    # cuBLAS reads it when it starts: without a fixed workspace its sums may differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


def _store(run: _Run, path: Path) -> None:
    """Replace the snapshot in one step: a kill at any time leaves the old one or the new one."""
    cuda = run.device.type == "cuda"
    content = {
        "network": run.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "order": run.generator.get_state(),
        "dropout": torch.cuda.get_rng_state(run.device) if cuda else torch.get_rng_state(),
        "state": vars(run.state),
    }
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _restore(run: _Run, path: Path | None) -> None:
    """Resume from the snapshot, if the first process finds one."""
    there = run.group.rank == 0 and path is not None and path.exists()
    content = run.group.from_first(torch.load(path, weights_only=True, map_location="cpu") if there else None)
    if content is None:
        return
    run.network.load_state_dict(content["network"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.generator.set_state(content["order"])
    if run.device.type == "cuda":
        torch.cuda.set_rng_state(content["dropout"], run.device)
    else:
        torch.set_rng_state(content["dropout"])
    run.state = State(**content["state"])
