"""The table of a sweep, for the terminal."""

from collections.abc import Mapping, Sequence

from cairn.experiments.sweep import Job
from cairn.report.table import Table, aligned


def sweep_table(jobs: Sequence[Job], columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return lines with each experiment's name and the settings that differ between the jobs.

    `columns` are more cells by the name of a job, then by the column's header.
    """
    settings = {job.name: dict(override.partition("=")[::2] for override in job.overrides) for job in jobs}
    keys = dict.fromkeys(key for chosen in settings.values() for key in chosen)
    keys = [key for key in keys if len({chosen.get(key) for chosen in settings.values()}) > 1]
    headers = list(dict.fromkeys(header for cells in columns.values() for header in cells))
    rows = [
        [name, *(chosen.get(key, "") for key in keys), *(columns.get(name, {}).get(h, "") for h in headers)]
        for name, chosen in settings.items()
    ]
    return aligned(Table(["experiment", *keys, *headers], rows, words=True))


def score_cells(scores: Mapping[str, float]) -> dict[str, str]:
    """Return scores as cells of the table."""
    return {name: f"{score:.6g}" for name, score in scores.items()}
