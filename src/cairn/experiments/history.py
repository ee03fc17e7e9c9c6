"""The revisions of a checkout, by any name git or DVC knows, and the outputs that DVC tracks in them."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from cairn.errors import UserError, did_you_mean
from cairn.experiments.refs import Experiment, commit_of, every_experiment, git, read_file
from cairn.experiments.versions import ARTIFACT, STAGE, numbers, registered
from cairn.settings.model import AnyModelConfig
from cairn.settings.yaml_text import parse_yaml

if TYPE_CHECKING:
    from dvc.repo import Repo

WORKSPACE = "workspace"
MODEL, PREDICTIONS, SETTINGS = "models/model", "predictions/model.parquet", "params.yaml"
RECORD = "metrics/evaluation.json"
TABLE = "data/prepared/table.parquet"


class MissingOutputError(UserError):
    """An output of a revision is neither in the cache nor on the remote."""


@dataclass(frozen=True)
class Revision:
    """A state of the repository; commit is its full hash, None for the files of the workspace."""

    name: str
    commit: str | None

    @property
    def short(self) -> str:
        """The first digits of the commit, as git shows them; `as it is` for the workspace."""
        return self.commit[:7] if self.commit else "as it is"


def as_run(settings: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with each section as dvc.lock says that the stages ran it.

    params.yaml may have been edited since, and a later run may have ended before it wrote scores. The
    sections of `report` count if it read this record, as it reads all; otherwise those of `evaluate` and of
    the stages that lead to it.
    """
    stages = lock.get("stages") or {}
    ran, names = dict(settings), _leading_to("evaluate", stages)
    written, read = _hash(stages.get("evaluate"), "outs"), _hash(stages.get("report"), "deps")
    if written is not None and written == read:
        names.append("report")
    for name in names:
        sections = stages.get(name, {}).get("params", {}).get(SETTINGS) or {}
        ran |= {key: section for key, section in sections.items() if key in settings}
    return ran


def _leading_to(name: str, stages: Mapping[str, Any]) -> list[str]:
    """Return the stages that make what a stage reads, before what they lead to, and it last."""
    read = {dep.get("path") for dep in stages.get(name, {}).get("deps") or ()}
    makers = [
        other
        for other, stage in stages.items()
        if other != name and read & {out.get("path") for out in stage.get("outs") or ()}
    ]
    return [*dict.fromkeys(each for maker in makers for each in _leading_to(maker, stages)), name]


def _hash(stage: Mapping[str, Any] | None, key: str) -> str | None:
    """Return the hash of the record of scores among the outs or deps of a stage."""
    return next((one.get("md5") for one in (stage or {}).get(key) or () if one.get("path") == RECORD), None)


class History:
    """Reads revisions of one checkout; changes nothing but DVC's cache, into which it fetches."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def resolve(self, name: str) -> Revision:
        """Find a git revision, a DVC experiment, a version, the model of `@STAGE` or the workspace."""
        if name == WORKSPACE:
            return Revision(name, None)
        by_registry = registered(self.root, name)
        if by_registry and STAGE.fullmatch(name):
            return Revision(name, by_registry)
        found = [one for one in self._experiments if one.name == name]
        try:
            by_git = commit_of(self.root, name)
        except UserError:
            by_git = None
        commits = {*(one.sha for one in found), *filter(None, [by_git, by_registry])}
        if len(commits) > 1:
            others = [f"{by_git[:7]} in git"] if by_git else []
            others += [f"{ARTIFACT}@v{'.'.join(map(str, numbers(name)))}"] if by_registry else []
            listed = ", ".join([*others, *(one.ref for one in found)])
            raise UserError(f"{name}: {len(commits)} revisions have this name: write one in full: {listed}")
        if not commits:
            kinds = ("refs/heads", "refs/tags", "refs/remotes")
            branches = git(self.root, "for-each-ref", "--format=%(refname:short)", *kinds).splitlines()
            known = [*(one.name for one in self._experiments), *branches, WORKSPACE]
            raise UserError(
                f"{name}: no branch, tag, commit or experiment with this name{did_you_mean(name, known)}"
                " (`dvc exp list --all-commits`, `git branch --all` and `cairn models` list them)"
            )
        return Revision(name, commits.pop())

    def text(self, revision: Revision, path: str) -> str | None:
        """Return a file that git holds, or None where the revision does not have it."""
        if revision.commit:
            content = read_file(self.root, revision.commit, f"./{path}")
            return None if content is None else content.decode("utf-8")
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.exists() else None

    def settings(self, revision: Revision) -> dict[str, Any]:
        """Return the params.yaml of a revision; empty where it has none."""
        found = parse_yaml(self.text(revision, SETTINGS) or "", f"{revision.name}: {SETTINGS}")
        return found if isinstance(found, dict) else {}

    def settings_run(self, revision: Revision) -> dict[str, Any]:
        """Return the settings that the results of a revision come from; see `as_run`."""
        return as_run(self.settings(revision), self._lock(revision))

    def trusted(self, revision: Revision) -> list[str]:
        """Return the classes and libraries that the model of a revision may use besides the usual ones."""
        settings = self.settings(revision)
        return (
            TypeAdapter(AnyModelConfig).validate_python(settings["model"]).trusted
            if "model" in settings
            else []
        )

    def tracked(self, revision: Revision, path: str) -> Path:
        """Return the path of an output that DVC tracks, in the workspace or in the cache.

        An output that is not in the cache is fetched from the default remote.

        Raises:
            MissingOutputError: the revision has no such output, or neither cache nor remote has it.
            UserError: the file in the cache is corrupt, or there is none in the workspace.
        """
        if revision.commit is None:
            file = self.root / path
            if not file.exists():
                raise UserError(f"{path}: not in the workspace; run `dvc checkout` or `dvc repro`")
            return file
        return self._cached(revision, path, self.digest(revision, path))

    def tracked_folder(self, revision: Revision, path: str) -> Path:
        """Return a folder with the files of an output that is one; see `tracked`.

        The folder of a commit is a copy below .dvc/tmp/outputs, named by its content.
        """
        if revision.commit is None:
            return self.tracked(revision, path)
        digest = self.digest(revision, path)
        name = digest.removesuffix(".dir")
        if name == digest:
            raise UserError(f"{revision.name}: {path} is a file, not a folder")
        copy = self.root / ".dvc/tmp/outputs" / name
        if copy.exists():
            return copy
        fresh = copy.with_name(f"{name}.{os.getpid()}")
        for entry in json.loads(self._cached(revision, path, digest).read_bytes()):
            file = fresh / entry["relpath"]
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._cached(revision, f"{path}/{entry['relpath']}", entry["md5"]), file)
        with suppress(OSError):  # another process has made the same copy
            fresh.rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
        return copy

    def _cached(self, revision: Revision, path: str, digest: str) -> Path:
        cached = Path(self._dvc.cache.local.oid_to_path(digest))
        if not cached.exists():
            self._fetch(revision, path, digest, cached)
        found = hashlib.md5(cached.read_bytes(), usedforsecurity=False).hexdigest()
        if found != digest.removesuffix(".dir"):
            raise UserError(
                f"{revision.name}: {path}: its file in DVC's cache has changed since it was stored;"
                f" delete .../{cached.parent.name}/{cached.name} there and run the command again"
            )
        return cached

    def stored(self, digest: str) -> Path | None:
        """Return the file of DVC's cache with this MD5, or None; DVC itself takes a second to import."""
        file = self._cache / "files/md5" / digest[:2] / digest[2:]
        return file if len(digest) > 2 and file.exists() else None

    @cached_property
    def _cache(self) -> Path:
        """The folder that .dvc/config sets as cache.dir; settings of the user or the system are not read."""
        for name in ("config.local", "config"):
            read = ConfigParser(interpolation=None, strict=False)
            read.read(self.root / ".dvc" / name, encoding="utf-8")
            if folder := read.get("cache", "dir", fallback=""):
                return self.root / ".dvc" / folder
        return self.root / ".dvc/cache"

    def inputs(self, revision: Revision) -> dict[str, str]:
        """Return the hash of every source file, pin and table that the stages read, as dvc.lock recorded it.

        Outputs of other stages are left out, and so is conf/, which the settings cover.
        """
        stages = self._lock(revision).get("stages", {}).values()
        written = {out["path"] for stage in stages for out in stage.get("outs", [])}
        read = {dep["path"]: dep["md5"] for stage in stages for dep in stage.get("deps", [])}
        return {path: digest for path, digest in read.items() if path not in {*written, "conf"}}

    def _lock(self, revision: Revision) -> dict[str, Any]:
        return parse_yaml(self.text(revision, "dvc.lock") or "", f"{revision.name}: dvc.lock")

    def digest(self, revision: Revision, path: str) -> str:
        """Return the hash of an output, as dvc.lock recorded it.

        Raises:
            MissingOutputError: the revision has no such output.
        """
        for stage in self._lock(revision).get("stages", {}).values():
            for out in stage.get("outs", []):
                if out["path"] == path:
                    return out["md5"]
        raise MissingOutputError(
            f"{revision.name}: its dvc.lock has no {path}: it was never computed there;"
            " `dvc repro` in that revision and commit, or name another one"
        )

    def _fetch(self, revision: Revision, path: str, digest: str, cached: Path) -> None:
        from dvc.exceptions import DvcException
        from dvc_data.hashfile.hash_info import HashInfo

        why = ""
        try:
            self._dvc.cloud.pull([HashInfo("md5", digest)])
        except (DvcException, OSError) as error:
            why = f" ({' '.join(str(error).split())})"
        # DVC ignores what the remote does not have.
        if cached.exists():
            return
        cure = f"`git checkout {str(revision.commit)[:7]}`, `dvc repro`, `dvc push`"
        if any(revision.name in (one.name, one.ref) for one in self._experiments):
            cure = f"`dvc exp apply {revision.name}`, `dvc repro`, `dvc push`"
        raise MissingOutputError(
            f"{revision.name}: {path} is neither in the cache nor on the remote{why};"
            f" `dvc push` it where it was computed, or compute it again: {cure}"
        )

    @cached_property
    def _dvc(self) -> "Repo":
        import logging

        from dvc.repo import Repo

        # DVC warns about missing files over several lines; the error below is one.
        logging.getLogger("dvc").setLevel(logging.ERROR)
        return Repo(str(self.root))

    @cached_property
    def _experiments(self) -> list[Experiment]:
        return every_experiment(self.root)
