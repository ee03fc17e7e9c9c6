"""`make lint` refuses a file with a secret, wherever a user is likely to write one."""

import pytest

KEY = "AKIA" + "QWERTYUIOPASDFGH"  # in two parts, so that no scanner takes this file for a leak
PASSWORD = "correct" + "horse7battery"
LINT = ("pre-commit", "run", "secrets", "--files")


@pytest.fixture(scope="module")
def checkout(snapshot, tmp_path_factory):
    return snapshot.clone(tmp_path_factory.mktemp("secrets") / "repository", share_cache=False)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("conf/data/flights.yaml", f"key: {KEY}"),
        (".dvc/config", f"    password = '{PASSWORD}'"),
        ("docs/sources.md", f"url: postgresql://me:{PASSWORD}@db/loans"),
        ("params.yaml", f"aws_secret_access_key: '{KEY}{KEY}'"),
    ],
)
def test_a_secret_is_found_and_not_printed(checkout, name, line):
    checkout.run(*LINT, name)
    (checkout.path / name).write_text(f"{checkout.read(name)}\n{line}\n", encoding="utf-8")
    said = checkout.run(*LINT, name, fails=True)
    assert f"{name}:" in said
    assert KEY not in said
    assert PASSWORD not in said
