"""`cairn serve` beside MLflow and BentoML: the same model, each in its own environment, under a real load.

    python benchmarks/serving.py [--work FOLDER] [--seconds 5] [--rounds 3] [--peers mlflow,bentoml]

The model of `models/model` (after `dvc checkout`) is exported and installed as docs/how-to/deploy.md says.
Each peer gets the same fitted encoder and estimator as a pipeline of scikit-learn, which it calls with a
frame of pandas. All run one process with one thread on loopback; wrk (Debian: `apt-get install wrk`), or hey,
sends rows of validation, one or 100 a request. First the answers are compared with the model's. The
order of the servers changes with every round, and the medians of the rounds are printed. CPU is that of the
server's processes, from psutil. Minutes on two cores; a second run with the same --work installs nothing.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

CASES = [(1, 1), (1, 8), (100, 1), (100, 8)]
"""Rows of a request, and connections."""
BODIES = {1: 200, 100: 20}
"""How many different requests are sent, by their rows."""
MANY = 65_536
"""Rows of a table that is predicted at once."""
SEED = 0
PORT = 8870
PATIENCE = 180
SAME = ("numpy", "pandas", "scikit-learn", "scipy")
"""Libraries that decide the numbers: every environment has them as they are here."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SCRIPT = """
local bodies, turn = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
function request()
  turn = turn %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[turn])
end
function done(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do failed = failed + count end
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  print(string.format('RESULT {"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, "failed": %%d}',
    summary.requests, summary.duration / 1e6, p50, p99, failed))
end
"""
MLFLOW = """
import sys, joblib, mlflow.sklearn
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
"""
BENTO = """
import bentoml, joblib, pandas as pd

@bentoml.service(workers=1)
class Model:
    def __init__(self):
        self.pipeline = joblib.load("{pipeline}")

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[list[float]]:
        return self.pipeline.predict_proba(pd.DataFrame(rows)).tolist()
"""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Server:
    """One of the three: how it is installed and started, and how it is asked.

    Args:
        name: of the library, as it is installed.
        port: it listens at.
        install: what `uv pip install` gets.
        command: its program in the environment, and arguments.
        folder: it is started in.
        path: that predicts.
        body: rows as it takes them.
        scores: P(event) of each row, from its answer.
    """

    name: str
    port: int
    install: list[str]
    command: list[str]
    folder: Path
    path: str
    body: Callable[[Rows], Any]
    scores: Callable[[Any], list[float]]


Started = tuple[Server, psutil.Process]


def main() -> None:
    """Install and start the servers, compare their answers, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, help="folder for the environments (default: a temporary one)")
    parser.add_argument("--seconds", type=int, default=5, help="length of each load (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="loads of each server (default: 3)")
    parser.add_argument("--peers", default="mlflow,bentoml", help="default: mlflow,bentoml")
    asked = parser.parse_args()
    generator = next((name for name in LOADS if shutil.which(name)), None)
    if generator is None:
        sys.exit(f"no load generator: install one of {', '.join(LOADS)} (Debian: apt-get install wrk)")
    os.environ |= dict.fromkeys(THREADS, "1")
    with contextlib.ExitStack() as stack:
        work = (asked.work or Path(stack.enter_context(TemporaryDirectory()))).resolve()
        work.mkdir(parents=True, exist_ok=True)
        package, rows, expected = prepared(work)
        say_where(package, generator)
        started: list[Started] = []
        for server in servers(work, package, asked.peers.split(",")):
            try:
                started.append((server, stack.enter_context(running(server, work, rows))))
                compare(server, rows, expected)
            except (subprocess.CalledProcessError, TimeoutError) as error:
                print(f"{server.name}: left out, {reason(error)}", flush=True)
        bare(package, rows)
        for count, connections in CASES:
            bodies = written(started, work, rows, count)
            table(loads(started, bodies, connections, generator, asked), count, connections)


def prepared(work: Path) -> tuple[Any, Rows, list[float]]:
    """Export the model and write it as a pipeline; return it, rows as JSON has them, and their scores."""
    import joblib
    from sklearn.pipeline import make_pipeline

    from cairn.models.package import load
    from cairn.serve.predictor import Predictor
    from cairn.serve.served_model import plain_rows

    package = load(ROOT / "models/model")
    if package.reference is None or package.task != "binary":
        sys.exit("models/model: a binary model with reference rows is needed")
    shutil.rmtree(work / "export", ignore_errors=True)
    run([sys.executable, str(ROOT / "src/cairn"), "export", str(work / "export")], ROOT)
    joblib.dump(make_pipeline(package.encoder, package.estimator), work / "pipeline.joblib")
    rows = plain_rows(package.reference, Predictor(package).fields)
    return package, rows, package.scores(package.reference).tolist()


def servers(work: Path, package: Any, peers: list[str]) -> list[Server]:
    """Return what is compared."""
    same = [f"{name}=={version(name)}" for name in SAME]
    columns = package.features
    pipeline, saved = work / "pipeline.joblib", work / "mlflow-model"
    (work / "bento.py").write_text(BENTO.format(pipeline=pipeline), encoding="utf-8")
    found = [
        Server(
            "cairn",
            PORT,
            (work / "export/constraints.txt").read_text(encoding="utf-8").split(),
            f"python src/cairn serve --port {PORT}".split(),
            work / "export",
            "/predict",
            lambda rows: {"rows": rows} if len(rows) > 1 else rows[0],
            lambda answer: [one["probability"] for one in answer["predictions"]],
        ),
        Server(
            "mlflow",
            PORT + 1,
            ["mlflow", *same],
            f"mlflow models serve -m {saved} -p {PORT + 1} -w 1 --env-manager local".split(),
            work,
            "/invocations",
            lambda rows: {
                "dataframe_split": {
                    "columns": columns,
                    "data": [[row[name] for name in columns] for row in rows],
                }
            },
            lambda answer: [one[1] for one in answer["predictions"]],
        ),
        Server(
            "bentoml",
            PORT + 2,
            ["bentoml", *same],
            f"bentoml serve bento:Model --port {PORT + 2}".split(),
            work,
            "/predict",
            lambda rows: {"rows": rows},
            lambda answer: [one[1] for one in answer],
        ),
    ]
    return [server for server in found if server.name in ("cairn", *peers)]


@contextlib.contextmanager
def running(server: Server, work: Path, rows: Rows) -> Iterator[psutil.Process]:
    """Install the server if it is not there, and start it; say what that took.

    Raises:
        CalledProcessError: it cannot be installed.
        TimeoutError: it does not answer.
    """
    python = installed(server, work)
    if server.name == "mlflow":
        shutil.rmtree(work / "mlflow-model", ignore_errors=True)
        saving = [str(python), "-c", MLFLOW, str(work / "pipeline.joblib"), str(work / "mlflow-model")]
        run(saving, work, environment(python, work))
    command = [str(python.with_name(server.command[0])), *server.command[1:]]
    with (work / f"{server.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=server.folder,
            env=environment(python, work),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        start = time.monotonic()
        while not answers(server, rows):
            if process.poll() is not None or time.monotonic() > start + PATIENCE:
                raise TimeoutError(f"it does not answer, see {server.name}.log")
            time.sleep(0.1)
        tree = psutil.Process(process.pid)
        memory = sum(each.memory_info().rss for each in family(tree)) / 1e6
        print(
            f"{server.name}: first answer after {cpu(tree):.1f} CPU s; {memory:.0f} MB of memory", flush=True
        )
        yield tree
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def installed(server: Server, work: Path) -> Path:
    """Return the Python of the server's environment, which is made if it is not there."""
    folder = work / f"venv-{server.name}"
    python, complete = folder / "bin/python", folder / "complete"
    if not complete.exists() or complete.read_text(encoding="utf-8").split() != server.install:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        start = time.monotonic()
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], work)
        run([uv, "pip", "install", "--quiet", "--python", str(python), *server.install], work)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        complete.write_text("\n".join(server.install), encoding="utf-8")
        print(f"{server.name}: installed in {time.monotonic() - start:.0f} s, {size:.0f} MB", flush=True)
    names = [*(["fastapi", "uvicorn"] if server.name == "cairn" else [server.name]), *SAME]
    code = f"from importlib.metadata import version; print(*map(version, {names}))"
    versions = run([str(python), "-c", code], work).split()
    said = ", ".join(f"{name} {found}" for name, found in zip(names, versions, strict=True))
    print(f"{server.name}: {said}", flush=True)
    return python


def environment(python: Path, work: Path) -> dict[str, str]:
    """Return the variables of a server: its own programs first, the code of the encoder, nothing of ours."""
    ours = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return ours | {
        "PATH": f"{python.parent}{os.pathsep}{ours['PATH']}",
        "PYTHONPATH": str(work / "export/src"),
        "BENTOML_HOME": str(work / "bento-home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def address(server: Server) -> str:
    """Return where a server predicts."""
    return f"http://127.0.0.1:{server.port}{server.path}"


def ask(server: Server, rows: Rows) -> Any:
    """Return the answer of a server."""
    body = json.dumps(server.body(rows)).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address(server), body, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def answers(server: Server, rows: Rows) -> bool:
    """Return whether a server predicts."""
    try:
        ask(server, rows[:1])
    except OSError:
        return False
    return True


def compare(server: Server, rows: Rows, expected: list[float]) -> None:
    """Stop if a server predicts rows otherwise than the model, one by one or together."""
    together = server.scores(ask(server, rows))
    alone = [score for row in rows[:20] for score in server.scores(ask(server, [row]))]
    worst = max(abs(a - b) for a, b in zip([*together, *alone], [*expected, *expected[:20]], strict=True))
    if worst > 1e-12:
        sys.exit(f"{server.name}: predicts otherwise than the model, by up to {worst:.3g}")
    said = "the bits of the model" if worst == 0 else f"the model's values within {worst:.1g}"
    print(f"{server.name}: {len(rows)} rows together and 20 alone have {said}", flush=True)


def written(started: list[Started], work: Path, rows: Rows, count: int) -> dict[str, Path]:
    """Write the bodies of requests, one a line, the same rows for every server; return the files by name."""
    draw = np.random.default_rng(SEED)
    drawn = [[rows[at] for at in draw.integers(0, len(rows), count)] for _ in range(BODIES[count])]
    found = {}
    for server, _ in started:
        found[server.name] = work / f"{server.name}-{count}.jsonl"
        lines = [json.dumps(server.body(each)) for each in drawn]
        found[server.name].write_text("\n".join(lines), encoding="utf-8")
    return found


def loads(
    started: list[Started],
    bodies: dict[str, Path],
    connections: int,
    generator: str,
    asked: argparse.Namespace,
) -> dict[str, dict[str, float]]:
    """Send the bodies to every server, in turn; return the medians of the rounds by server."""
    found: dict[str, list[dict[str, float]]] = {server.name: [] for server, _ in started}
    for number in range(asked.rounds):
        for server, process in started if number % 2 else started[::-1]:
            before = cpu(process)
            result = LOADS[generator](address(server), bodies[server.name], connections, asked.seconds)
            result["cpu"] = 1000 * (cpu(process) - before) / max(result["requests"], 1)
            found[server.name].append(result)
    return {
        name: {key: statistics.median(one[key] for one in results) for key in results[0]}
        for name, results in found.items()
    }


def with_wrk(url: str, bodies: Path, connections: int, seconds: int) -> dict[str, float]:
    """Return requests, seconds, p50 and p99 in ms, and failed requests."""
    script = bodies.with_suffix(".lua")
    script.write_text(SCRIPT % bodies, encoding="utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s", f"-s{script}", url]
    said = run(command, bodies.parent)
    return json.loads(next(line for line in said.splitlines() if line.startswith("RESULT"))[7:])


def with_hey(url: str, bodies: Path, connections: int, seconds: int) -> dict[str, float]:
    """Return requests, seconds, p50 and p99 in ms, and failed requests; hey sends the first body only."""
    body = bodies.with_suffix(".json")
    body.write_text(bodies.read_text(encoding="utf-8").partition("\n")[0], encoding="utf-8")
    command = ["hey", f"-z={seconds}s", f"-c={connections}", "-m=POST", "-T=application/json", f"-D={body}"]
    start = time.monotonic()
    lines = [line.split(",") for line in run([*command, "-o=csv", url], bodies.parent).splitlines()[1:]]
    times = [1000 * float(line[0]) for line in lines]
    p50, p99 = np.percentile(times, [50, 99]).tolist()
    failed = sum(line[6] != "200" for line in lines)
    return {
        "requests": len(lines),
        "seconds": time.monotonic() - start,
        "p50": p50,
        "p99": p99,
        "failed": failed,
    }


LOADS = {"wrk": with_wrk, "hey": with_hey}


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and all below it."""
    return sum(sum(each.cpu_times()[:2]) for each in family(process))


def bare(package: Any, rows: Rows) -> None:
    """Print what the estimator takes on arrays, without any server, and the model as the service calls it."""
    import pyarrow as pa

    from cairn.serve.predictor import Predictor

    predictor = Predictor(package)
    matrix = package.encoder.transform(package.reference)
    tall = np.tile(matrix, (16, 1))[:4096]
    many = np.tile(matrix, (MANY // len(matrix) + 1, 1))[:MANY]
    table = pa.Table.from_pandas(package.reference)
    table = pa.concat_tables([table] * (MANY // len(table) + 1)).slice(0, MANY)
    calls = {
        "predict_proba, 1 row": (1, lambda: package.estimator.predict_proba(matrix[:1])),
        "predict_proba, 100 rows": (100, lambda: package.estimator.predict_proba(matrix[:100])),
        f"predict_proba, {len(tall)} rows": (len(tall), lambda: package.estimator.predict_proba(tall)),
        f"predict_proba, {MANY} rows": (MANY, lambda: package.estimator.predict_proba(many)),
        f"cairn predict, {MANY} rows": (MANY, lambda: predictor.table(table)),
        "cairn's model call, 1 row": (1, lambda: predictor.rows(rows[:1])),
        "cairn's model call, 100 rows": (100, lambda: predictor.rows(rows[:100])),
    }
    print(f"\n{'in this process, one thread':<32}{'CPU ms/call':>12}{'rows/CPU s':>12}")
    for name, (count, call) in calls.items():
        spent = seconds_of(call)
        print(f"{name:<32}{1000 * spent:>12.3f}{count / spent:>12,.0f}", flush=True)


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the median CPU seconds of a call, over half a second and 5 calls, or 3 seconds."""
    call()
    found: list[float] = []
    while sum(found) < 3 and (len(found) < 5 or sum(found) < 0.5):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return statistics.median(found)


def table(measured: dict[str, dict[str, float]], count: int, connections: int) -> None:
    """Print one line per server, and how far cairn is ahead of the best peer."""
    print(f"\n{count} rows per request, {connections} connections")
    head = f"{'':<10}{'p50 ms':>9}{'p99 ms':>9}{'requests/s':>12}{'rows/s':>10}"
    print(f"{head}{'CPU ms/request':>16}{'rows/CPU s':>12}{'failed':>8}")
    speed = {name: 1000 * count / one["cpu"] for name, one in measured.items()}
    for name, one in measured.items():
        rate = one["requests"] / one["seconds"]
        line = f"{name:<10}{one['p50']:>9.2f}{one['p99']:>9.2f}{rate:>12,.1f}{rate * count:>10,.0f}"
        print(f"{line}{one['cpu']:>16.2f}{speed[name]:>12,.0f}{one['failed']:>8.0f}")
    peers = [speed[name] for name in speed if name != "cairn"]
    if peers and "cairn" in speed:
        print(
            f"cairn: {speed['cairn'] / max(peers):.0f} times the rows per CPU second of the best peer",
            flush=True,
        )


def say_where(package: Any, generator: str) -> None:
    """Print the machine, the model and the seed."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} before the start"
    print(f"{machine}; {platform.system()}, Python {platform.python_version()}")
    kind, name = type(package.estimator).__name__, package.config["data"]["name"]
    print(f"model: {name}, {kind}, {len(package.features)} columns; rows: its reference rows, seed {SEED}")
    print(f"load: {generator} on loopback; one process with one thread per server", flush=True)


def reason(error: Exception) -> str:
    """Return why a server is left out, in one line."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return next((line.strip() for line in reversed((said or "").splitlines()) if line.strip()), "no message")


def run(command: list[str], folder: Path, variables: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        CalledProcessError: it failed.
    """
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
