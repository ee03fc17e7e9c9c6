"""`cairn monitor`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Argument, Option

from cairn.commands.options import Trust, from_root, names, pairs, user_folder
from cairn.errors import UserError

if TYPE_CHECKING:
    from cairn.models.package import Package
    from cairn.monitor.performance import Judging
    from cairn.serve.model import Found

CODES = {"no": 0, "undecided": 3, "yes": 4}
"""Exit code by verdict."""
PAGE, RECORD = Path("reports/monitor.html"), Path("metrics/monitor.json")


def main(
    source: str | None = Argument(
        None,
        metavar="[SOURCE]",
        help="New raw rows (a file, or a folder that data.load reads), what `cairn predict` wrote, or the"
        " folder of `cairn serve --log`",
    ),
    *,
    model: str = Option(
        "models/model", metavar="DIR|REV|@STAGE", help="Model: a folder, a revision or @STAGE"
    ),
    window: str | None = Option(
        None,
        metavar="LENGTH",
        help="Length of a window: 6h, 1D, or 1000rows",
        show_default="1D; 1000rows without a time",
    ),
    time: str | None = Option(
        None, metavar="COLUMN", help="Time of a row", show_default="data.time, or the time in the log"
    ),
    labels: str | None = Option(None, metavar="FILE", help="Targets that arrived later, see --id"),
    key: str | None = Option(
        None, "--id", metavar="COLUMN", help="For --labels: the column that rows and targets share"
    ),
    known_at: str | None = Option(
        None, metavar="COLUMN", help="For --labels: when each target became known, to measure their delay"
    ),
    labels_within: str | None = Option(
        None, metavar="SPAN", help="Alarm when the newest label is further behind the newest row, such as 3D"
    ),
    false_alarms: float = Option(
        0.02,
        metavar="SHARE",
        min=0.0,
        max=0.2,
        help="Share of windows that may alarm although nothing is wrong",
    ),
    votes: str = Option(
        "2/3", metavar="N/M", help="Alarms that count: N of the last M windows and the latest one"
    ),
    recent: int = Option(28, metavar="N", min=1, help="Windows that are scored together"),
    load: list[str] | None = Option(
        None, metavar="KEY=VALUE", help="Argument of data.load that differs for SOURCE (repeatable)"
    ),
    page: Path = Option(PAGE, metavar="FILE", help="Page of HTML to write"),
    record: Path = Option(RECORD, metavar="FILE", help="Result to write, as JSON"),
    exit_zero: bool = Option(
        False, "--exit-zero", help="Exit with 0 whatever the verdict, as a stage has to"
    ),
    trust: Trust = None,
) -> None:
    """Watch a model: drift, faults of the data, scores, and whether to retrain.

    Compares the windows of SOURCE with windows of the rows that the model was
    trained on; an alarm is calibrated on these, so that its rate of false
    ones is a setting. With labels it scores the predictions. Writes a page and
    a record with the verdict: retrain yes, no or undecided.

    Exit codes: 0 no, 1 error, 2 usage, 3 undecided (look at the data), 4 yes.

    Examples:
      cairn monitor data/raw/flights_2023 --load clock=local
      cairn monitor new.csv --window 6h --false-alarms 0.01
      cairn monitor predictions.parquet --labels late.csv --id flight
      cairn monitor log --labels late.csv --id request_id --known-at landed
    """
    if source is None:
        raise UserError("no source given: name a file or folder of new rows, predictions or a log")
    if (labels is None) != (key is None):
        raise UserError(
            "--labels and --id belong together: a file, and the column that it shares with SOURCE"
        )
    if known_at and not labels:
        raise UserError("--known-at needs --labels: it is a column of that file")
    _check(window, votes, labels_within)

    from threadpoolctl import threadpool_limits

    from cairn.compose.params_file import recorded_in, settings_line
    from cairn.data.records import write_json, write_text
    from cairn.experiments.history import SETTINGS
    from cairn.models.package import load as load_model
    from cairn.monitor.alarms import Votes
    from cairn.monitor.monitoring import Settings, Subject, know, monitor
    from cairn.monitor.windows import length_of, span_of
    from cairn.progress import elapsed
    from cairn.report.monitor.page import monitor_page, summary
    from cairn.serve.model import find_model
    from cairn.serve.observed import Labels, kind_of, read_rows, reference_rows, with_labels
    from cairn.terminal import folded

    folder = user_folder()
    found = find_model(model, folder if (folder / model).exists() else Path.cwd(), names(trust))
    package = load_model(found.folder, found.trust)
    contract, judging, by_time = _of_revision(found, package)
    path = Path(from_root(source))
    kind = kind_of(path, package)
    options = {name: _value(text) for name, text in pairs("--load", load).items()}
    with elapsed("reading the rows to monitor"):
        rows = read_rows(path, kind, package, contract, trust=names(trust), options=options, time=time)
        if labels and key:
            rows = with_labels(rows, Labels(Path(from_root(labels)), key, known_at), package, contract)
    settings = Settings(
        length_of(window or ("1D" if rows.time is not None else "1000rows")),
        judging,
        false_alarms,
        Votes(*map(int, votes.split("/"))),
        recent,
        span_of(labels_within or ""),
    )
    subject = Subject(package.config["data"]["name"], source, kind, package.class_names, contract.protected)
    with elapsed("reading the rows of the model"):
        reference, validation = reference_rows(found, package, contract, names(trust), by_time)
    with threadpool_limits(1, "blas"):  # for so small matrices threads only wait for each other
        with elapsed("learning what is usual"):
            known = know(reference, validation, package.contract, package.class_names, settings)
        with elapsed("comparing and scoring windows"):
            result = monitor(rows, known, validation, settings, subject)
    if found.history and found.revision and found.revision.commit is None:
        recorded = recorded_in(found.history.root / SETTINGS)
        print(folded(settings_line(recorded, recorded)), file=sys.stderr)
    root = found.history.root if found.history else folder
    write_json(result.model_dump(), (root if record == RECORD else folder) / record)
    write_text(monitor_page(result), (root if page == PAGE else folder) / page)
    print(summary(result))
    raise SystemExit(0 if exit_zero else CODES[result.retrain])


def _check(window: str | None, votes: str, labels_within: str | None) -> None:
    """Raise UserError if an option is not written as it should be."""
    from cairn.monitor.windows import length_of, span_of

    if window is not None:
        length_of(window)
    needed, _, of = votes.partition("/")
    if not (needed.isdigit() and of.isdigit() and 1 <= int(needed) <= int(of)):
        raise UserError(f"--votes: '{votes}' is not N/M with N from 1 to M, such as 2/3")
    if labels_within is not None and span_of(labels_within) is None:
        raise UserError(f"--labels-within: '{labels_within}' is not a duration such as 12h or 3D")


def _of_revision(found: "Found", package: "Package") -> "tuple[Any, Judging, bool]":
    """Return the contract of the model's data, how it is judged, and whether it was split by time."""
    from cairn.monitor.performance import Judging
    from cairn.serve.outcomes import prices
    from cairn.settings.contract import Contract
    from cairn.settings.evaluate import PRIMARY
    from cairn.settings.yaml_text import parse_yaml

    data = package.config["data"]
    params = parse_yaml(found.text("params.yaml") or "", "params.yaml") or {}
    evaluate = params.get("evaluate", {})
    written = parse_yaml(found.text(data["contract"]) or "", data["contract"])
    contract = Contract.model_validate(written) if written else _own_contract(package)
    judging = Judging(
        task=package.task,
        primary=evaluate.get("primary") or PRIMARY[package.task],
        threshold=package.threshold,
        costs=prices(package),
        resamples=min(evaluate.get("resamples", 200), 200),
        confidence=evaluate.get("confidence", 0.95),
        seed=package.config.get("seed", 0),
        slices=evaluate.get("slices", []),
        min_slice_rows=evaluate.get("min_slice_rows", 200),
    )
    return contract, judging, params.get("split", {}).get("kind") == "time"


def _own_contract(package: "Package") -> Any:
    return package.source_contract


def _value(text: str) -> Any:
    """Return what YAML reads in a value, or the text itself if it is no YAML, such as a comma."""
    from cairn.settings.yaml_text import parse_yaml

    try:
        return parse_yaml(f"value: {text}", "--load")["value"]
    except UserError:
        return text
