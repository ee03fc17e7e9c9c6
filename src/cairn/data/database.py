"""A database: its URL, and a connection that only reads or that writes all or nothing."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}

SESSION = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'"
"""PostgreSQL's settings that a role may have set otherwise, and that change what values look like."""


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


def url_of_connection(name: str) -> "URL":
    """Return the URL of a connection: an environment variable, or a key of DVC's config.

    Raises:
        UserError: the connection is unknown, or its URL cannot be used.
    """
    from dvc.config import Config

    text = os.environ.get(name)
    if not text:
        # DVC writes the names of its sections in lower case.
        text = Config.from_cwd().get("db", {}).get(name.lower(), {}).get("url")
    if text is None:
        raise UserError(
            f"connection {name} is unknown: set the environment variable {name} to its URL, or"
            f" `dvc config --local db.{name}.url URL`"
        )
    return _usable(name, text)


def url_given(text: str) -> "URL":
    """Return the URL that a user wrote, or a connection's; see url_of_connection."""
    return _usable("", text) if ":" in text else url_of_connection(text)


def _usable(name: str, text: str) -> "URL":
    try:
        return parsed_url(text)
    except ValueError as error:
        raise UserError(f"connection {name}: {error}" if name else str(error)) from error


@contextmanager
def reading(url: "URL") -> Generator["Connection"]:
    """Open a connection that sees one state of the database from first to last, and can change nothing.

    Raises:
        UserError: no such database, no driver, or what the database itself says is wrong, in one line.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not Path(url.database or "").is_file():
        # SQLite would make an empty database of this name.
        raise UserError(f"{url.database or 'sqlite'}: no such database file")
    with _connected(url) as plain:
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


@contextmanager
def writing(url: "URL") -> Generator["Connection"]:
    """Open a connection in one transaction: all that is written is there when the block ends, else nothing.

    Raises:
        UserError: no driver, or what the database itself says is wrong, in one line.
    """
    with _connected(url) as connection:
        if url.get_backend_name() == "sqlite":
            # Python's driver begins a transaction only before it changes rows, not before it makes a table.
            connection.exec_driver_sql("BEGIN")
        yield connection
        connection.commit()


@contextmanager
def _connected(url: "URL") -> Generator["Connection"]:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{url.get_backend_name()} needs {error.name}: `uv pip install -c constraints-scale.txt"
            " -e .[postgres]`, or `make scale`"
        ) from error
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        # What follows the ? may be a password as well.
        shown = url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)
        raise UserError(f"{shown}: {said}") from error
    finally:
        engine.dispose()
