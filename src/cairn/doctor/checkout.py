"""The checkout: the state of git, the ends of lines, and settings that agree with each other."""

from collections.abc import Iterator
from pathlib import Path

from cairn.config.base import ConfigError
from cairn.doctor.line import Line, first
from cairn.experiments.refs import git


def git_state(root: Path) -> Iterator[Line]:
    """Check the branch, what a killed experiment left behind, who commits, and what is not committed."""
    if not (root / ".git").exists():
        yield Line("wrong", "git", "no repository, and an experiment is a commit: git init, then commit all")
        return
    branch = git(root, "branch", "--show-current")
    left = git(root, "for-each-ref", "--format=%(refname)", "refs/exps/exec").splitlines()
    exec_refs = [ref for ref in left if ref.rpartition("/")[2].startswith("EXEC_")]
    stale = [ref for ref in exec_refs if not ref.endswith(("EXEC_APPLY", "EXEC_BRANCH"))]
    if stale:
        cure = "; ".join(["git switch BRANCH"] * (not branch) + [f"git update-ref -d {ref}" for ref in stale])
        yield Line("wrong", "git", f"an experiment is running here or was killed; if none runs: {cure}")
    elif not branch:
        yield Line("warn", "git", "no branch (detached HEAD), commits belong to none: git switch BRANCH")
    for key in ("user.name", "user.email"):
        if not _git_setting(root, key):
            yield Line("wrong", "git", f'{key} is not set, nothing can be committed: git config {key} "…"')
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        said = f"{len(changed)} files differ from the last commit, which sweeps and comparisons start from"
        yield Line("warn", "git", f"{said}: git status, then commit")
    elif branch and not stale:
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
    from cairn.config import params_file
    from cairn.config.origin import Origin
    from cairn.config.overrides import differing
    from cairn.config.schema import read_config
    from cairn.config.traps import traps
    from cairn.pipeline.compose import settle

    conf = root / "conf"
    try:
        found = params_file.read(root / "params.yaml")
        if trapped := traps(conf):
            raise ConfigError("\n".join(trapped))
        composed, overridden = settle(conf, found)
        read_config(composed.values, root, Origin(conf, composed, overridden).of)
    except ConfigError as error:
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


def _git_setting(root: Path, key: str) -> str:
    try:
        return git(root, "config", "--get", key)
    except ConfigError:  # git's way of saying that it is not set
        return ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
