"""The likely reasons for a difference, from what is known about it."""

import copy

import pytest

from cairn.experiments.history import Revision
from cairn.report.reproduction import lines, reasons
from cairn.reproduction.judge import Compared, StageResult, verdict
from cairn.reproduction.reproduce import Asked, Reproduction

ENVIRONMENT = {
    "python": "3.11.2",
    "implementation": "CPython",
    "system": "Linux",
    "machine": "x86_64",
    "libc": "glibc 2.36",
    "processor": {"model": "one", "flags": ["avx2"]},
    "cores": 2,
    "libraries": [{"architecture": "Haswell"}],
    "packages": {"numpy": "2.4.6"},
    "unpinned": [],
    "threads": 2,
}


def done(*, unpinned=(), **stage):
    known = {"state": "cause", "outputs": [Compared("model", "a", "b")], "repeats": True}
    stages = [StageResult("train", **known | stage)]
    return Reproduction(
        asked=Asked(Revision("v1", "c" * 40)),
        commit="c" * 40,
        record="c" * 40,
        verdict=verdict(stages, failed=False),
        stages=stages,
        inputs=[],
        outputs=[],
        environment={**ENVIRONMENT, "unpinned": list(unpinned)},
        began=None,
        ended=None,
        error=[],
        folder=None,
    )


def test_what_is_seen_goes_before_what_is_guessed():
    (changed,) = reasons(
        done(changed=[Compared("raw.csv", "a", "b")], repeats=None, unpinned=["numpy 1 is installed"])
    )
    assert "raw.csv" in changed and "numpy" not in changed
    (again,) = reasons(done(repeats=False, unpinned=["numpy 1 is installed"]))
    assert "second run" in again and "numpy" not in again
    (versions,) = reasons(done(unpinned=["numpy 1 is installed"]))
    assert "numpy 1 is installed" in versions
    (machine,) = reasons(done())
    for fact in ("CPython 3.11.2", "one with avx2", "Haswell", "2 threads"):
        assert fact in machine
    assert list(reasons(done(state="consequence"))) == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("python", "3.13.0", "CPython 3.13.0 is now CPython 3.11.2"),
        ("processor", {"model": "two", "flags": ["avx512f"]}, "two with avx512f is now one with avx2"),
        ("libraries", [{"architecture": "Zen"}], "OpenBLAS for Zen is now OpenBLAS for Haswell"),
        ("threads", 4, "4 threads is now 2 threads"),
        ("packages", {"numpy": "2.4.5"}, "numpy 2.4.5 is now 2.4.6"),
    ],
)
def test_an_earlier_record_names_what_is_different_since(key, value, said):
    (reason,) = reasons(done(), {**copy.deepcopy(ENVIRONMENT), key: value})
    assert reason.endswith(f": {said}")


def test_the_verdict_names_the_stage_in_which_the_difference_begins():
    text = " ".join(" ".join(lines(done(), [])).split())
    assert "v1 (ccccccc)" in text and "DIFFERENT from stage train on" in text
    assert "model: recorded a, here b" in text
    (note,) = [
        line
        for line in lines(done(changed=[Compared("src", "a", "b")], state="identical"), [])
        if "note" in line
    ]
    assert "src" in note
