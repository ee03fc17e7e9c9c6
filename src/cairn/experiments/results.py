"""What the experiments of a sweep scored, as a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cairn.experiments.plan import Job
from cairn.experiments.refs import read_file
from cairn.experiments.sweep import Outcome
from cairn.metrics.scores import METRICS

VALIDATION = "metrics/validation.json"


def scores_of(root: Path, outcome: Outcome) -> dict[str, float]:
    """Return what an experiment scored on validation, by `val_METRIC`; nothing where it has no such file."""
    content = read_file(root, outcome.sha, VALIDATION) if outcome.sha else None
    return json.loads(content) if content else {}


def best_of(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the name of the best by the first metric of the first; its own name where it has none.

    Args:
        scores: by name, not empty.
    """
    first = next(iter(scores))
    if not scores[first]:
        return first
    key = next(iter(scores[first]))
    metric = METRICS.get(key.removeprefix("val_"))
    sign = 1 if metric is None or metric.greater_is_better else -1
    return max((name for name in scores if key in scores[name]), key=lambda name: sign * scores[name][key])


def shown(scores: Mapping[str, float]) -> dict[str, str]:
    """Return scores as text."""
    return {key: f"{value:.6g}" for key, value in scores.items()}


def table(jobs: Sequence[Job], more: Mapping[str, Mapping[str, str]]) -> str:
    """Lay out names, the settings that differ between the jobs, and more columns by name."""
    settings = {job.name: dict(override.partition("=")[::2] for override in job.overrides) for job in jobs}
    keys = list(dict.fromkeys(key for chosen in settings.values() for key in chosen))
    keys = [key for key in keys if len({chosen.get(key) for chosen in settings.values()}) > 1]
    extra = list(dict.fromkeys(key for columns in more.values() for key in columns))
    rows = [["experiment", *keys, *extra]]
    rows += [
        [name, *(chosen.get(key, "") for key in keys), *(more.get(name, {}).get(key, "") for key in extra)]
        for name, chosen in settings.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
