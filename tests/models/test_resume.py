"""A killed run resumes from its last snapshot, and ends in the same model."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from test_mlp import needs_gpu

from cairn.models.mlp import MLPClassifier
from cairn.models.resume import resume_key, snapshot_folder

EPOCHS = 12


def train(root: Path, device: str) -> None:
    """Fit with snapshots, then print how far the snapshot had come and the hash of the weights."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(4000, 8)), rng.integers(0, 30, 4000)])
    y = (X[:, 0] * X[:, 1] + 0.3 * (X[:, 8] % 3) + 0.3 * rng.normal(size=4000)) > 0.3
    params = {"hidden": [128, 128], "batch_size": 64, "max_epochs": EPOCHS, "device": device}
    model = MLPClassifier(**params, categorical_features=[8])
    with snapshot_folder(root, "key") as folder:
        file = folder / "snapshot.pt"
        written = folder / f"snapshot-{device}.pt"
        done = len(torch.load(written, weights_only=True)["state"]["train"]) if written.exists() else 0
        model.fit(X[:3000], y[:3000], X[3000:], y[3000:], snapshot=file)
    arrays = [model.weights_[name].tobytes() for name in sorted(model.weights_)]
    scores = [model.train_score_.tobytes(), model.validation_score_.tobytes()]
    print(done, hashlib.sha256(b"".join(arrays + scores)).hexdigest())


def start(root: Path, device: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(root), device]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.split()


def kill_after(process: subprocess.Popen[str], snapshot: Path, versions: int) -> None:
    """Kill -9 once the snapshot has been replaced often enough."""
    seen, limit = set(), time.monotonic() + 120
    while len(seen) < versions:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit
        if snapshot.exists():
            seen.add(snapshot.stat().st_mtime_ns)
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, device):
    root = tmp_path / "killed"
    undisturbed = start(tmp_path / "calm", device)
    kill_after(start(root, device), root / f"key/snapshot-{device}.pt", versions=3)
    done, digest = finish(start(root, device))
    assert 2 <= int(done) < EPOCHS
    assert finish(undisturbed) == ["0", digest]
    assert not (root / "key").exists()


def test_the_same_run_started_twice_waits_for_the_first(tmp_path, capfd):
    with ThreadPoolExecutor(1) as pool:
        with snapshot_folder(tmp_path, "key") as first:
            (first / "snapshot.pt").write_text("the first one's")
            second = pool.submit(enter, tmp_path, "key")
            with snapshot_folder(tmp_path, "another"):
                pass
            while "waiting" not in (said := capfd.readouterr().out):
                time.sleep(0.01)
            assert "key.lock" in said
            assert not second.done()
        assert second.result(timeout=10) == []


def enter(root: Path, key: str) -> list[str]:
    with snapshot_folder(root, key) as folder:
        return [file.name for file in folder.iterdir()]


def test_a_failed_run_keeps_its_snapshot_and_releases_the_lock(tmp_path):
    with pytest.raises(RuntimeError), snapshot_folder(tmp_path, "key") as folder:
        (folder / "snapshot.pt").write_text("half way")
        raise RuntimeError
    with snapshot_folder(tmp_path, "key") as folder:
        assert (folder / "snapshot.pt").read_text() == "half way"


def test_snapshots_unused_for_a_week_are_removed(tmp_path):
    for key, days in (("old", 8), ("young", 6)):
        with pytest.raises(RuntimeError), snapshot_folder(tmp_path, key):
            raise RuntimeError
        then = time.time() - days * 86400
        os.utime(tmp_path / f"{key}.lock", (then, then))
    with snapshot_folder(tmp_path, "key"):
        assert not (tmp_path / "old").exists()
        assert (tmp_path / "young").exists()


def test_the_key_depends_on_code_data_and_settings_not_on_the_folder(tmp_path):
    for checkout in ("a", "b"):
        (tmp_path / checkout).mkdir()
        (tmp_path / checkout / "train.parquet").write_bytes(b"rows")
    a, b = ([tmp_path / checkout / "train.parquet"] for checkout in ("a", "b"))
    key = resume_key(a, {"seed": 1, "model": "mlp"})
    assert key == resume_key(b, {"model": "mlp", "seed": 1})
    assert key != resume_key(a, {"seed": 2, "model": "mlp"})
    b[0].write_bytes(b"other rows")
    assert key != resume_key(b, {"seed": 1, "model": "mlp"})


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2])
