"""Revisions of a real repository, kept by the real git and DVC, compared by name."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, start_repository
from chromium import violations
from omegaconf import OmegaConf
from sklearn.metrics import log_loss

from cairn.commands.app import run
from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.errors import UserError
from cairn.experiments.history import History
from cairn.metrics.paired import Difference
from cairn.report.numbers import to_ascii
from cairn.report.studies.comparison import conclusion, metric_table, sheet_of
from cairn.report.studies.sheet import Section, Sheet, to_html, to_markdown, to_text
from cairn.report.table import Table
from cairn.studies.compare.comparison import compare

STAGE = """\
stages:
  evaluate:
    cmd: "true"
    deps: [pins]
    outs: [predictions/model.parquet, data/splits/validation.parquet, data/splits/test.parquet]
"""
CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = {store}
    verify = true
"""
SETTINGS = {
    "seed": 7,
    "data": {"name": "toy", "time": "day", "positive": None},
    "split": {"kind": "time"},
    "model": {"rate": 0.1},
    "kpi": {"kind": "cost", "currency": "USD", "action": 100.0, "loss": 1000.0, "share_saved": 0.4},
    "evaluate": {
        "primary": "log_loss", "resamples": 200, "confidence": 0.95, "block": "1D",
        "slices": ["place"], "min_slice_rows": 50, "ceiling": {},
    },
}  # fmt: skip
RNG = np.random.default_rng(3)
DAYS, PER_DAY = 40, 25
ROWS = pd.DataFrame(
    {
        "row_id": range(DAYS * PER_DAY),
        "day": np.repeat(pd.date_range("2013-01-01", periods=DAYS), PER_DAY),
        "place": RNG.choice(["here", "there"], DAYS * PER_DAY),
        "chance": np.clip(RNG.beta(1, 3, DAYS * PER_DAY), 0.02, 0.98),
    }
)
ROWS["late"] = RNG.random(len(ROWS)) < ROWS["chance"]


def predicted(noise, rows=ROWS):
    """What a model says that knows the chance but for so much noise on its logit."""
    logit = np.log(rows["chance"] / (1 - rows["chance"])) + noise * np.random.default_rng(5).normal(
        size=len(rows)
    )
    return 1 / (1 + np.exp(-logit))


def predictions(noise, rows=ROWS):
    found = pd.DataFrame({"row_id": rows["row_id"], "target": rows["late"], "model": predicted(noise, rows)})
    return pd.concat([found.assign(part=part) for part in ("validation", "test")], ignore_index=True)


class Toy(Checkout):
    """A repository with the files that a comparison reads."""

    def write(self, table, settings=None, rows=ROWS, **record):
        """Write what evaluate would leave in the workspace."""
        params = OmegaConf.merge(SETTINGS, settings or {})
        (self.path / "params.yaml").write_text(OmegaConf.to_yaml(params), encoding="utf-8")
        record = {"task": "binary", "target": "late", "model": "toy", "thresholds": {"model": 0.25}} | record
        write_json(record, self.path / "metrics/evaluation.json")
        write_table(table, self.path / "predictions/model.parquet")
        for part in ("validation", "test"):
            write_table(rows[["row_id", "day", "place"]], self.path / f"data/splits/{part}.parquet")

    def commit(self, name, data=True):
        """Commit the workspace, with what DVC tracks where that has changed, and tag it."""
        if data:
            self.dvc("commit", "--force", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--message={name}")
        self.git("tag", name)

    def experiment(self, name, revision, baseline="sound"):
        """Give a commit the ref under which DVC keeps an experiment."""
        base = self.git("rev-parse", baseline).strip()
        self.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", f"{revision}^{{commit}}")


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    """Revisions of all kinds; everything but the tag `unpushed` is on the remote."""
    toy = Toy(tmp_path_factory.mktemp("toy") / "repository")
    start_repository(toy, CONFIG.format(store=toy.path.parent / "store"), STAGE)
    (toy.path / "pins").write_text("1", encoding="utf-8")
    toy.git("add", "--all")
    toy.git("commit", "--quiet", "--message=ancient")
    toy.git("tag", "ancient")
    toy.write(predictions(0.8))
    toy.commit("noisy")
    toy.write(predictions(0.1), {"model": {"rate": 0.2}})
    (toy.path / "pins").write_text("2", encoding="utf-8")
    toy.commit("sound")
    toy.write(predictions(0.1), {"kpi": {"action": 150.0}})
    toy.commit("dearer", data=False)
    toy.write(predictions(0.1), task="regression")
    toy.commit("regression", data=False)
    toy.write(predictions(0.1, ROWS[100:]), {"data": {"name": "other"}}, ROWS[100:])
    toy.commit("fewer_rows")
    toy.dvc("push", "--quiet", "--all-commits")
    flipped = predictions(0.1)
    flipped.loc[flipped.index[:30], "target"] ^= True
    toy.write(flipped)
    toy.commit("unpushed")
    toy.experiment("tuned", "sound")
    toy.experiment("twice", "sound", "sound")
    toy.experiment("twice", "noisy", "noisy")
    toy.experiment("main", "noisy")
    return toy


@pytest.fixture
def cache(toy):
    """The toy with its cache back as it was afterwards."""
    kept = toy.path.parent / "kept"
    shutil.copytree(toy.path / ".dvc/cache", kept)
    yield toy.path / ".dvc/cache"
    shutil.rmtree(toy.path / ".dvc/cache", ignore_errors=True)
    shutil.move(kept, toy.path / ".dvc/cache")


def only(comparison):
    (candidate,) = comparison.candidates
    return candidate


@pytest.mark.slow
def test_a_better_model_is_called_better_by_the_difference_that_scikit_learn_finds(toy):
    comparison = compare(toy.path, ["noisy", "sound"])
    found = only(comparison).differences["log_loss"]
    expected = log_loss(ROWS["late"], predicted(0.1)) - log_loss(ROWS["late"], predicted(0.8))
    assert found.difference == pytest.approx(expected, rel=1e-6)
    assert expected < 0
    said = conclusion(comparison, only(comparison))
    assert re.fullmatch(
        r"sound is better than noisy: log loss −0\.\d+ \[−0\.\d+, −0\.\d+\], saving [+−][\d,]+ USD"
        r" per 1,000 rows \[.*\]; worse in none of 2 slices\.",
        said,
    )
    assert (comparison.rows, comparison.units, comparison.block) == (1000, 40, "1D")
    assert only(comparison).settings == [("model.rate", 0.1, 0.2)]
    assert only(comparison).inputs == ["pins"]


def test_the_other_way_round_it_is_worse_by_as_much(toy):
    there, back = (only(compare(toy.path, names)) for names in (["noisy", "sound"], ["sound", "noisy"]))
    assert (there.outcome, back.outcome) == ("better", "worse")
    assert back.differences["log_loss"].low == pytest.approx(-there.differences["log_loss"].high)
    assert conclusion(compare(toy.path, ["sound", "noisy"]), back).startswith("noisy is worse than sound: ")


def test_a_revision_has_many_names(toy):
    commit = toy.git("rev-parse", "sound").strip()
    for name in (commit, commit[:8], "tuned", "sound^{commit}", f"refs/exps/{commit[:2]}/{commit[2:]}/tuned"):
        assert only(compare(toy.path, ["sound", name])).outcome == "same"
    assert only(compare(toy.path, ["unpushed", "workspace"])).outcome == "same"


def test_the_correction_is_over_all_candidates(toy):
    alone = only(compare(toy.path, ["noisy", "sound"], metrics=["brier"]))
    three = compare(toy.path, ["noisy", "sound", "tuned", "noisy"], metrics=["brier"]).candidates
    assert three[0].differences["log_loss"].p == alone.differences["log_loss"].p
    assert three[0].differences["log_loss"].corrected == pytest.approx(3 * alone.differences["log_loss"].p)
    assert three[0].differences["brier"].corrected == pytest.approx(3 * alone.differences["brier"].p)


def test_both_are_priced_by_the_reference_and_it_says_so(toy):
    comparison = compare(toy.path, ["noisy", "dearer"])
    same_prices = only(compare(toy.path, ["noisy", "sound"]))
    assert only(comparison).differences["saving"] == same_prices.differences["saving"]
    text = " ".join(to_text(sheet_of(comparison)).split())
    assert "Savings use the kpi of A; dearer has other prices" in text


def test_what_decides_can_be_the_saving(toy):
    comparison = compare(toy.path, ["noisy", "sound"], decides="saving", metrics=["brier"])
    assert list(only(comparison).differences) == ["saving", "brier"]
    assert ": saving " in conclusion(comparison, only(comparison))


def test_the_order_of_the_rows_does_not_matter(toy):
    table = predictions(0.1)
    shuffled = table.sample(frac=1, random_state=1)
    before = toy.git("rev-parse", "HEAD").strip()
    toy.write(shuffled)
    try:
        mixed, plain = (only(compare(toy.path, ["noisy", name])) for name in ("workspace", "sound"))
    finally:
        toy.git("reset", "--quiet", "--hard", before)
        toy.dvc("checkout", "--quiet", "--force")
    assert mixed.differences == plain.differences


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sound", "tunde"], r"tunde: no branch, .* experiment with this name; did you mean 'tuned'\?"),
        (["sound", "twice"], r"twice: 2 revisions have this name: .*: refs/.*/twice, refs/.*/twice"),
        (["sound", "main"], r"main: 2 revisions have this name: .*: [0-9a-f]{7} in git, refs/exps/"),
        (["sound", "ancient"], r"ancient: has no metrics/evaluation.json: it is older than"),
        (["sound", "regression"], r"regression: task is regression, in sound it is binary"),
        (
            ["sound", "fewer_rows"],
            r"predictions/model.parquet: other test rows: 100 of the 1,000 of sound are not in fewer_rows,"
            r" 0 of the 900 of fewer_rows not in sound; data.name is toy in sound, other in fewer_rows; run",
        ),
        (["sound", "unpushed"], r"'late' differs in 30 of 1,000 validation rows of sound and unpushed"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said_in_one_line(toy, names, message):
    with pytest.raises(UserError, match=message) as caught:
        compare(toy.path, names, part="validation" if "unpushed" in names else "test")
    assert "\n" not in str(caught.value)


def test_a_metric_that_is_not_there_gets_the_nearest_name(toy):
    with pytest.raises(UserError, match="a binary task has no metric 'rocauc'; did you mean 'roc_auc"):
        compare(toy.path, ["noisy", "sound"], metrics=["rocauc"])
    with pytest.raises(UserError, match="a binary task has no metric 'rmse'"):
        compare(toy.path, ["noisy", "sound"], decides="rmse")


def test_what_the_cache_lacks_comes_from_the_remote(toy, cache):
    before = only(compare(toy.path, ["noisy", "sound"]))
    shutil.rmtree(cache)
    assert only(compare(toy.path, ["noisy", "sound"])) == before


def test_what_neither_cache_nor_remote_has_is_named_with_the_cure(toy, cache):
    shutil.rmtree(cache)
    message = (
        r"unpushed: predictions/model.parquet is neither in the cache nor on the remote.*`dvc push` it where"
    )
    with pytest.raises(UserError, match=message) as caught:
        compare(toy.path, ["noisy", "unpushed"])
    assert "\n" not in str(caught.value)


def test_a_spoilt_file_in_the_cache_is_not_believed(toy, cache):
    path = toy.path / "predictions/model.parquet"
    digest = subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout[:32]
    spoilt = cache / "files/md5" / digest[:2] / digest[2:]
    content = bytearray(spoilt.read_bytes())
    content[100] ^= 1
    spoilt.chmod(0o644)
    spoilt.write_bytes(bytes(content))
    spoilt.chmod(0o444)
    with pytest.raises(
        UserError, match=r"unpushed: predictions/model.parquet: its file in DVC's cache has changed"
    ):
        compare(toy.path, ["unpushed", "sound"])


def test_every_form_holds_the_same_numbers(toy, monkeypatch):
    comparison = compare(toy.path, ["noisy", "sound", "dearer"])
    sheet = sheet_of(comparison)
    text, markdown, page = to_text(sheet), to_markdown(sheet), to_html(sheet)
    record = json.loads(json.dumps(sheet.record, allow_nan=False))
    assert max(map(len, text.splitlines())) <= 100
    monkeypatch.setenv("COLUMNS", "160")  # where no cell is wrapped
    text = to_text(sheet)
    for row in metric_table(comparison, comparison.candidates[0], "B").rows:
        assert all(cell in page and cell.replace("<", "\\<") in markdown for cell in row if "<" not in cell)
        assert all(to_ascii(cell) in text for cell in row)
    assert record["candidates"][0]["differences"]["log_loss"]["difference"] < 0
    assert [one["verdict"] in page for one in record["candidates"]] == [True, True]
    bars = {
        line.replace("\\|", "").count("|")
        for line in markdown.splitlines()
        if line.startswith("| log loss ↓")
    }
    assert bars == {8}
    assert not re.search(r'(src|href)="(?!data:)[^#]|url\((?!#)', page)
    assert page == to_html(sheet_of(compare(toy.path, ["noisy", "sound", "dearer"])))


def test_what_is_undefined_is_written_as_a_dash(toy):
    comparison = compare(toy.path, ["noisy", "sound"], metrics=[])
    nothing = Difference(*[float("nan")] * 8)
    candidate = replace(only(comparison), outcome="unclear", differences={"log_loss": nothing}, slices=[])
    text = to_text(sheet_of(replace(comparison, candidates=[candidate])))
    assert "B: no evidence of a difference between sound and noisy: log loss - [-, -], p -." in " ".join(
        text.split()
    )
    assert "nan" not in text


def test_the_command_prints_one_form_writes_a_page_and_tells_ci(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(toy.path)
    run("compare", "noisy", "sound", "--fail-if-worse", "--metrics", "brier")
    assert "B: sound is better than noisy" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        run(
            "compare",
            "sound",
            "noisy",
            "--fail-if-worse",
            "--json",
            "--html",
            str(tmp_path / "new/page.html"),
        )
    assert stopped.value.code == 3
    assert json.loads(capsys.readouterr().out)["candidates"][0]["outcome"] == "worse"
    assert "noisy is worse than sound" in (tmp_path / "new/page.html").read_text(encoding="utf-8")
    run("compare", "noisy", "sound", "--md", "--part", "validation")
    said = capsys.readouterr().out
    assert "- B: sound is better than noisy" in said
    assert "good for choosing, not for a claim" in said
    with pytest.raises(UserError, match=r"--html: .* is a folder"):
        run("compare", "noisy", "sound", "--html", str(tmp_path))


def test_a_table_that_the_terminal_shortens_says_how_to_see_all_of_it():
    rows = [[f"carrier {at}", str(at)] for at in range(7)]
    table, brief = (Table(["within", "rows"], rows[:count]) for count in (7, 2))
    sheet = Sheet("Comparison", "late", [], [Section("slices", table, brief)], [])
    assert "  2 of 7 rows; --md, --json and --html FILE have all of them" in to_text(sheet)
    assert all(f"carrier {at}" in to_markdown(sheet) and f"carrier {at}" in to_html(sheet) for at in range(7))
    assert "have all" not in to_text(replace(sheet, sections=[Section("slices", table, table)]))


def test_settings_are_those_that_dvc_lock_records_not_what_params_yaml_says_since(tmp_path):
    lock = {"stages": {"evaluate": {"params": {"params.yaml": {"data": {"name": "toy", "time": None}}}}}}
    (tmp_path / "params.yaml").write_text("seed: 1\ndata: {name: other, time: day}\n", encoding="utf-8")
    (tmp_path / "dvc.lock").write_text(json.dumps(lock), encoding="utf-8")
    history = History(tmp_path)
    assert history.settings_run(history.resolve("workspace")) == {
        "seed": 1,
        "data": {"name": "toy", "time": None},
    }


@pytest.mark.slow
def test_experiments_are_compared_in_a_fresh_clone_with_nothing_but_the_remote(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "first", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.git("commit", "--quiet", "--all", "--message=tiny")
    checkout.dvc("push", "--quiet")
    checkout.dvc("exp", "run", "-n", "linear", "-S", "experiment=tiny", "-S", "model=logistic")
    checkout.dvc("push", "--quiet")
    checkout.git("checkout", "--quiet", ".")
    fresh = checkout.clone(tmp_path / "second", share_cache=False)
    fresh.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    words = ("python", "src/cairn", "compare", "main", "linear")
    said = fresh.run(*words)
    assert re.search(
        r"^B: (linear is worse than main|no evidence of a difference between linear and main)", said, re.M
    )
    assert 'model.name: "hist_gbdt" → "logistic"' in said
    assert fresh.git("status", "--porcelain") == ""
    record = json.loads(fresh.run(*words, "--json", "--metrics", "brier"))
    ours = json.loads(checkout.read("metrics/evaluation.json"))["scores"]["model"]
    assert record["candidates"][0]["differences"]["brier"]["reference"] == ours["brier"]["value"]
    typo = fresh.run("python", "src/cairn", "compare", "main", "linaer", fails=True)
    assert typo.startswith("cairn compare: linaer: no branch") and len(typo.splitlines()) == 1


@pytest.mark.slow
def test_a_pull_request_is_checked_reproduced_and_compared(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "request", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.git("commit", "--quiet", "--all", "--message=tiny")
    checkout.git("switch", "--quiet", "--create", "request")
    checkout.replace("conf/features/all.yaml", "groups: null", "groups: [schedule]")
    checkout.git("commit", "--quiet", "--all", "--message=fewer features")
    said = checkout.run(".ci/compare", "main", fails=True)
    assert "`dvc.lock` is out of step with code and settings" in said
    assert re.search(r"^- B: (workspace is (better|worse) than main|no evidence of a difference)", said, re.M)
    assert 'features.groups: null → ["schedule"]' in said
    assert checkout.git("diff", "--stat", "dvc.lock") != ""
    checkout.dvc("repro")
    checkout.git("commit", "--quiet", "--all", "--message=with its results")
    said = checkout.run(".ci/compare", "main")
    assert "out of step" not in said
    assert re.search(r"^- B: (HEAD is (better|worse) than main|no evidence of a difference)", said, re.M)
    assert checkout.git("status", "--porcelain") == ""
    assert "no revision nowhere" in checkout.run(".ci/compare", "nowhere", fails=True)


@pytest.mark.scale
def test_axe_finds_nothing_on_the_page(toy, tmp_path):
    page = to_html(sheet_of(compare(toy.path, ["noisy", "sound", "dearer"])))
    assert violations(page, tmp_path) == {}
