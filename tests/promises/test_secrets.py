"""No command writes a secret where git has it, and `make lint` refuses a file in which a user wrote one."""

import re

import pytest
from repository import ROOT

from cairn.compose import validate
from cairn.compose.conf import compose
from cairn.settings.secrets import in_address

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


NAMES = (
    "sslpassword key auth pwd jwt code subscription-key api-key X-Amz-Signature sig token passphrase"
    " private_key client_secret AWSAccessKeyId sas session"
)
ADDRESS = f"https://127.0.0.1:9/a.csv?subscription-key={PASSWORD}"
SETTING = f"data.source=postgresql://me:{PASSWORD}@db/loans"
COMMANDS = {
    "compose an address": ("compose", SETTING),
    "compose a key": ("compose", f"+data.load.password={PASSWORD}"),
    "search": ("search", "--trials", "1", "-S", SETTING),
    "sweep": ("sweep", "-S", SETTING),
    "ablate": ("ablate", "-S", SETTING),
    "new-data of an address": ("new-data", ADDRESS, "--name", "a", "--target", "b"),
    "new-data of a database": (
        "new-data",
        "--sql",
        "a",
        "--connection",
        f"postgresql://h/d?sslpassword={PASSWORD}",
        "--target",
        "b",
    ),
    "remote option": ("remote", "../store", "--option", f"secret_access_key={PASSWORD}"),
    "remote address": ("remote", f"webdavs://me:{PASSWORD}@host/x"),
    "retrain": ("retrain", "-S", SETTING),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_writes_a_secret_where_git_has_it(checkout, words):
    checkout.git("checkout", "--quiet", ".")
    before = checkout.git("status", "--porcelain")
    said = checkout.run("python", "src/cairn", *words, fails=True)
    assert re.search("secret|password", said)
    assert checkout.git("status", "--porcelain") == before
    assert checkout.run("git", "grep", "--untracked", "--no-exclude-standard", PASSWORD, fails=True) == ""
    assert PASSWORD not in checkout.git("log", "--all", "--format=%B")


@pytest.mark.parametrize("how", ["?", "?a=1&", "#"])
@pytest.mark.parametrize("name", NAMES.split())
def test_an_address_with_a_secret_is_known(name, how):
    assert in_address(f"https://host/a.csv{how}{name}={PASSWORD}")


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a.csv?year=2013&keyword=a&author=me&monkey=1#about",
        "https://host/export?format=csv&code=nama_10&key=DE&session=2024#gid=0",
        "postgresql://host/db?sslmode=require",
        "ssh://me@host/x",
        "data/raw/a.csv",
        "token",
        "http://[",
    ],
)
def test_what_is_no_secret_is_let_through(text):
    assert not in_address(text)


def test_names_that_users_give_are_no_secrets():
    derive = ["+data.derive.password_changed='month > 3'", "+data.derive.token='distance / 2'"]
    values = compose(ROOT / "conf", derive).values
    assert not [*validate._secrets(values)]
    given = ["+data.load.dtype={0:str,token:str}"]
    assert not [*validate._secrets(compose(ROOT / "conf", given).values)]
    named = compose(ROOT / "conf", ["+data.load.password=x"]).values
    assert [*validate._secrets(named)] == [("data", "load", "password")]
