"""The checkout: the state of git, the ends of lines, and settings that agree with each other."""

from collections.abc import Iterator
from pathlib import Path

from cairn.doctor.line import Line, first
from cairn.errors import UserError
from cairn.experiments.refs import EXPERIMENTS, git

EXECUTION = f"{EXPERIMENTS}/exec"


def git_state(root: Path) -> Iterator[Line]:
    """Check the branch, what a killed experiment left behind, who commits, and what is not committed."""
    if not (root / ".git").exists():
        yield Line("wrong", "git", "no repository, and an experiment is a commit: git init, then commit all")
        return
    branch = git(root, "branch", "--show-current")
    left = set(git(root, "for-each-ref", "--format=%(refname)", EXECUTION).splitlines())
    # DVC sets more of these; EXEC_HEAD stays after every run, whether it succeeded or failed.
    marks = [f"{EXECUTION}/{name}" for name in ("EXEC_BASELINE", "EXEC_MERGE")]
    marks = [mark for mark in marks if mark in left]
    if marks:
        cure = "; ".join(f"git update-ref -d {mark}" for mark in marks)
        yield Line("wrong", "git", f"a dvc exp run is at work here or was killed; if it was: {cure}")
    if not branch:
        yield Line("wrong" if marks else "warn", "git", _detached(root))
    for key in ("user.name", "user.email"):
        if not _git_setting(root, key):
            yield Line("wrong", "git", f'{key} is not set, nothing can be committed: git config {key} "…"')
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        said = f"{len(changed)} files differ from the last commit, which sweeps and comparisons start from"
        yield Line("warn", "git", f"{said}: git status, then commit")
    elif branch and not marks:
        yield Line("ok", "git", f"on {branch}, all is committed")


def line_ends(root: Path) -> Iterator[Line]:
    """Find text files whose lines end as on Windows: their hashes differ from those in dvc.lock."""
    if not (root / ".git").exists():
        return
    listed = (line.split("\t", 1) for line in git(root, "ls-files", "--eol").splitlines())
    wrong = [path for how, path in listed if {"w/crlf", "w/mixed", "i/crlf", "i/mixed"} & set(how.split())]
    if wrong:
        cure = "git config core.autocrlf false, then save them with LF"
        yield Line("wrong", "line ends", f"carriage returns in {first(wrong)}: {cure}")
    elif "eol=lf" not in _text(root / ".gitattributes"):
        yield Line("warn", "line ends", "no eol=lf in .gitattributes: git checkout .gitattributes")
    else:
        yield Line("ok", "line ends", "LF in every text file")


def settings(root: Path) -> Iterator[Line]:
    """Check that params.yaml is what conf/ says, and that both make sense."""
    from cairn.compose import params_file
    from cairn.compose.overrides import differing
    from cairn.compose.params_file import settle
    from cairn.compose.validate import Origin, read_config, stop_on_traps

    conf = root / "conf"
    try:
        found = params_file.read(root / "params.yaml")
        stop_on_traps(conf)
        composed, overridden = settle(conf, found)
        read_config(composed.values, root, Origin(conf, composed, overridden).of)
    except UserError as error:
        for line in str(error).splitlines():
            yield Line("wrong", "settings", line)
        return
    if found is None:
        yield Line("wrong", "settings", "params.yaml is not there: dvc repro compose")
    elif found.overrides is None or differing(composed.values, found.values):
        yield Line("warn", "settings", "params.yaml is behind conf/: dvc repro brings it up")
    else:
        overrides = " + " + " ".join(composed.overrides) if composed.overrides else ""
        yield Line("ok", "settings", f"params.yaml = conf/{overrides}")


def _detached(root: Path) -> str:
    """Say how to get back to a branch with all that was committed and all that was not."""
    why = "no branch (detached HEAD, as during dvc exp run and after a kill of it)"
    said = f"{why}, commits belong to none: git switch"
    lost = git(root, "rev-list", "--count", "HEAD", "--not", "--branches", "--tags", "--remotes")
    if lost != "0":
        return f"{said} -c NEW_BRANCH, which keeps the {lost} made here"
    return f"{said} {_branch_before(root) or 'BRANCH'}"


def _branch_before(root: Path) -> str:
    try:
        return git(root, "rev-parse", "--abbrev-ref", "@{-1}")
    except UserError:  # git's way of saying that there was none
        return ""


def _git_setting(root: Path, key: str) -> str:
    try:
        return git(root, "config", "--get", key)
    except UserError:  # git's way of saying that it is not set
        return ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
