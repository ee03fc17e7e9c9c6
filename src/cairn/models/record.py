"""package.json, the record of a saved model: typed, and bound to the files beside it by their hashes.

The hashes show damage and edits by hand. They are not a signature: whoever can write the folder can write
them too.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from cairn.errors import UserError
from cairn.settings.contract import Column
from cairn.settings.data import Task
from cairn.settings.messages import lines
from cairn.settings.section import Section

Label = str | int | bool
RECORD, HASHES = "package.json", "sha256"
FORMAT = 1


def in_alphabet(classes: Iterable[Label]) -> list[Label]:
    """Return labels sorted, grouped by type."""
    return sorted(classes, key=lambda label: (str(type(label)), label))


class Record(Section):
    """What package.json holds.

    Attributes:
        format: of the folder
        features: names of the inputs, in order
        inputs: by name, what the contract says of them
        raw: the columns of the source that the inputs are computed from
        raw_order: their names, in order
        types: by column of raw, what train held
        key: columns of the source that identify a row
        task: of the model
        target: the column that it predicts
        classes: labels in the order of their codes; none for a regression
        threshold: a binary decision is positive where the probability is above it
        config: the sections it was made with
        versions: of the libraries that fitted it
        notes: what to know about the fit, in sentences
        class_order: the classes again, where the contract orders them and not the alphabet
        refit_of: hash of the record, which holds the recipe, of the model that this one repeats on all rows,
            test too: no score belongs to it; none in a model that may be scored
        sha256: by file of the folder; of the record itself without this key; none in an older model
    """

    format: int
    features: Annotated[list[str], Field(min_length=1)]
    inputs: dict[str, Column]
    raw: dict[str, Column] = Field(default_factory=dict)
    raw_order: list[str] = Field(default_factory=list)
    types: dict[str, str] = Field(default_factory=dict)
    key: list[str] = Field(default_factory=list)
    task: Task
    target: str
    classes: list[Label]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    config: dict[str, Any]
    versions: dict[str, str]
    sha256: dict[str, str] | None = None
    notes: list[str] = Field(default_factory=list)
    class_order: list[Label] | None = None
    refit_of: str | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> "Record":
        if sorted(self.features) != sorted(self.inputs):
            raise ValueError("features and inputs name other columns")
        if sorted(self.raw_order) != sorted(self.raw):
            raise ValueError("raw_order and raw name other columns")
        in_order = self.class_order or in_alphabet(self.classes)
        if in_order != self.classes or len(set(map(repr, self.classes))) != len(self.classes):
            raise ValueError(f"classes are not in the order of their codes: {self.classes}")
        fits = {"binary": len(self.classes) == 2, "multiclass": len(self.classes) > 1, "regression": True}
        if not fits[self.task] or (self.task == "regression" and self.classes):
            raise ValueError(f"{len(self.classes)} classes, but the task is {self.task}")
        return self


def text_of(record: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """Return the text of package.json, with the hashes of files by name, if there are any."""
    hashes = {name: _sha256(path) for name, path in files.items()}
    if hashes:
        hashes[RECORD] = _of_record(record)
    return _written({**record, HASHES: hashes} if hashes else record) + "\n"


def read_record(folder: Path) -> Record:
    """Read package.json, and compare the files of the folder with its hashes.

    Raises:
        UserError: another format, a field that is wrong, or a file that is not the one that was saved.
    """
    file = folder / RECORD
    try:
        written = json.loads(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file}: not JSON: {' '.join(str(error).split())}; {_cure(folder)}") from error
    if isinstance(written, dict) and written.get("format", FORMAT) != FORMAT:
        raise UserError(f"{folder}: saved by another version of cairn; run `dvc repro`")
    try:
        record = Record.model_validate(written)
    except ValidationError as error:
        said = str(lines(str(file), error, Record, written)).splitlines()
        more = f" (and {len(said) - 1} more problems)" if len(said) > 1 else ""
        raise UserError(f"{said[0]}{more}; {_cure(folder)}") from error
    found = {name: folder / name for name in record.sha256 or {} if name != RECORD}
    for name, path in found.items():
        if Path(name).parts[:-1] not in ((), ("weights",)) or not path.is_file():
            raise UserError(f"{path} does not exist, and {RECORD} names it; {_cure(folder)}")
        if record.sha256 and _sha256(path) != record.sha256[name]:
            raise UserError(f"{path} is not the file that was saved with {RECORD}; {_cure(folder)}")
    if record.sha256 is not None:
        plain = {key: value for key, value in written.items() if key != HASHES}
        if record.sha256.get(RECORD) != _of_record(plain):
            raise UserError(f"{file} was changed after it was saved; {_cure(folder)}")
    return record


def _cure(folder: Path) -> str:
    return f"save the model again, or `dvc checkout --force {folder}`"


def _written(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _of_record(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(_written(record).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
