"""What docs/how-to/messages.md quotes is what DVC says, and leaves behind what the page says."""

import pytest
from checkouts import Checkout
from repository import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/how-to/messages.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(snapshot, tmp_path):
    return snapshot.clone(tmp_path / "repository", share_cache=False)


@pytest.mark.parametrize(
    ("setting", "said", "listed"),
    [
        ("data=typo", "unexpected error - In 'config': Could not find 'data/typo'", "flights_delay"),
        ("model.max_itre=9", "unexpected error - Could not override 'model.max_itre'", "max_itre"),
    ],
)
def test_a_typo_meets_hydra_in_its_words_and_changes_nothing(checkout, setting, said, listed):
    text = checkout.dvc("exp", "run", "-S", setting, fails=True)
    assert said in text
    assert f"`{said}`" in PAGE
    assert listed in text
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("broken", "said"),
    [("  x: [1\n", "while parsing a flow sequence"), ("  x: 1: 2\n", "mapping values are not allowed here")],
)
def test_a_file_that_is_no_yaml_is_named(checkout, broken, said):
    file = checkout.path / "conf/config.yaml"
    file.write_text(file.read_text(encoding="utf-8") + f"more:\n{broken}", encoding="utf-8")
    text = checkout.dvc("exp", "run", fails=True)
    assert f"unexpected error - {said}" in text
    assert f"`{said}`" in PAGE.replace("unexpected error - ", "")
    assert 'conf/config.yaml", line ' in text
    (line,) = checkout.run("python", "src/cairn", "compose", fails=True).splitlines()
    assert "conf/config.yaml:" in line


def test_in_a_folder_below_dvc_finds_no_pipeline_and_what_it_leaves_can_go(checkout):
    below = Checkout(checkout.path / "docs")
    for command in (("repro",), ("exp", "run")):
        assert "/docs/dvc.yaml' does not exist" in below.dvc(*command, fails=True)
    assert "/docs/dvc.yaml' does not exist`" in PAGE
    assert checkout.git("status", "--porcelain") == "?? docs/params.yaml\n"
    below.run("rm", "params.yaml")
    assert checkout.git("status", "--porcelain") == ""
