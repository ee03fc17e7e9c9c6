"""Tables that scikit-learn ships, available without a network."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from cairn.datasets.published import check


@dataclass(frozen=True)
class Bundled:
    """A loader of sklearn.datasets and its options, our name for the target, and the sha256 of the CSV."""

    loader: str
    target: str
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)


BUNDLED = {
    "digits": Bundled(
        loader="load_digits",
        target="digit",
        sha256="9cd725de1a8b807e8f48458d06e833b92b9a4d59230c8ff4e34633cb8316d70b",
    ),
    "diabetes": Bundled(
        loader="load_diabetes",
        target="progression",
        sha256="75ecc92fb4df5e8c86ca6d62b76009705cfd65077ead6b7c03e44281384910ac",
        options={"scaled": False},
    ),
}


def csv_of(table: Bundled) -> bytes:
    """Return the table as CSV with a column `row` that counts from 0, in the order of scikit-learn.

    Raises:
        UserError: its sha256 is not the pinned one.
    """
    from sklearn import datasets

    frame = getattr(datasets, table.loader)(as_frame=True, **table.options).frame
    frame = frame.rename(columns={"target": table.target})
    content = frame.to_csv(index_label="row", float_format="%g", lineterminator="\n").encode()
    check(content, table.sha256, f"{table.loader} of scikit-learn {version('scikit-learn')}")
    return content
