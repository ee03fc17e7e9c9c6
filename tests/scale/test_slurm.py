"""Workers as SLURM jobs: slurmctld and slurmd of the distribution, on loopback."""

import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import daemon, ended, free_ports, postgresql, wait_until
from toys import done_by_workers, finished, search, sweep

from cairn.errors import UserError
from cairn.experiments import engines as engine
from cairn.experiments.engines import start

pytestmark = pytest.mark.scale

CONFIG = """
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MailProg=/bin/true
ReturnToService=2
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={node} CPUs=4 Gres=gpu:1
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=requeue
PartitionName=main Nodes=node Default=YES DefaultTime=3-0 PriorityTier=1
PartitionName=urgent Nodes=node PriorityTier=2
"""


@contextmanager
def cluster(folder):
    """Run SLURM with one node that takes itself for one of four CPUs; SLURM_CONF leads its commands here."""
    control, node = free_ports(2)
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(CONFIG.format(folder=folder, control=control, node=node, host=host))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    (folder / "munge.key").touch(0o600)
    (folder / "munge.key").write_bytes(os.urandom(128))
    munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket"]
    munged += [f"--{what}-file={folder}/munge.{what}" for what in ("key", "log", "pid", "seed")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")  # where Debian keeps daemons
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        with daemon(munged, folder / "munged.out"):
            wait_until((folder / "munge.socket").exists)
            with (
                daemon(["slurmctld", "-D"], folder / "slurmctld.out"),
                daemon(["slurmd", "-D"], folder / "slurmd.out"),
            ):
                wait_until(lambda: ask("sinfo", "--noheader", "--format=%t") == ["idle"])
                yield


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield


def ask(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[:-1]


def queue(what: str = "%T") -> list[str]:
    return ask("squeue", "--noheader", "--array", f"--format={what}")


def content(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def test_workers_are_jobs_and_their_output_and_exit_codes_come_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORD", "from the driver")
    commands = [
        ["sh", "-c", 'echo "$WORD" in job $SLURM_ARRAY_JOB_ID on $SLURM_CPUS_PER_TASK; pwd'],
        ["sh", "-c", "echo no >&2; exit 3"],
        ["sh", "-c", "kill -9 $$"],
    ]
    workers = start("slurm", commands, folder=tmp_path / "logs", threads=2)
    assert ended(workers) == [0, 3, -signal.SIGKILL]
    said, where = (tmp_path / "logs/worker-0.log").read_text().splitlines()
    assert said.startswith("from the driver in job ")
    assert said.endswith(" on 2")
    assert where == str(tmp_path)
    assert (tmp_path / "logs/worker-1.log").read_text() == "no\n"


def test_what_sbatch_reads_from_the_environment_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("SBATCH_PARTITION", "urgent")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "7")
    command = ["sh", "-c", "squeue --noheader --format='%P %l' --jobs=$SLURM_JOB_ID"]
    assert ended(start("slurm", [command], folder=tmp_path, threads=1)) == [0]
    assert (tmp_path / "worker-0.log").read_text() == "urgent 7:00\n"
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    with pytest.raises(UserError, match=r"^--on slurm: .*[Ii]nvalid partition") as error:
        start("slurm", [command], folder=tmp_path, threads=1)
    assert "\n" not in str(error.value)


def test_the_time_limit_is_that_of_the_partition(tmp_path):
    command = ["sh", "-c", "squeue --noheader --format=%l --jobs=$SLURM_JOB_ID"]
    assert ended(start("slurm", [command], folder=tmp_path, threads=1)) == [0]
    assert (tmp_path / "worker-0.log").read_text() == "3-00:00:00\n"


def test_a_gpu_is_asked_for(tmp_path):
    command = ["sh", "-c", "echo GPU $CUDA_VISIBLE_DEVICES"]
    assert ended(start("slurm", [command], folder=tmp_path, threads=1, gpus=1)) == [0]
    assert (tmp_path / "worker-0.log").read_text() == "GPU 0\n"


def test_cancel_ends_what_runs_and_what_waits_with_its_children(tmp_path):
    child = tmp_path / "child"
    running = ["sh", "-c", f"sleep 300 & echo $! > {child}; wait"]
    workers = start("slurm", [["true"], running, running, running], folder=tmp_path, threads=2)
    wait_until(lambda: content(child) and sorted(queue()) == ["PENDING", "RUNNING", "RUNNING"])
    assert workers.poll() == [0, None, None, None]
    workers.cancel()
    assert workers.poll() == [0, *[-signal.SIGTERM] * 3]
    wait_until(lambda: not queue())
    wait_until(lambda: not Path(f"/proc/{int(content(child))}").exists())
    workers.cancel()


def test_a_preempted_job_starts_again_and_its_first_life_is_no_result(tmp_path, monkeypatch):
    second_ends = (
        "trap 'exit 7' TERM; echo life; test $(grep -c life worker-0.log) = 2 || { sleep 300 & wait; }"
    )
    command = ["sh", "-c", second_ends]
    monkeypatch.chdir(tmp_path)
    workers = start("slurm", [command], folder=tmp_path, threads=1)
    wait_until(lambda: content(tmp_path / "worker-0.log") == "life\n")
    (job,) = queue("%i")
    subprocess.run(["srun", "--quiet", "--partition=urgent", "--cpus-per-task=4", "true"], check=True)
    assert workers.poll() == [None]
    # SLURM lets two minutes pass before a preempted job may start again.
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
    assert ended(workers) == [0]
    assert (tmp_path / "worker-0.log").read_text() == "life\nlife\n"


def test_a_search_on_a_server_runs_as_jobs(tmp_path):
    with postgresql() as storage:
        assert search(tmp_path, "slurm", storage, "search.trials=8").wait(120) == 0
        assert list(finished(storage)) == done_by_workers(tmp_path) == list(range(8))


def test_a_sweep_runs_as_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY", str(tmp_path / "trace"))
    assert sweep(tmp_path, "slurm") == {"toy-1": "x=1", "toy-2": "x=2", "toy-3": "x=3"}


def test_a_job_that_vanishes_without_a_message_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "FILE_SYSTEM_SECONDS", 1.0)
    workers = start("slurm", [["sh", "-c", "kill -9 $PPID"]], folder=tmp_path, threads=1)
    assert ended(workers) == [-signal.SIGTERM]


def test_a_cluster_that_does_not_answer_gives_one_line(tmp_path, monkeypatch):
    (tmp_path / "slurm.conf").write_text("no such thing\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(UserError, match=r"^--on slurm: ") as error:
        start("slurm", [["true"]], folder=tmp_path, threads=1)
    assert "\n" not in str(error.value)
