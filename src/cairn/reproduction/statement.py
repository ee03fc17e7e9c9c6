"""A reproduction as an in-toto Statement v1 with the predicate SLSA Provenance v1.

The subjects are the outputs, the resolved dependencies are the inputs; the extension field
`cairn_reproduction` says how the outputs compare with the record. docs/how-to/reproduce.md explains it all.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cairn.reproduction.artifacts import Artifact
from cairn.reproduction.reproduce import Reproduction

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD, BUILDER = "urn:cairn:reproduce:1", "urn:cairn:local-machine:1"
"""What was run, and who vouches for it: nobody but the user of this machine."""


def statement(done: Reproduction, reasons: list[str]) -> dict[str, Any]:
    """Return the record of a reproduction; the likely reasons are sentences."""
    asked = done.asked
    source = {"name": "repository", "digest": {"gitCommit": done.commit}}
    return {
        "_type": STATEMENT,
        "subject": [one for output in done.outputs for one in _described(output)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "revision": asked.revision.name,
                    "settings": list(asked.settings),
                    "environment": asked.environment,
                },
                "internalParameters": done.environment,
                "resolvedDependencies": [source, *(one for each in done.inputs for one in _described(each))],
            },
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {"startedOn": _time(done.began), "finishedOn": _time(done.ended)},
            },
            "cairn_reproduction": {
                "verdict": done.verdict,
                "record": done.record,
                "reasons": reasons,
                "stages": [asdict(result) for result in done.stages],
                "error": done.error,
            },
        },
    }


def _described(one: Artifact) -> Iterator[dict[str, Any]]:
    """Yield the descriptor of a file; for a folder, of DVC's listing and then of each of its files."""
    annotations: dict[str, Any] = {"size": one.size}
    if one.source:
        annotations["source"] = one.source
    if one.dvc.endswith(".dir"):
        annotations |= {"dvc": one.dvc, "members": len(one.members)}
    digest = {"sha256": one.sha256, "md5": one.dvc.removesuffix(".dir")}
    yield {"name": one.path, "digest": digest, "annotations": annotations}
    for member in one.members:
        yield from _described(member)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
