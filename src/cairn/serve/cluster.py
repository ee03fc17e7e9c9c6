"""Predict the blocks of a source as tasks of a Ray cluster.

This process reads and writes, the tasks predict. So blocks, order and output are as on one machine, and the
nodes need neither the input nor the database. Ray Data would read the input on the nodes, in blocks and with
types of its own.
"""

import pickle
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from cairn.errors import UserError
from cairn.experiments.ray_cluster import connected, cpus_of_nodes
from cairn.imports import SRC
from cairn.serve.predictor import Predictions, Predictor, Rows
from cairn.serve.sources import Block

MOST_BLOCKS = 64
"""In work at a time, unless the user says otherwise: one process cannot read fast enough for more."""
RETRIES = 3
"""A block whose node or process dies runs again so often."""


def predict_on_ray(
    predictor: Predictor, blocks: Iterable[Block], *, text: bool, workers: int | None
) -> Iterator[tuple[pa.Table, Predictions]]:
    """Yield the columns to keep of each block and its predictions, in order.

    Args:
        predictor: its model is sent to each process of Ray once.
        blocks: of the source.
        text: see Predictor.table.
        workers: blocks that are read and not yet predicted, at most; None for twice the CPUs.

    Raises:
        UserError: no cluster answers, or a node cannot predict, or not to the same bits as this machine.
    """
    ray = connected()
    cpus = round(sum(cpus_of_nodes(ray)))
    if cpus < 1:
        raise UserError("--on ray: no node of the cluster has a CPU for tasks; add one with `ray start`")
    limit = workers or min(2 * cpus, MOST_BLOCKS)
    # In a list, so that Ray does not read it before the task has set the path of its modules.
    model = [ray.put(_pickled(predictor))]
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(_runner())
    waiting: deque[tuple[pa.Table, Any]] = deque()
    for block in blocks:
        waiting.append((block.kept, task.remote(str(SRC), model, block.rows, text)))
        if len(waiting) >= limit:
            yield _result(ray, *waiting.popleft())
    while waiting:
        yield _result(ray, *waiting.popleft())


def _result(ray: Any, kept: pa.Table, task: Any) -> tuple[pa.Table, Predictions]:
    from ray.exceptions import RayError, RayTaskError

    try:
        found = ray.get(task)
    except RayTaskError:
        raise
    except RayError as error:
        raise UserError(f"--on ray: a block was lost {RETRIES + 1} times: {_one_line(error)}") from error
    if isinstance(found, str):
        raise UserError(f"--on ray: {found}")
    return kept, found


def _runner() -> Any:
    """Return what a task runs.

    A nested function is pickled whole, so that a node without cairn can say so; types of cairn would be
    imported there before it runs.
    """

    def run(src: str, model: list[Any], rows: Any, text: bool) -> Any:
        if src not in sys.path:
            sys.path.insert(0, src)
        try:
            from cairn.serve.cluster import predict_here
        except ImportError as error:
            import ray

            return (
                f"node {ray.util.get_node_ip_address()}: {error}: install what this machine has there too, or"
                " share its folders"
            )
        return predict_here(model[0], rows, text)

    return run


def predict_here(model: Any, rows: Rows, text: bool) -> Predictions | str:
    """Predict a block in a process of Ray.

    Args:
        model: reference of Ray to what _pickled returned.
        rows: of the block.
        text: see Predictor.table.

    Returns:
        The predictions, or in one line why there are none.
    """
    try:
        return _predictor(model).block(rows, text=text)
    except UserError as error:
        return str(error)


def _pickled(predictor: Predictor) -> bytes:
    """Return the model, the policy, and the scores of the model's own rows."""
    return pickle.dumps((predictor.package, predictor.policy, _own_scores(predictor)))


@lru_cache(maxsize=1)
def _predictor(model: Any) -> Predictor:
    """Return the predictor of this process.

    Raises:
        UserError: the model cannot be read here, or predicts other bits than on the machine it came from.
    """
    import ray

    node = ray.util.get_node_ip_address()
    try:
        package, policy, expected = pickle.loads(ray.get(model))
    except Exception as error:  # other versions of libraries raise anything
        raise UserError(
            f"node {node} cannot read the model: {_one_line(error)}; install the same versions there"
        ) from error
    predictor = Predictor(package, policy)
    if not np.array_equal(_own_scores(predictor), expected):
        raise UserError(
            f"node {node} predicts other bits than this machine: use the same versions and the same kind of"
            " processor, or start `ray` without that node"
        )
    return predictor


def _own_scores(predictor: Predictor) -> Any:
    rows = predictor.package.reference
    return np.empty(0) if rows is None or rows.empty else predictor.package.scores(rows)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
