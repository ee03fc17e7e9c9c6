"""Files are replaced in one step."""

import os
import signal
import subprocess
import sys

import pytest

from cairn import files
from cairn.files import replace_file, replacing


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "folder/file.json"
    replace_file(file, b"old")
    with pytest.raises(OSError, match="full"), replacing(file) as unfinished:
        unfinished.write_bytes(b"ne")
        raise OSError("full")
    assert file.read_bytes() == b"old"
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    seen = []

    def fsync(descriptor):
        seen.append((os.fstat(descriptor).st_size, (tmp_path / "file").exists()))

    monkeypatch.setattr(files.os, "fsync", fsync)
    replace_file(tmp_path / "file", b"12345")
    assert seen == [(5, False)]


def test_a_killed_process_leaves_one_whole_file(tmp_path):
    program = (
        "import sys; from pathlib import Path; from cairn.files import replace_file\n"
        "print(flush=True)\n"
        "while True:\n"
        "    for letter in b'ab': replace_file(Path(sys.argv[1]), bytes([letter]) * 3_000_000)"
    )
    for pause in (0.05, 0.11, 0.23):
        with subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "file"], stdout=subprocess.PIPE
        ) as it:
            assert it.stdout
            it.stdout.readline()
            while not (tmp_path / "file").exists():
                pass
            with pytest.raises(subprocess.TimeoutExpired):
                it.wait(pause)
            it.send_signal(signal.SIGKILL)
        content = (tmp_path / "file").read_bytes()
        assert content in (b"a" * 3_000_000, b"b" * 3_000_000)
