"""The README is true: its numbers are those of the committed metrics, its links and commands exist."""

import json
import re
import shlex

import pytest
from repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def score_table() -> str:
    """Return the README's table as the committed metrics have it."""
    record = json.loads((ROOT / "metrics/evaluation.json").read_text(encoding="utf-8"))
    savings, policies = record["kpi"]["savings_of_model"], record["kpi"]["policies"]

    def interval(estimate):
        return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"

    def money(estimate):
        return f"{estimate['value']:,.0f} [{estimate['low']:,.0f} to {estimate['high']:,.0f}]"

    lines = [
        "| November and December 2013 | ROC AUC | the model's gain |"
        " USD the model saves per 1,000 flights, against |",
        "|---|---|---|---|",
        f"| **{record['model']}** | **{interval(record['scores']['model']['roc_auc'])}** | | doing nothing:"
        f" {money(policies['model']['saving'])} |",
    ]
    said = {
        "linear": "a linear model",
        "live_origin": "today's rule: how late is the airport now",
        "carrier_hour": "today's rule: airline × hour",
    }
    for name, words in said.items():
        gain, score = record["gains"][name]["roc_auc"], record["scores"][name]["roc_auc"]
        lines.append(f"| {words} | {interval(score)} | {interval(gain)} | {money(savings[name])} |")
    gain = record["gains"]["prior"]["roc_auc"]
    lines.append(f"| acting on every flight | 0.500 | {interval(gain)} | {money(savings['always'])} |")
    return "\n".join(lines)


def commands(text):
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [
        shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()
    ]


def test_the_scores_in_the_readme_are_those_of_the_committed_metrics():
    assert score_table() in README, f"put this into README.md:\n{score_table()}"


@pytest.mark.parametrize("text", [README, CONTRIBUTING])
def test_every_link_and_every_file_named_exists(text):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link
    known = ("conf/", "src/", "docs/", "tests/", "data/dvc", "metrics/")
    for name in re.findall(r"`([\w./]+)`", text):
        if name.startswith(known) and not any(word in name for word in ("mine", "NAME", "verb")):
            assert (ROOT / name).exists(), name


def test_every_stage_of_the_pipeline_is_in_the_readme_in_order():
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    stages = re.findall(r"^  (\w+):.*\n    cmd", pipeline, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == stages


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(README):
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words


def test_ci_calls_the_test_command_of_the_readme():
    assert ["make", "test"] in commands(README)
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
