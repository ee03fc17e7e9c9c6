"""The pages hold together: links lead somewhere, every command is run or says where else it is tested."""

import itertools
import os
import re
import runpy
import shlex
from functools import cache

import pytest
from pages import NOT_RUN, PAGES, TYPED, anchors, blocks, links, start
from reader import Shell, follow
from repository import ROOT

from cairn.commands.app import command_of
from cairn.compose.conf import compose
from cairn.compose.validate import read_config
from cairn.experiments.sweep import combinations

LANGUAGES = {*TYPED, "diff", "mermaid", "yaml", "python", "text"}
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


SKIPPED = [
    pytest.param(block, id=f"{name(page)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.language in TYPED and block.comment.startswith(NOT_RUN)
]


@pytest.mark.parametrize("block", SKIPPED)
def test_what_is_not_run_says_why_and_names_a_test_that_is_there(block):
    said = re.fullmatch(r"not run: \w.+ \((tests/[\w/.]+(?:, tests/[\w/.]+)*)\)", block.comment)
    assert said, block.comment
    for test in said[1].split(", "):
        assert (ROOT / test).exists(), test


@pytest.mark.slow
@pytest.mark.parametrize("block", SKIPPED)
def test_what_is_not_run_is_spelt_right_and_its_settings_compose(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command, _ in block.commands():
        words = shlex.split(command, comments=True)
        if words[:2] == ["python", "src/cairn"]:
            words[:2] = ["cairn"]
        if words[0] == "cairn":
            command_of(words[1]).make_context(words[1], words[2:])
        settings = [word for flag, word in itertools.pairwise(words) if flag == "-S"]
        # What a search may vary between two numbers is read by the search, not composed.
        for combination in combinations([word for word in settings if "interval(" not in word]):
            compose_and_read(combination)


@cache
def compose_and_read(combination):
    read_config(compose(ROOT / "conf", combination).values, ROOT)


def test_most_commands_are_run_and_the_pages_say_how_many():
    typed = [len(block.commands()) for page in PAGES for block in blocks(page) if block.language in TYPED]
    skipped = [len(block.values[0].commands()) for block in SKIPPED]
    share = 5 * round(20 * (1 - sum(skipped) / sum(typed)))
    assert share > 50
    for page in (ROOT / "README.md", ROOT / "docs/README.md"):
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert f"{share} % of" in text, f"{name(page)}: say {share} %, which is the share to the nearest 5 %"


def test_the_reference_is_what_the_typed_config_says():
    script = runpy.run_path(str(ROOT / "docs/reference/write.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "python docs/reference/write.py"


RIGHT = """
```bash
mkdir folder && cd folder
# a comment
export WORD=said \\
    OTHER=also
```
<!-- write -->
```yaml
# file.txt
one: 1
```
```console
$ cat file.txt
# file.txt
one: …
$ echo "$WORD $OTHER"; basename "$PWD"
said also
folder
$ echo whatever
```
```diff
--- a/file.txt
+++ b/file.txt
@@ -1,2 +1,2 @@
 # file.txt
-one: 1
+one: 2
```
<!-- fails -->
```console
$ grep 1 file.txt
```
<!-- not compared: numbers -->
```console
$ tail -n 1 file.txt
one: 3
```
<!-- not run: reason (tests/x.py) -->
```bash
exit 1
```
"""
WRONG = [
    "```bash\nfalse\n```\n",
    "```console\n$ echo one\ntwo\n```\n",
    "```console\n$ echo one\n…\ntwo\n```\n",
    "<!-- fails -->\n```console\n$ true\n```\n",
    "```diff\n--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-one\n+two\n```\n",
    "```bash\nexit 0\n```\n",
]


def read(text, folder):
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    shell = Shell(folder, dict(os.environ))
    try:
        for block in blocks(page):
            follow(shell, block, "here")
    finally:
        shell.close()


def test_a_page_that_is_right_is_followed_to_its_end(tmp_path):
    read(RIGHT, tmp_path)
    assert (tmp_path / "folder/file.txt").read_text(encoding="utf-8") == "# file.txt\none: 2\n"


@pytest.mark.parametrize("text", WRONG)
def test_a_page_that_is_wrong_is_caught(text, tmp_path):
    with pytest.raises(AssertionError, match=r"here|ended"):
        read(text, tmp_path)
