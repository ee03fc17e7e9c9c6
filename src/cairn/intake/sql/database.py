"""The database of a snapshot, described in data/sql/NAME.yaml without a secret: see docs/sources.md."""

import json
import os
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError, field_validator, model_validator

from cairn.errors import UserError
from cairn.settings.messages import lines, read_yaml
from cairn.settings.section import Section

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

SOURCES = Path("data/sql")
FOLDER = Path("data/raw")
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}

SESSION = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'"
"""PostgreSQL's settings that a role may have set otherwise, and that change what values look like."""


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
    if parsed.password or "password" in parsed.query:
        raise ValueError(
            "url holds a password, and this file is committed: name a connection instead, and keep the URL in"
            " an environment variable or `dvc config --local db.NAME.url URL`"
        )
    if parsed.get_backend_name() == "sqlite" and Path(parsed.database or "").is_absolute():
        raise ValueError(
            "url is an absolute path, right on one machine only: give it relative to the repository"
            " (three slashes), or name a connection"
        )


def parsed_url(url: str) -> "URL":
    """Read a database URL in SQLAlchemy's form, and choose the driver we use.

    Raises:
        ValueError: not a URL, or of a database that is neither PostgreSQL nor SQLite.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text may be a mistyped URL with a password in it: it is not repeated.
        raise ValueError(
            "not a database URL, such as postgresql://user@host/name or sqlite:///file"
        ) from error
    kind = parsed.drivername.partition("+")[0]
    if kind not in DRIVERS:
        raise ValueError(
            f"{kind}: only postgresql and sqlite are supported; export a Parquet file from another database"
        )
    return parsed.set(drivername=DRIVERS[kind])


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
    """Return the URL of a source, looking its connection up in the environment, then in DVC's config.

    Raises:
        UserError: the connection is unknown, or its URL cannot be used.
    """
    text = source.url
    if source.connection is not None:
        from dvc.config import Config

        text = os.environ.get(source.connection)
        if not text:
            # DVC writes the names of its sections in lower case.
            text = Config.from_cwd().get("db", {}).get(source.connection.lower(), {}).get("url")
    if text is None:
        raise UserError(
            f"connection {source.connection} is unknown: set the environment variable"
            f" {source.connection} to its URL, or `dvc config --local db.{source.connection}.url URL`"
        )
    try:
        return parsed_url(text)
    except ValueError as error:
        raise UserError(f"connection {source.connection}: {error}") from error


@contextmanager
def reading(url: "URL") -> Generator["Connection"]:
    """Open a connection that sees one state of the database from first to last, and can change nothing.

    Raises:
        UserError: no such database, no driver, or what the database itself says is wrong, in one line.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not Path(url.database or "").is_file():
        # SQLite would make an empty database of this name.
        raise UserError(f"{url.database or 'sqlite'}: no such database file")
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise UserError(
            f"reading {url.get_backend_name()} needs {error.name}: `uv pip install -c constraints-scale.txt"
            " -e .[postgres]`, or `make scale`"
        ) from error
    try:
        with engine.connect() as plain:
            connection = plain.execution_options(no_parameters=True)
            if sqlite:
                connection.exec_driver_sql("PRAGMA query_only = ON")
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                connection.exec_driver_sql(SESSION)
            yield connection
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        # What follows the ? may be a password as well.
        shown = url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)
        raise UserError(f"{shown}: {said}") from error
    finally:
        engine.dispose()
