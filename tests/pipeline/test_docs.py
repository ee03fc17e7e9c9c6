"""The pages hold together: links lead somewhere, every command is run or says where else it is tested."""

import importlib
import itertools
import re
import runpy
import shlex

import pytest
from closure import ROOT
from pages import PAGES, TYPED, anchors, blocks, links, start

from cairn.config.compose import compose
from cairn.config.schema import read_config
from cairn.experiments.words import combinations

LANGUAGES = {*TYPED, "diff", "yaml", "python", "text"}
STARTS = {"", "an empty folder", "a fresh clone"}


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_inside_the_repository_leads_somewhere(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        if fragment:
            assert fragment in anchors(target), f"{name(page)}: {link}"


def test_every_page_of_docs_can_be_reached_from_the_readme():
    reached, waiting = set(), {ROOT / "README.md"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        linked = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        waiting |= (linked & set(PAGES)) - reached
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_kind_that_is_known(page):
    assert start(page) in STARTS
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        assert block.language in LANGUAGES, where
        assert re.match(r"(not run: .|not compared: .|fails$|write$|start: |$)", block.comment), where
        if block.language == "console":
            assert block.text.startswith("$ "), where
        if block.language == "text":
            assert not block.text.startswith("$ "), f"{where}: a command that would not be run"


NOT_RUN = [
    pytest.param(block, id=f"{name(page)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.language in TYPED and block.comment.startswith("not run: ")
]


@pytest.mark.parametrize("block", NOT_RUN)
def test_what_is_not_run_says_why_and_names_a_test_that_is_there(block):
    said = re.fullmatch(r"not run: \w.+ \((tests/[\w/.]+(?:, tests/[\w/.]+)*)\)", block.comment)
    assert said, block.comment
    for test in said[1].split(", "):
        assert (ROOT / test).exists(), test


@pytest.mark.parametrize("block", NOT_RUN)
def test_what_is_not_run_is_spelt_right_and_its_settings_compose(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command, _ in block.commands():
        words = shlex.split(command, comments=True)
        if words[:2] == ["python", "src/cairn"]:
            words[:2] = ["cairn"]
        if words[0] == "cairn":
            module = importlib.import_module(f"cairn.commands.{words[1].replace('-', '_')}")
            module._parsed(words[2:])
        settings = [word for flag, word in itertools.pairwise(words) if flag == "-S"]
        # What a search may vary between two numbers is read by the search, not composed.
        for combination in combinations([word for word in settings if "interval(" not in word]):
            read_config(compose(ROOT / "conf", combination).values, ROOT)


def test_most_commands_are_run():
    typed = [len(block.commands()) for page in PAGES for block in blocks(page) if block.language in TYPED]
    skipped = [len(block.values[0].commands()) for block in NOT_RUN]
    assert sum(skipped) < sum(typed) / 3


def test_the_reference_is_what_the_typed_config_says():
    script = runpy.run_path(str(ROOT / "docs/reference/write.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "python docs/reference/write.py"
