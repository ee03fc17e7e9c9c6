"""Turn raw files that need not fit in memory into one table, by a query that DuckDB runs on disk.

The query sees the files of data.source and nothing else: no other file, no network, no extension, no variable
of Python. One thread runs it, because the last bits of a sum depend on how many add it up (as they do on
data.sql.memory), and all columns sort its rows, because a query has no order of its own.
"""

import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cairn.data.tables import read_raw
from cairn.errors import UserError
from cairn.settings.data import Sql

if TYPE_CHECKING:
    import duckdb

SPILLED = Path(".dvc/tmp")
"""Where folders are made for what does not fit in memory: on the disk of the checkout, outside of git."""
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
LAST = re.compile(r"[\s;]*(?:--[^\n]*\s*|/\*.*?\*/\s*)*\Z", re.DOTALL)
VARYING = re.compile(
    r"\b((?:random|setseed|gen_random_uuid|now|today|nextval|transaction_timestamp)(?=\s*\()"
    r"|uuid(?:v\d)?\s*\(\s*\)|age\s*\([^,()]*\)|last_modified|current_setting|txid_current|duckdb_\w+(?=\s*\()"
    r"|query(?:_table)?(?=\s*\()|reservoir_quantile|(?:get_)?current_(?:date|time|timestamp|local\w+)"
    r"|localtime(?:stamp)?|tablesample|using\s+sample)(?!\w)",
    re.IGNORECASE,
)
"""What has another value in each run."""


def rows_of_query(source: Path, sql: Sql) -> pd.DataFrame:
    """Return what the query selects, sorted by its columns from left to right, as if it were a Parquet file.

    Args:
        source: a file or folder; the only one that the query can read, by its path from the repository.
        sql: the query, and the memory that DuckDB may use.

    Raises:
        UserError: no such file, no DuckDB, a text that is not one SELECT, one with other rows in each run,
            or what DuckDB says is wrong.
    """
    if not source.exists():
        raise UserError(f"data.source: {source} does not exist; `dvc pull` or `dvc repro` gets tracked data")
    if found := VARYING.search(QUOTED.sub("", sql.query)):
        raise UserError(f"data.sql.query: {found[0]} has another value in each run; leave it out")
    SPILLED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sql-", dir=SPILLED) as folder:
        file = Path(folder, "rows.parquet").as_posix()
        with _reading(source, Path(folder).as_posix(), sql) as connection:
            query = _one_select(connection, sql.query)
            rows = f"SELECT * {_held(connection, query)} FROM ({query}\n) ORDER BY ALL"
            connection.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)")
        return read_raw(Path(file))


@contextmanager
def _reading(source: Path, folder: str, sql: Sql) -> Generator["duckdb.DuckDBPyConnection"]:
    """Open a database in memory that can read the source, and write to the folder."""
    try:
        import duckdb
    except ImportError as error:
        raise UserError(
            "data.sql: needs DuckDB, an extra:"
            " `python bootstrap.py uv pip install -c constraints-dev.txt -e .[duckdb]`"
        ) from error
    settings: dict[str, str | float | list[str]] = {
        "memory_limit": sql.memory,
        "threads": 1,
        "temp_directory": folder,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    given = source.as_posix()
    folders = [folder, given] if source.is_dir() else [folder]
    try:
        with duckdb.connect(":memory:", config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")  # otherwise the machine's decides dates
            connection.execute(f"SET allowed_directories = {_listed(folders)}")
            connection.execute(f"SET allowed_paths = {_listed([given, *_linked(source)])}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
    except duckdb.Error as error:
        said = " ".join(str(error).partition("\n")[0].split())
        if isinstance(error, duckdb.PermissionException):
            said += f"; a query can only read data.source, {given}"
        if isinstance(error, duckdb.OutOfMemoryException):
            said += f"; raise data.sql.memory, {sql.memory}"
        raise UserError(f"data.sql.query: {said}") from error


def _listed(paths: list[str]) -> str:
    return "[{}]".format(", ".join("'{}'".format(path.replace("'", "''")) for path in paths))


def _one_select(connection: "duckdb.DuckDBPyConnection", text: str) -> str:
    from duckdb import StatementType

    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type != StatementType.SELECT:
        raise UserError("data.sql.query: not one SELECT")
    return LAST.sub("", statements[0].query)


def _held(connection: "duckdb.DuckDBPyConnection", query: str) -> str:
    """Return what makes columns of types that Parquet lacks its own: a sum of whole numbers has 128 bits."""
    kinds = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall()}
    if spans := [name for name, kind in kinds.items() if kind == "INTERVAL"]:
        raise UserError(f"data.sql.query: {spans[0]} is an INTERVAL; select epoch({spans[0]}), its seconds")
    whole = [name.replace('"', '""') for name, kind in kinds.items() if kind in ("HUGEINT", "UHUGEINT")]
    casts = ", ".join(f'CAST("{name}" AS BIGINT) AS "{name}"' for name in whole)
    return f"REPLACE ({casts})" if casts else ""


def _linked(source: Path) -> list[str]:
    """Return what files of the source link to in DVC's cache, which may link instead of copying."""
    links = [file for file in source.rglob("*") if file.is_symlink()] if source.is_dir() else []
    return [path.as_posix() for path in map(Path.resolve, links) if path.parts[-4:-2] == ("files", "md5")]
