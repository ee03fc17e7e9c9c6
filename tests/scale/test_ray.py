"""Workers as Ray tasks: two Ray nodes in a network of their own, which has no way out."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from servers import daemon, ended, free_ports, postgresql, wait_until
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


@pytest.fixture(scope="module", autouse=True)
def nodes(network):
    """Two nodes of one CPU each, the second with something that it calls a GPU."""
    import ray

    # The paths of Ray's sockets may not be long.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    (port,) = free_ports(1)
    common = ["ray", "start", "--block", "--num-cpus=1", "--object-store-memory=80000000"]
    head = [*common, "--head", f"--port={port}", "--node-ip-address=127.0.0.1", f"--temp-dir={folder}"]
    second = [*common, f"--address=127.0.0.1:{port}", "--node-ip-address=127.0.0.2", "--num-gpus=1"]
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
