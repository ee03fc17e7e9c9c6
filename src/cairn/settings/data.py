"""Section `data`: the table, the target, and how rows are ordered or grouped."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from cairn.settings.section import Section

Task = Literal["binary", "multiclass", "regression"]


class Leakage(Section):
    """When a single column predicts the target so well on train that it must be a leak; the run then stops.

    Attributes:
        max_single_score: largest ROC AUC (or R² for a regression) allowed for one column alone
        min_null_rows: rows; fewer missing values are not searched for a pattern
        trusted: columns to use although they look like a leak
    """

    max_single_score: float = Field(default=0.99, gt=0, le=1)
    min_null_rows: int = Field(default=50, ge=1)
    trusted: list[str] = Field(default_factory=list)


class Sql(Section):
    """A query that makes the table out of raw files which need not fit in memory; the extra `duckdb` runs it.

    Attributes:
        query: one SELECT of DuckDB; it reads the files of data.source by their paths from the repository, and
            nothing else. All columns sort its rows, from left to right
        memory: how much DuckDB may use, such as 500MB; what does not fit goes to disk
    """

    query: str = Field(min_length=1)
    memory: str = Field(default="2GB", pattern=r"^[1-9]\d*(\.\d+)? ?[KMGT]i?B$")


class DataConfig(Section):
    """The table and what is predicted.

    Attributes:
        name: shown in reports
        source: file or folder with the raw data, tracked by DVC
        contract: the file below conf/contract that describes each column
        load: null: read source by its extension (.parquet, .feather, .csv, .tsv, .jsonl, compressed or not);
            otherwise `_target_`, a function of the source that returns one table, and its other arguments
        sql: null: as `load` says; otherwise a query that makes the table
        task: predict one of two values, one of several, or a number
        target: column to predict
        positive: the value of a binary target that counts as the event; null: true
        time: datetime column that orders the rows (split: time) and defines their block; null: none
        group: column whose rows stay together (split: group); null: none
        derive: NAME: expression of pandas' language that computes a column from others; may be the target
        drop_where: REASON: pandas condition; such rows are dropped and counted; null: none
        leakage: when a column counts as a leak of the target
    """

    name: str
    source: str
    contract: str
    load: dict[str, Any] | None = None
    sql: Sql | None = Field(default=None, exclude_if=lambda sql: sql is None)
    task: Task
    target: str
    positive: str | int | bool | None = None
    time: str | None = None
    group: str | None = None
    derive: dict[str, str | None] = Field(default_factory=dict)
    drop_where: dict[str, str | None] = Field(default_factory=dict)
    leakage: Leakage = Field(default_factory=Leakage)

    @property
    def event(self) -> str:
        """What a binary target means, for reports: `late`, or `Class = bad` where data.positive is set."""
        return self.target if self.positive in (None, True) else f"{self.target} = {self.positive}"

    @property
    def outcomes(self) -> list[str]:
        """Names of the two classes of a binary target, in the order of their codes 0 and 1."""
        name = self.target if self.positive in (None, True) else self.positive
        return [f"not {name}", str(name)]

    @field_validator("load")
    @classmethod
    def _load_names_a_function(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("_target_"), str):
            raise ValueError("needs the key _target_, the dotted name of a function that returns the table")
        return value

    @field_validator("sql")
    @classmethod
    def _one_way_to_load(cls, value: Sql | None, info: ValidationInfo) -> Sql | None:
        if value is not None and info.data.get("load") is not None:
            raise ValueError("not with data.load: set that to null")
        return value
