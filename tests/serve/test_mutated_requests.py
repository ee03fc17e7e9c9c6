"""Thousands of wrong requests: a status that fits, JSON in return, no 500, no traceback, no hang."""

import json
import random
import time

import pytest
from http_service import GOOD, in_thread, saved

from cairn.serve.body import Limits

ROWS, BYTES = 40, 60_000
ODD = [
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**63, 2**70, "", " ", "NaN", "s1", "Ω", "\0", "x" * 5000,
    "\u202e", "'; drop table", [], [1], {}, {"a": 1}, [[[]]],
]  # fmt: skip
WORDS = ["load", "noise", "rows", "", "Load", "línea", "__proto__", "x" * 300, "inputs", "\ud83d\ude00"]
V2 = {"name": "load", "datatype": "FP64", "shape": [1], "data": [1.0]}
RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /predict HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET /%00%ff/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    bytes(range(256)),
]


@pytest.fixture(scope="module", params=["flag", "refuse"])
def client(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    limits = Limits(rows=ROWS, bytes=BYTES, seconds=1)
    with in_thread(saved(folder), policy=request.param, limits=limits, log=str(folder / "log")) as (
        client,
        _,
    ):
        yield client


def mutated(draw):
    """Return a path, a body and the statuses that fit."""
    row = dict(GOOD)
    for _ in range(draw.randrange(4)):
        row[draw.choice([*row, *WORDS])] = draw.choice(ODD)
    for _ in range(draw.randrange(3)):
        row.pop(draw.choice([*row]), None)
    if draw.random() < 0.2:
        tensor = V2 | {draw.choice([*V2, "more"]): draw.choice(ODD) for _ in range(draw.randrange(3))}
        content = {"inputs": draw.choice([[tensor], [tensor, tensor], tensor, draw.choice(ODD)])}
        return "/v2/models/toy/infer", json.dumps(content).encode(), {200, 400, 413, 422}
    shape = draw.randrange(10)
    content = row if shape < 4 else draw.choice(ODD)
    if 4 <= shape < 8:
        content = {"rows": [row] * draw.randrange(ROWS + 3)}
    if shape == 9:
        content = {"rows": draw.choice(ODD)} | ({draw.choice(WORDS): 1} if draw.random() < 0.5 else {})
    return "/predict", json.dumps(content).encode(), {200, 413, 422}


def broken(draw, body):
    """Break the bytes of a body: what is left is hardly ever JSON."""
    at, deep = draw.randrange(len(body)), draw.choice([10, 1000, 20_000])
    wrong = draw.choice([b"NaN", b"Infinity", b"1e999", b"-", b"0x1", b"1" * 5000])
    return draw.choice(
        [
            body[:at],
            body[:at] + draw.randbytes(1) + body[at + 1 :],
            body.decode().encode(draw.choice(["utf-16", "utf-32", "utf-7", "cp500"])),
            body.replace(b"0.5", wrong),
            draw.choice([b"[" * deep, b'{"a":' * deep, b"[" * deep + b"]" * deep]),
            draw.randbytes(draw.randrange(200)),
            draw.choice([b"", b" ", b"\xef\xbb\xbf" + body, b"null", b'"', body * 40, b"\xff" * 100]),
        ]
    )


def ask_many(client, count, seed):
    """Send requests; return how often each status came."""
    draw, seen = random.Random(seed), {}
    for number in range(count):
        path, body, fitting = mutated(draw)
        if draw.random() < 0.4:
            body, fitting = broken(draw, body), {200, 400, 413, 422}
        start = time.monotonic()
        answer = client.post(path, body)
        said = f"request {number} of seed {seed}: {body[:200]!r} -> {answer.status} {answer.content[:200]!r}"
        assert answer.status in fitting, said
        assert b"Traceback" not in answer.content, said
        assert time.monotonic() - start < 20, said
        assert ("error" in answer.json) == (answer.status != 200), said
        if answer.status == 422 and answer.json.get("violations"):
            keys = {"row", "column", "reason", "value"}
            assert all(keys <= set(one) for one in answer.json["violations"]), said
        seen[answer.status] = seen.get(answer.status, 0) + 1
    return seen


def test_mutated_requests_get_the_status_that_fits(client):
    assert {200, 400, 413, 422} <= set(ask_many(client, 400, seed=1))
    assert client.predict(GOOD).status == 200


@pytest.mark.slow
def test_five_thousand_mutated_requests_get_the_status_that_fits(client):
    assert sum(ask_many(client, 5000, seed=2).values()) == 5000
    assert client.predict(GOOD).status == 200


@pytest.mark.slow
def test_broken_http_neither_hangs_nor_stops_the_service(client):
    for sent in RAW:
        answer = client.raw(sent, seconds=2)
        assert not answer.startswith(b"HTTP/1.1 5") and b"Traceback" not in answer, sent[:80]
    assert client.predict(GOOD).status == 200
