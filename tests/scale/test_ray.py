"""Workers as Ray tasks: two Ray nodes in a network of their own, which has no way out."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from http_service import GOOD, saved
from repository import ROOT
from servers import daemon, ended, free_ports, postgresql, wait_until
from synthetic import rows
from toys import done_by_workers, finished, search, sweep

from cairn.errors import UserError
from cairn.experiments.engines import start

pytestmark = pytest.mark.scale

NEW_NETWORK = 0x40000000  # CLONE_NEWNET of <sched.h>

# A task's process is a child of its node's raylet, whose command line holds the node's address.
WHICH_NODE = """
import os, re, time
raylet = open(f"/proc/{os.getppid()}/stat").read().split()[3]
print(re.search(r"node_ip_address=([\\d.]+)", open(f"/proc/{raylet}/cmdline").read())[1], flush=True)
time.sleep(1)
"""


@pytest.fixture(scope="module", autouse=True)
def network():
    """Move this process, and with it what it starts, into a network that is a loopback and nothing else."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as outside:
        assert libc.unshare(NEW_NETWORK) == 0, "a network namespace needs root"
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
        libc.setns(outside.fileno(), 0)


NODE = ["ray", "start", "--block", "--num-cpus=1", "--object-store-memory=80000000"]


@pytest.fixture(scope="module", autouse=True)
def nodes(network):
    """Two nodes of one CPU each, the second with something that it calls a GPU."""
    import ray

    # The paths of Ray's sockets may not be long.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    (port,) = free_ports(1)
    head = [*NODE, "--head", f"--port={port}", "--node-ip-address=127.0.0.1", f"--temp-dir={folder}"]
    second = [*NODE, f"--address=127.0.0.1:{port}", "--node-ip-address=127.0.0.2", "--num-gpus=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        with daemon([*head, "--include-dashboard=false"], folder / "head.out"):
            wait_until(lambda: "runtime started" in (folder / "head.out").read_text())
            with daemon(second, folder / "second.out"):
                wait_until(lambda: "runtime started" in (folder / "second.out").read_text())
                yield
                ray.shutdown()
    shutil.rmtree(folder)


def alive(file: Path) -> bool:
    return Path(f"/proc/{int(file.read_text())}").exists()


def test_both_nodes_work_and_output_and_exit_codes_come_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORD", "from the driver")
    where = [sys.executable, "-c", WHICH_NODE]
    commands = [where, where, ["sh", "-c", "echo $WORD; pwd; exit 3"], ["sh", "-c", "kill -9 $$"]]
    workers = start("ray", commands, folder=tmp_path / "logs", threads=1)
    assert ended(workers) == [0, 0, 3, -signal.SIGKILL]
    said = [(tmp_path / f"logs/worker-{k}.log").read_text() for k in range(3)]
    assert {said[0], said[1]} == {"127.0.0.1\n", "127.0.0.2\n"}
    assert said[2] == f"from the driver\n{tmp_path}\n"


def test_a_gpu_is_asked_for(tmp_path):
    command = [sys.executable, "-c", f"{WHICH_NODE}print('GPU', os.environ['CUDA_VISIBLE_DEVICES'])"]
    assert ended(start("ray", [command], folder=tmp_path, threads=1, gpus=1)) == [0]
    assert (tmp_path / "worker-0.log").read_text() == "127.0.0.2\nGPU 0\n"


def test_cancel_ends_what_runs_and_what_waits_with_its_children(tmp_path):
    files = [tmp_path / f"child-{k}" for k in range(3)]
    running = [["sh", "-c", f"sleep 300 & echo $! > {file}; wait"] for file in files]
    workers = start("ray", [["true"], *running], folder=tmp_path, threads=1)

    def begun():
        return [file for file in files if file.exists() and file.read_text()]

    wait_until(lambda: workers.poll()[0] == 0 and len(begun()) == 2)  # the nodes have one CPU each
    children = begun()
    workers.cancel()
    assert workers.poll() == [0, *[-signal.SIGTERM] * 3]
    wait_until(lambda: not any(map(alive, children)))
    assert begun() == children
    workers.cancel()


def test_a_search_on_a_server_runs_as_tasks(tmp_path):
    with postgresql() as storage:
        assert search(tmp_path, "ray", storage, "search.trials=8").wait(120) == 0
        assert list(finished(storage)) == done_by_workers(tmp_path) == list(range(8))


def test_a_sweep_runs_as_tasks(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "trace"))
    assert sweep(tmp_path, "ray") == {"toy-1": "x=1", "toy-2": "x=2", "toy-3": "x=3"}


PREDICT = (
    "import sys; from cairn.data import delimited; delimited.BLOCK_BYTES = 5000;"
    "from cairn.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def predict(folder, output, *args, **options):
    """Begin to predict standard input as CSV, in blocks of a hundred rows."""
    where = ["--model", str(folder / "model"), "-o", str(folder / output), "--keep", "id"]
    command = [sys.executable, "-c", PREDICT, "predict", "-", "--format", "csv", *where, *args]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, **options)


def raylets():
    """Return the process of each node by its address."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_text()
            node = re.search(r"--node_ip_address=([\d.]+)", line)
            if node and line.split("\0")[0].endswith("/raylet"):
                found[node[1]] = int(process.name)
    return found


def nodes_that_read_the_model():
    """Return the nodes that have a process with the library that predicts with trees."""
    nodes, found = {pid: node for node, pid in raylets().items()}, set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in nodes and "_hist_gradient_boosting" in (process / "maps").read_text():
                found.add(nodes[parent])
    return found


@contextlib.contextmanager
def third_node(folder, **more):
    address = os.environ["RAY_ADDRESS"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in more.items():
            patch.setenv(name, value)
        with daemon([*NODE, f"--address={address}", "--node-ip-address=127.0.0.3"], folder / "third") as node:
            wait_until(lambda: "runtime started" in (folder / "third").read_text())
            patch.undo()
            yield node


@pytest.fixture(scope="module")
def to_predict(tmp_path_factory):
    """A folder with a model, rows of which some break the contract, and their predictions of one machine."""
    folder = tmp_path_factory.mktemp("predict")
    saved(folder)
    table = rows(6000, seed=5)[[*GOOD]].assign(id=range(6000)).astype({"noise": object})
    table.loc[[7, 5000], "noise"] = "much"
    table.loc[3000:3100, "stop"] = "s99"
    text = table.to_csv(index=False).encode()
    predict(folder, "local.parquet").communicate(text)
    return folder, text


def check_same(folder, output):
    for end in ("", ".violations.csv"):
        expected = (folder / f"local.parquet{end}").read_bytes()
        assert (folder / f"{output}{end}").read_bytes() == expected


def test_both_nodes_predict_to_the_same_bytes(to_predict):
    folder, text = to_predict
    process = predict(folder, "ray.parquet", "--on", "ray")
    half = len(text) // 2
    process.stdin.write(text[:half])
    wait_until(lambda: nodes_that_read_the_model() == {"127.0.0.1", "127.0.0.2"})
    process.communicate(text[half:])
    assert process.returncode == 0
    check_same(folder, "ray.parquet")


def test_one_block_at_a_time(to_predict):
    folder, text = to_predict
    process = predict(folder, "one.parquet", "--on", "ray", "--workers", "1")
    process.communicate(text)
    assert process.returncode == 0
    check_same(folder, "one.parquet")


def test_a_run_survives_kill_9_of_a_node_and_starts_again_after_kill_9_of_the_driver(to_predict, capfd):
    folder, text = to_predict
    half = text.index(b"\n", len(text) // 2) + 1
    with third_node(folder):
        for killed in ("driver", "node"):
            process = predict(folder, "again.parquet", "--on", "ray")
            process.stdin.write(text[:half])
            process.stdin.flush()
            wait_until((folder / ".again.parquet.unfinished").exists)
            wait_until(lambda: "127.0.0.3" in nodes_that_read_the_model())
            if killed == "driver":
                process.kill()
                process.communicate()
                assert not (folder / "again.parquet").exists()
        os.kill(raylets()["127.0.0.3"], signal.SIGKILL)
        process.communicate(text[half:])
    assert process.returncode == 0
    assert "starting again from the first row" in capfd.readouterr().err
    check_same(folder, "again.parquet")


def test_a_node_that_cannot_predict_is_named(to_predict, tmp_path):
    folder, text = to_predict
    (tmp_path / "sklearn.py").write_text("raise ImportError('no scikit-learn here')")
    with third_node(tmp_path, PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"):
        process = predict(folder, "never.parquet", "--on", "ray", stderr=subprocess.PIPE)
        said = process.communicate(text)[1].decode().splitlines()
    assert process.returncode == 1
    assert said[-1].startswith("cairn predict: --on ray: node 127.0.0.3: no scikit-learn here: install")
    assert "Traceback" not in "".join(said)
    assert not list(folder.glob("*never*"))


def test_predict_without_a_cluster_is_one_line(to_predict, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    process = predict(to_predict[0], "never.parquet", "--on", "ray", stderr=subprocess.PIPE)
    said = process.communicate()[1].decode()
    assert process.returncode == 1
    assert said.startswith("cairn predict: --on ray: no cluster answers:") and said.count("\n") == 1


def test_a_worker_too_large_for_every_node_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^--on ray: a worker needs 2 CPUs .* the largest node has 1:"):
        start("ray", [["true"]], folder=tmp_path, threads=2)


def test_after_kill_9_of_the_driver_nothing_of_it_runs_on(tmp_path):
    child = tmp_path / "child"
    running = ["sh", "-c", f"sleep 300 & echo $! > {child}; wait"]
    code = f"""
from pathlib import Path
from cairn.experiments.engines import start
start("ray", [{running}], folder=Path("{tmp_path}"), threads=1)
input()
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    wait_until(lambda: child.exists() and child.read_text())
    driver.kill()
    driver.wait()
    wait_until(lambda: not alive(child))


def test_no_cluster_gives_one_line(tmp_path):
    code = """
from pathlib import Path
from cairn.errors import UserError
from cairn.experiments.engines import start
try:
    start("ray", [["true"]], folder=Path("logs"), threads=1)
except UserError as error:
    print(error)
"""
    environment = os.environ | {"RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == (
        "--on ray: no cluster answers: set RAY_ADDRESS=HOST:PORT, or run `ray start --head` here\n"
    )
