"""The state of a running service: its model, swapped as one reference, its limits and its counters."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.serve import explained
from cairn.serve.body import Limits, RequestError, as_json
from cairn.serve.fields import Violation
from cairn.serve.outcomes import outcomes
from cairn.serve.prediction_log import Entry, PredictionLog
from cairn.serve.predictor import Policy
from cairn.serve.served_model import ServedModel, current_source, load_model
from cairn.serve.telemetry import Telemetry

AT_ONCE = 8
"""Rows up to which a compiled model is asked in the loop of events; more go to a thread."""
log = logging.getLogger("cairn.serve")


@dataclass(frozen=True)
class Options:
    """What the user of `cairn serve` decides.

    Args:
        model: a folder or a revision, read again at each reload.
        policy: what becomes of a row with a violation.
        limits: the largest request.
        log: folder of the prediction log; None for none.
        api_key_env: environment variable that holds the API key; None for no key.
        trust: further types that the model may have, see cairn.models.package.load.
        follow: seconds between looks whether the folder or the revision has another model; None for no look.
    """

    model: str
    policy: Policy = "flag"
    limits: Limits = field(default_factory=Limits)
    log: str | None = None
    api_key_env: str | None = None
    trust: tuple[str, ...] = ()
    follow: float | None = None


@dataclass(frozen=True)
class Answered:
    """The columns of the predictions, see outcomes, as lists; and what is wrong with the rows."""

    columns: dict[str, list[Any]]
    violations: list[Violation]


class Service:
    """The model of a service and how it is replaced.

    A request takes the model once, so that its response never mixes two.

    Attributes:
        model: the current model; None until the first is loaded.
        log: the log of predictions; None if the user wants none.
        failure: why the first model could not be loaded; empty if it was.
    """

    def __init__(self, options: Options, stop: Callable[[], None] = lambda: None) -> None:
        """Take the options; `stop` ends the server when the first model cannot be loaded."""
        self.options, self._stop = options, stop
        self.telemetry = Telemetry()
        self.model: ServedModel | None = None
        self.failure = ""
        self.log = PredictionLog(Path(options.log), self.telemetry.logged) if options.log else None
        self._loading, self._explaining = asyncio.Lock(), asyncio.Lock()

    def current(self) -> ServedModel:
        """Return the model.

        Raises:
            RequestError: 503, none is loaded yet.
        """
        if self.model is None:
            raise RequestError(503, "no model is loaded yet")
        return self.model

    async def predict(
        self, model: ServedModel, rows: Sequence[Mapping[str, Any]], request_id: str
    ) -> Answered:
        """Predict rows, count them and log them.

        Raises:
            RequestError: 422, a row that the policy refuses, or that the model cannot predict.
        """
        self.telemetry.rows.inc(len(rows))
        if len(rows) <= AT_ONCE and model.predictor.compiled is not None:
            found = model.predictor.rows(rows)
        else:
            try:
                found = await asyncio.to_thread(model.predictor.rows, rows)
            except UserError as error:  # an expression of data.derive that these values have no result for
                raise RequestError(422, " ".join(str(error).split())) from error
        names = [violation.column for violation in found.violations]
        if found.refused.any():
            self.telemetry.count([], names)
            first = next(violation for violation in found.violations if found.refused[violation.row])
            raise RequestError(422, f"row {first.row}: {first.column} {first.reason}", found.violations)
        table = outcomes(model.package, found.scores, model.costs)
        columns = {name: values.tolist() for name, values in table.items()}
        decided = columns.get("decision") or columns["prediction"]
        self.telemetry.count(["number"] * len(rows) if model.package.task == "regression" else decided, names)
        if self.log is not None:
            self.log.add(Entry(model, time.time(), request_id, rows, columns, found.violations))
        return Answered(columns, found.violations)

    async def explain(
        self, model: ServedModel, rows: Sequence[Mapping[str, Any]], answered: Answered
    ) -> list[dict[str, Any]]:
        """Return the contributions to predictions, by row; one request after the other, in a thread."""
        async with self._explaining:
            found = await asyncio.to_thread(model.predictor.explain, rows)
        return explained.as_json(found, answered.columns, model.package.task)

    async def close(self) -> None:
        """Write the rest of the prediction log."""
        if self.log is not None:
            await asyncio.to_thread(self.log.close)

    async def load(self) -> None:
        """Load the model in a thread, then replace the current one, which stays if that fails."""
        async with self._loading:
            try:
                options = self.options
                model = await asyncio.to_thread(load_model, options.model, options.policy, options.trust)
            except Exception as error:
                self._say_failed(error)
                return
            if self.model is None:
                gc.freeze()  # a collection that looks at all that was imported pauses requests for 0.3 s
                gc.enable()
            self.model = model
        self.telemetry.reloads.labels("loaded").inc()
        said = {"model": model.name, "version": model.version, "revision": model.revision}
        log.info("model loaded", extra={"fields": said})

    async def follow(self, seconds: float) -> None:
        """Load the model again each time that its folder or revision has another one.

        A source that cannot be read, or whose model cannot be loaded, is logged once, not at every look.
        """
        seen: object = None
        while True:
            await asyncio.sleep(seconds)
            try:
                found: object = await asyncio.to_thread(current_source, self.options.model)
            except Exception as error:
                if str(error) != seen:
                    self._say_failed(error)
                seen = str(error)
                continue
            served = self.model and (self.model.revision, self.model.version)
            if found not in (served, seen):
                await self.load()
            seen = found

    def _say_failed(self, error: Exception) -> None:
        self.telemetry.reloads.labels("failed").inc()
        expected = isinstance(error, UserError)
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        fields: dict[str, Any] = {"error": message, "current": self.model and self.model.version}
        log.error("model not loaded", extra={"fields": fields}, exc_info=None if expected else error)
        if self.model is None:
            self.failure = message
            self._stop()


def answer(model: ServedModel, rows: Sequence[Mapping[str, Any]], answered: Answered) -> dict[str, Any]:
    """Return the body of the response to /predict."""
    columns = answered.columns
    predictions: list[dict[str, Any]] = [
        dict(zip(columns, values, strict=True)) | {"violations": []}
        for values in zip(*columns.values(), strict=True)
    ]
    for violation in answered.violations:
        predictions[violation.row]["violations"].append(as_json(violation))
    known = model.fields.keys()
    return {
        "model": model.name,
        "version": model.version,
        "predictions": predictions,
        "ignored_columns": sorted({name for row in rows for name in row.keys() - known})[:100],
    }
