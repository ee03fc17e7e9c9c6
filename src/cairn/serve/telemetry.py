"""What an operator sees of the service: metrics for Prometheus, and lines of JSON as its log."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder through which several workers add up their metrics; prometheus-client reads it."""
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Telemetry:
    """The metrics of one process."""

    def __init__(self) -> None:
        """Make a registry of its own, so that nothing else of the process is in it."""
        registry = CollectorRegistry()
        self._shown = CollectorRegistry() if os.environ.get(SHARED) else registry
        if self._shown is not registry:
            MultiProcessCollector(self._shown)
        latency = Histogram(
            "cairn_request_seconds",
            "Time from a request to its response",
            ["path", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.latency = cache(latency.labels)
        self.rows = Counter("cairn_rows", "Rows received", registry=registry)
        predictions = Counter("cairn_predictions", "Rows predicted", ["outcome"], registry=registry)
        self.predictions = cache(predictions.labels)
        self.violations = Counter(
            "cairn_violations", "Values outside the contract", ["column"], registry=registry
        )
        self.reloads = Counter("cairn_reloads", "Models loaded", ["result"], registry=registry)
        self.logged = Counter("cairn_log_rows", "Rows of the prediction log", ["result"], registry=registry)

    def count(self, outcomes: list[Any], columns: list[str]) -> None:
        """Count predictions by what was predicted, and violations by column."""
        for outcome in set(outcomes):
            self.predictions(str(outcome).lower()).inc(outcomes.count(outcome))
        for column in set(columns):
            self.violations.labels(column).inc(columns.count(column))

    def text(self) -> bytes:
        """Return the metrics of all workers in the text format of Prometheus."""
        return generate_latest(self._shown)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what the caller gave as `extra["fields"]`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback is one of its fields."""
        fields = getattr(record, "fields", {})
        if record.exc_info:
            fields = fields | {"traceback": self.formatException(record.exc_info)}
        return json_line(record.created, record.levelname.lower(), record.name, record.getMessage(), fields)


def json_line(time: float, level: str, logger: str, message: str, fields: dict[str, Any]) -> str:
    """Return a line of the log; `time` is in seconds since 1970."""
    at = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    line = {"time": at, "level": level, "logger": logger, "message": message, **fields}
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # half a character, or a number of more than 64 bits
        return json.dumps(line, default=str)


def log_json_lines() -> None:
    """Write what is logged to the standard error, as JSON."""
    # What no line has need not be found out: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
