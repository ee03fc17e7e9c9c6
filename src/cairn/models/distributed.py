"""One training over several processes: torchrun starts them, torch.distributed connects them.

All processes hold the whole table and use the same order of rows; each computes its share of every batch, and
the gradients are summed. So batch size and result are those of one process, except for the order in which
numbers are added.
"""

import atexit
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn


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
