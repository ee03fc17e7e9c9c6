"""Whatever conf/ holds, compose answers with lines for the user: no traceback, no endless wait, no code."""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from toy_conf import make_toy_conf

from cairn.errors import UserError
from cairn.pipeline.compose import main

CPU_SECONDS, SECONDS = 10, 120
USED = [
    *("config", "contract/visits", "data/visits", "experiment/tiny", "features/all", "split/random"),
    *(f"{name}/default" for name in ("baseline", "evaluate", "explain", "search", "train")),
    *(f"{name}/none" for name in ("calibration", "cross_validation", "kpi")),
    *(f"model/{name}" for name in ("hist_gbdt", "logistic", "mlp")),
]
VALUES = r"""
"${"
"${}"
"${a"
"${${"
"${seed}"
"${.}"
"${..x}"
"${oc.env:HOME}"
"${oc.create:[}"
"${oc.decode:[}"
"${oc.select:seed}"
"${x:}"
"${seed:1}"
"${model}"
"${model.params}"
"${oc.dict.keys:model}"
"${hydra:runtime.cwd}"
"${hydra.run.dir}"
null
[]
{}
""
x
-1
1e400
.nan
-.inf
99999999999999999999
1e-5
true
"\0"
"\ud800"
!!python/object/apply:os.system [exit]
!!binary aGk=
!!set {a, b}
!!omap [a: 1]
!foo x
&a [*a]
*nope
{a: {b: {c: 1}}}
{1: 2}
{null: 1}
{[a]: 1}
{true: 1}
{1.5: 2}
? [a]
2013-01-01
0x10
???
/etc/passwd
<<
{<<: {a: 1}}
{<<: 5}
{_target_: os.system}
{"": 1}
{"a.b": 1}
{"${seed}": 1}
{"a=b": 1}
""".strip().splitlines()
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
ADDED = {
    "bomb": BOMB,
    "60,000 keys": "".join(f"k{i}: {i}\n" for i in range(60_000)),
    "deep lists": f"deep: {'[' * 3000}{']' * 3000}\n",
    "deep mappings": "".join(f"{'  ' * i}k{i}:\n" for i in range(300)),
    "two documents": "---\na: 1\n",
    "tabs": "\tx: 1\n",
    "interpolations in a circle": "a: ${b}\nb: ${a}\n",
    "interpolation of itself": "me: ${me}\n",
    "a key twice": "twice: 1\ntwice: 2\n",
    "keys that are not text": "1: 2\n1.5: 3\nnull: 4\n",
    "a list as key": "? [a, b]\n: 1\n",
    "a number of 5,000 digits": f"x: {'9' * 5000}\n",
    "hydra": "hydra: 5\n",
    "space": "space: 5\n",
    "zero byte": "x: \0\n",
}
BEFORE = {
    "_self_ twice": "defaults: [_self_, _self_]\n",
    "defaults of numbers": "defaults: [1, 2.5, true, null]\n",
    "defaults of lists": "defaults: [[[a]]]\n",
    "defaults as mapping": "defaults: {a: b}\n",
    "defaults of interpolations": "defaults: ['${x}']\n",
    "defaults in a circle": "defaults: [visits, default, config, hist_gbdt]\n",
    "package of nothing": "# @package\n",
    "package of dots": "# @package a..b\n",
    "package of interpolations": "# @package ${x}\n",
}
WHOLE = {
    "latin": "name: für\n".encode("latin-1"),
    "empty": b"",
    "list": b"- a\n- b\n",
    "number": b"5\n",
    "text": b"words alone\n",
    "bomb alone": BOMB.encode(),
}
PLACES = ("folder", "loop", "missing", "dangling", "pipe", "half", "random", "utf-16", "conflict")
FILES = (*ADDED, *BEFORE, *WHOLE, *PLACES)


class TooLongError(BaseException):
    """Not an Exception, so that nothing takes it for an error of Hydra."""


def stop(*_):
    raise TooLongError


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mutated")
    make_toy_conf(root)
    return root


def put(file: Path, how: str, rng: random.Random) -> None:
    """Put something else in the place of a file of conf/."""
    before = file.read_bytes()
    file.unlink()
    match how:
        case "folder":
            file.mkdir()
        case "loop":
            file.symlink_to(file.name)
        case "dangling":
            file.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(file)
        case "half":
            file.write_bytes(before[: len(before) // 2])
        case "random":
            file.write_bytes(rng.randbytes(2000))
        case "utf-16":
            file.write_bytes(before.decode().encode("utf-16"))
        case "conflict":
            file.write_bytes(b"<<<<<<< HEAD\n" + before + b"=======\n" + before + b">>>>>>> x\n")
        case str() if how != "missing":
            added, first = ADDED.get(how, ""), BEFORE.get(how, "")
            file.write_bytes(WHOLE.get(how, first.encode() + before + added.encode()))


def put_value(file: Path, rng: random.Random) -> str:
    """Give a key of a file another value, or spoil its line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    at = rng.choice([i for i, line in enumerate(lines) if ":" in line and not line.lstrip().startswith("#")])
    spoilt = (f"  {lines[at]}", lines[at].replace(":", "", 1), "")
    lines[at] = rng.choice([f"{lines[at].partition(':')[0]}: {rng.choice(VALUES)}"] * 7 + [*spoilt])
    file.write_text("\n".join(lines), encoding="utf-8")
    return lines[at]


def answer(root: Path, name: str, how: str | None, rng: random.Random) -> str:
    """Compose with one file of conf/ changed; return what was changed, and what is wrong with the answer."""
    file = root / "conf" / f"{name}.yaml"
    before, what, wrong = file.read_bytes(), how, ""
    try:
        if how is None:
            what = put_value(file, rng)
        else:
            put(file, how, rng)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.alarm(SECONDS)
        main()
    except UserError as error:
        if not str(error).strip() or max(map(len, str(error).splitlines())) > 2000:
            wrong = f"said {str(error)[:200]!r}"
    except TooLongError:
        wrong = "takes too long"
    except BaseException as error:
        wrong = repr(error)
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        file.unlink(missing_ok=True)
        file.write_bytes(before)
        (root / "params.yaml").unlink(missing_ok=True)
    return wrong and f"{name}: {what}: {wrong}"


@pytest.fixture
def answers(toy, monkeypatch):
    monkeypatch.chdir(toy)
    before = {name: signal.signal(name, stop) for name in (signal.SIGALRM, signal.SIGPROF)}

    def run(cases, seed):
        rng = random.Random(seed)
        return list(filter(None, (answer(toy, rng.choice(USED), how, rng) for how in cases)))

    yield run
    for name, handler in before.items():
        signal.signal(name, handler)


def test_mutated_files_and_values_of_conf_are_answered_with_lines(answers):
    assert answers([*FILES[::3], *[None] * 10], 14) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_mutated_files_and_values_of_conf_are_answered_with_lines(answers, seed):
    assert answers([*FILES * 3, *[None] * 120], seed) == []


def test_a_value_that_is_no_interpolation_is_named_by_file_line_and_value(toy, monkeypatch):
    monkeypatch.chdir(toy)
    file = toy / "conf/train/default.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text('early_stopping: true\ndevice: "${"\n', encoding="utf-8")
    try:
        with pytest.raises(UserError, match=r"^conf/train/default\.yaml:2: \$\{ "):
            main()
    finally:
        file.write_text(before, encoding="utf-8")


def test_a_byte_order_mark_is_named_because_hydra_would_not_see_the_package_behind_it(toy, monkeypatch):
    monkeypatch.chdir(toy)
    file = toy / "conf/train/default.yaml"
    before = file.read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8-sig")
    try:
        with pytest.raises(UserError, match=r"^conf/train/default\.yaml:1: begins with a byte order mark"):
            main()
    finally:
        file.write_text(before, encoding="utf-8")
