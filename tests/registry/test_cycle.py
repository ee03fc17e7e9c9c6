"""The life of a service: serve what is in prod, log, monitor, promote a challenger, roll back."""

import json
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from http_service import Process
from toy_registry import make_toy, model, part
from toy_repository import until

from cairn.models.package import MODEL, save
from cairn.serve.predictor import Predictor
from cairn.serve.served_model import plain_rows

pytestmark = pytest.mark.slow
WEAK, GOOD = 1, 60


@contextmanager
def asked(service, client, row):
    """Send the row from two threads, and read the log; yield the list of all answers."""
    found, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            found.append(client.predict(row))
            time.sleep(0.01)

    def read():
        while not stop.is_set():
            service.listen(0.1)

    threads = [threading.Thread(target=do) for do in (ask, ask, read)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def logged(clone, keys, sent):
    """Serve the model in prod with a log, ask for rows, and stop; return the probabilities."""
    answers = []
    with Process("--model", "@prod", "--log", "log", folder=clone.path) as service:
        client = service.client().wait_until_ready()
        for key, row in zip(keys, sent, strict=True):
            answers.append(client.predict(row, **{"X-Request-ID": str(key)}))
            service.listen(0.002)
        service.send(signal.SIGTERM)
        assert service.wait() == 0
    return [answer.json["predictions"][0]["probability"] for answer in answers]


def loaded(service):
    """Return the commits whose models the service has loaded."""
    return [line["revision"] for line in service.lines if line.get("message") == "model loaded"]


def test_from_a_service_to_a_challenger_and_back(tmp_path):
    """One clone promotes, the other serves; the tags reach it by `git fetch` alone."""

    def told(clone, *words, **how):
        text = clone.run(*words, **how) if words[0] in ("git", "gto", "dvc") else clone.cairn(*words, **how)
        print(f"$ {clone.path.name}: {' '.join(words)}\n{text}")

    here, (weak, good) = make_toy(tmp_path, WEAK, GOOD)
    here.with_code()
    there = here.another("there").with_code()
    told(here, "promote", weak, "--stage", "prod", "--push")
    told(there, "git", "fetch", "--tags")

    rows = part("new").head(300)
    sent = plain_rows(rows, Predictor(model(WEAK)).fields)
    np.testing.assert_array_equal(logged(there, rows["id"], sent), model(WEAK).scores(rows))
    labels = rows[["id", "late"]].rename(columns={"id": "request_id"})
    labels["late"] = np.random.default_rng(0).permutation(labels["late"])  # the world has changed
    labels.to_csv(there.path / "labels.csv", index=False)
    watch = ("--labels", "labels.csv", "--id", "request_id", "--window", "60rows")
    told(there, "monitor", "log", "--model", "@prod", *watch, fails=True)
    assert json.loads(there.read("metrics/monitor.json"))["retrain"] == "yes"

    with Process("--model", "@prod", "--follow", "0.2", folder=there.path) as service:
        client = service.client().wait_until_ready()
        with asked(service, client, sent[0]) as answers:
            told(here, "promote", good, "--stage", "prod", "--push")
            told(there, "git", "fetch", "--tags")
            until(lambda: loaded(service)[-1] == good)
            told(here, "rollback", "--reason", "complaints", "--push")
            told(there, "git", "fetch", "--tags")
            until(lambda: loaded(service)[-1] == weak)
    assert len(answers) > 100 and {answer.status for answer in answers} == {200}
    scores = [answer.json["predictions"][0]["probability"] for answer in answers]
    first, second = (model(trees).scores(rows.head(1))[0] for trees in (WEAK, GOOD))
    changes = [score for score, before in zip(scores, [None, *scores], strict=False) if score != before]
    assert set(scores) == {first, second} and changes[0] == changes[-1] == first

    told(there, "models", "--verify")
    told(here, "gto", "show", "model")
    told(here, "gto", "history", "model")
    assert there.run("gto", "show", "model#prod", "--ref").strip() == "model@v0.0.1"
    told(there, "dvc", "artifacts", "get", ".", "model", "--stage", "prod", "-o", "got")
    save(model(WEAK), tmp_path / "weak")
    for name in ("package.json", MODEL):
        assert (there.path / "got" / name).read_bytes() == (tmp_path / "weak" / name).read_bytes()
    told(there, "export", "deploy", "--model", "@prod")
    rows.drop(columns=["late", "class", "delay"]).to_csv(there.path / "rows.csv", index=False)
    told(there, "predict", "rows.csv", "--model", "@prod", "-o", "scores.parquet")
    scores = pd.read_parquet(there.path / "scores.parquet")["probability"]
    np.testing.assert_array_equal(scores, model(WEAK).scores(rows))
