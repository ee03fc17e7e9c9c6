"""YAML is read as OmegaConf reads it, and what is not YAML is told in one line."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from repository import ROOT

from cairn.errors import UserError
from cairn.settings.yaml_text import parse_yaml, read_yaml

LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
FILES = [name for name in LISTED.splitlines() if name.endswith((".yaml", ".dvc", "dvc.lock"))]
SCALARS = st.text("0123456789.eE+-_:xobn ~", max_size=8) | st.sampled_from(
    [
        "2013-01-01",
        "yes",
        "Off",
        "~",
        "null",
        "1e3",
        "1E-3",
        "-1e+3",
        ".5e1",
        "1_000.5",
        "0o14",
        "014",
        ".inf",
        "-.NaN",
    ]
)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_repository_holds_what_omegaconf_finds_in_it(name):
    assert read_yaml(ROOT / name) == OmegaConf.to_container(OmegaConf.load(ROOT / name))


@given(SCALARS)
@example("0_E0")
def test_a_value_is_what_omegaconf_takes_it_for(text):
    written = f"key: {text}\nothers: [1, {{a: b}}]\n"
    try:
        expected = OmegaConf.to_container(OmegaConf.create(written))
    except Exception:
        with pytest.raises(UserError):
            parse_yaml(written, "a.yaml")
    else:
        assert repr(parse_yaml(written, "a.yaml")) == repr(expected)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "a.yaml:3: not valid YAML: "),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: not valid YAML: found duplicate key a"),
        ("a: " + "[" * 200_000, "a.yaml: not valid YAML: more than 100 levels"),
        ("a: \x00\n", "a.yaml: not valid YAML: "),
        ("42\n", "a.yaml: not a mapping"),
        ("a: !!set {b}\n", "a.yaml:1: not valid YAML: !!set: "),
        ("a: 1\nb: !!binary aGk=\n", "a.yaml:2: not valid YAML: !!binary: "),
        ("a: !!timestamp 2013-01-01\n", "a.yaml:1: not valid YAML: !!timestamp: "),
    ],
)
def test_what_is_not_yaml_is_one_line_with_the_place(text, begins):
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "a.yaml")
    assert str(caught.value).startswith(begins)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_one_line_and_a_missing_one_is_missing(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(UserError, match=r"^latin: not valid YAML: "):
        read_yaml(tmp_path / "latin.yaml", "latin")
    with pytest.raises(FileNotFoundError):
        read_yaml(Path(tmp_path / "none.yaml"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UserError, match="not a file"):
        read_yaml(tmp_path / "pipe.yaml")


def test_an_empty_text_is_an_empty_mapping():
    assert parse_yaml("# nothing\n", "a.yaml") == {}
