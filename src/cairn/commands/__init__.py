"""The table of commands: what `cairn --help` prints, without importing any of them."""

import os
import sys
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple


class Command(NamedTuple):
    """One command; its code is `main()` in the module of the same name."""

    summary: str
    checks_pins: bool = True
    """Whether it stops on other library versions than the pins, as a stage does."""

    @staticmethod
    def module(name: str) -> str:
        """Return the dotted name of a command's module."""
        return f"cairn.commands.{name.replace('-', '_')}"


GROUPS = {
    "Your data": {
        "new-data": Command("Write conf/ for a table: a file, a folder, a URL or a query"),
        "update": Command("Take a new snapshot of a database table or an import"),
        "data-diff": Command("Show what changed in the data between two revisions"),
        "ingest": Command("Get one of the bundled data sets", checks_pins=False),
    },
    "Experiments": {
        "sweep": Command("Run every combination of some settings as DVC experiments"),
        "search": Command("Tune the model's hyperparameters on validation"),
    },
    "Judge": {
        "board": Command("List every run: score, money, settings, data", checks_pins=False),
        "compare": Command("Compare revisions on the same rows: is B better than A?"),
        "ablate": Command("Measure what each feature group, or each column, contributes"),
        "learning-curve": Command("Estimate whether more data would help"),
        "reproduce": Command("Run a revision again from scratch, and compare every byte", checks_pins=False),
    },
    "Deploy": {
        "predict": Command("Predict the rows of a file, a folder or a query"),
        "serve": Command("Answer HTTP requests with predictions"),
        "promote": Command("Put a model into a stage, if it is better than the one there"),
        "rollback": Command("Put the previous version back into a stage", checks_pins=False),
        "models": Command("List versions and stages, and verify them", checks_pins=False),
        "monitor": Command("Watch a model: drift, faults, scores, and whether to retrain"),
        "retrain": Command("Train a challenger on newer rows: is it better?"),
        "refit": Command("Fit a model once more, on all rows, for deployment"),
        "export": Command("Write a model into a folder that predicts and serves by itself"),
    },
    "Storage": {
        "push": Command("Push to the remote, and prove that everything arrived", checks_pins=False),
        "pull": Command("Pull from the remote, verify it and rebuild what is lost", checks_pins=False),
        "remote": Command("Move to another remote, with all of the history", checks_pins=False),
        "verify": Command("Find and repair damaged files of the cache and a remote", checks_pins=False),
    },
    "Settings & checkout": {
        "compose": Command("Write params.yaml from conf/ and overrides", checks_pins=False),
        "doctor": Command("Check this checkout and this machine", checks_pins=False),
    },
}
COMMANDS = {
    name: command
    for group in GROUPS.values()
    for name, command in group.items()
    if (Path(__file__).parent / f"{name.replace('-', '_')}.py").exists()  # an exported model has some of them
}


def overview(stages: list[str]) -> str:
    """Return the help of `cairn` itself."""
    lines = ["Usage: cairn COMMAND [ARGS]...", "       cairn STAGE", ""]
    for title, group in GROUPS.items():
        found = [f"  {name:<16}{command.summary}" for name, command in group.items() if name in COMMANDS]
        lines += [f"{title}:", *found, ""] if found else []
    lines += [
        "Options:",
        "  -h, --help            Show this help; `cairn COMMAND -h` shows a command's",
        "  --version             Show the version and the checkout",
        "  --install-completion  Install completion for the current shell",
        "  --show-completion     Print the completion script of the current shell",
        "",
        *map(_dim, wrap(f"Stages of dvc.yaml, run by `dvc repro`: {' '.join(stages)}", 80) if stages else []),
    ]
    return "\n".join(lines)


def _dim(text: str) -> str:
    shown = sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # as cairn.terminal
    return f"\033[2m{text}\033[0m" if shown else text
