"""The database of a snapshot, described in data/sql/NAME.yaml without a secret: see docs/sources.md."""

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError, field_validator, model_validator

from cairn.data.database import parsed_url, url_given
from cairn.errors import UserError
from cairn.settings.messages import lines
from cairn.settings.secrets import in_query
from cairn.settings.section import Section
from cairn.settings.yaml_text import read_yaml

if TYPE_CHECKING:
    from sqlalchemy import URL

SOURCES = Path("data/sql")
FOLDER = Path("data/raw")


class SqlSource(Section):
    """A table or a query of a database, and the columns that sort its rows: see docs/sources.md."""

    url: str | None = None
    connection: str | None = None
    table: str | None = None
    query: str | None = None
    order_by: list[str] = Field(default_factory=list)

    @field_validator("query")
    @classmethod
    def _one_statement(cls, query: str | None) -> str | None:
        return query if query is None else query.strip().rstrip(";").rstrip()

    @model_validator(mode="after")
    def _says_where_and_what(self) -> "SqlSource":
        if (self.url is None) == (self.connection is None):
            raise ValueError("needs either url or connection")
        if (self.table is None) == (self.query is None):
            raise ValueError("needs either table or query")
        if self.url is not None:
            _committable(self.url)
        return self


def _committable(url: str) -> None:
    """Raise for what must not be committed."""
    parsed = parsed_url(url)
    if parsed.password or any(in_query(name, str(value)) for name, value in parsed.query.items()):
        raise ValueError(
            "url holds a password, and this file is committed: name a connection instead, and keep the URL in"
            " an environment variable or `dvc config --local db.NAME.url URL`"
        )
    if parsed.get_backend_name() == "sqlite" and Path(parsed.database or "").is_absolute():
        raise ValueError(
            "url is an absolute path, right on one machine only: give it relative to the repository"
            " (three slashes), or name a connection"
        )


def read_source(name: str) -> SqlSource:
    """Read data/sql/NAME.yaml.

    Raises:
        UserError: no such file, not YAML, or one line per key that is wrong.
    """
    path = path_of(name)
    try:
        values = read_yaml(path)
        return SqlSource.model_validate(values)
    except FileNotFoundError as error:
        raise UserError(f"{path.as_posix()} does not exist: it names the table or query of {name}") from error
    except ValidationError as error:
        raise lines(path.as_posix(), error, SqlSource, values) from error


def text_of(name: str, source: SqlSource) -> str:
    """Return the text of data/sql/NAME.yaml, with a comment per key."""
    notes = {
        "url": "of the database, relative to the repository, without a password",
        "connection": "environment variable that holds the URL, or `dvc config --local db.NAME.url URL`",
        "table": "to snapshot, `name` or `schema.name`",
        "query": "one SELECT to snapshot",
        "order_by": "columns to sort by ([]: the primary key, else every column)",
    }
    text = f"# What `cairn update {name}` queries, and where; the result is {snapshot_of(name).as_posix()}.\n"
    for key, value in source.model_dump(exclude_none=True).items():
        if key == "query":
            text += f"query: | # {notes[key]}\n{textwrap.indent(value, '  ')}\n"
        else:
            text += f"{key}: {json.dumps(value, ensure_ascii=False)} # {notes[key]}\n"
    return text


def path_of(name: str) -> Path:
    """Return the file that describes a source."""
    return SOURCES / f"{name}.yaml"


def snapshot_of(name: str) -> Path:
    """Return the path of a source's snapshot."""
    return FOLDER / f"{name}.parquet"


def url_of(source: SqlSource) -> "URL":
    """Return the URL of a source; see url_of_connection.

    Raises:
        UserError: the connection is unknown, or its URL cannot be used.
    """
    return url_given(source.url or str(source.connection))
