"""A comparison is suggested only where both revisions predicted the same rows, and it is kept here."""

import pytest
from board_history import Repository, evaluation, lock

from cairn.experiments.history import History
from cairn.studies.compare.evidence import comparable


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path)
    for digest in ("1" * 32, "2" * 32):
        stored = tmp_path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        stored.parent.mkdir(parents=True)
        stored.write_bytes(b"")
    (tmp_path / ".gitignore").write_text(".dvc\n")
    made.commit(evaluation(), locked=lock(predictions="1" * 32))
    made.git("branch", "base")
    return made


@pytest.mark.parametrize(
    ("other", "suggested"),
    [
        ({"predictions": "2" * 32}, True),
        ({"predictions": "2" * 32, "rows": "0" * 32}, False),
        ({"predictions": "3" * 32}, False),
    ],
    ids=["same rows", "other rows", "predictions elsewhere"],
)
def test_a_comparison_is_suggested_only_where_it_is_possible(repository, tmp_path, other, suggested):
    repository.commit(evaluation(0.8), locked=lock(**other))
    history = History(tmp_path)
    assert comparable(history, history.resolve("base"), history.resolve("main")) == suggested


def test_a_revision_that_was_never_run_is_not_suggested(repository, tmp_path):
    repository.commit(None, locked="schema: '2.0'\nstages: {}\n")
    history = History(tmp_path)
    assert not comparable(history, history.resolve("base"), history.resolve("main"))
