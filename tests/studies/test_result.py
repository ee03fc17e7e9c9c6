"""What is said of a search: scores by hand, the boundary, the luck of the seed, a page that loads nothing."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import violations
from optuna.trial import create_trial
from scipy import stats
from sklearn.metrics import log_loss
from toy_search import STRENGTH, worked

from cairn.compose.validate import read_config
from cairn.metrics.kpi import policy_series, row_cost
from cairn.metrics.paired import Predictor, judged, seed_difference, values_of
from cairn.report.studies.search import boundary, write_report
from cairn.settings.kpi import CostKpi
from cairn.studies.search import driver
from cairn.studies.search.confirm import Contender, chosen, contenders
from cairn.studies.search.space import of_values
from cairn.studies.search.study import at_end, levels, load, ranked


def test_the_objective_is_what_the_metrics_and_the_kpi_say(toy):
    plan, _ = driver.make_plan(["kpi=cost"], name="toy", storage=None)
    config = read_config(plan.base, Path())
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 500), rng.random(500)
    assert isinstance(config.kpi, CostKpi)
    found = values_of("binary", y, Predictor(p, 0.25), config.kpi, ["log_loss", "saving"])
    assert found["log_loss"] == pytest.approx(log_loss(y, p))
    acted = p > 0.25
    by_hand = (acted & (y == 1)).sum() * 1000 * 0.4 - acted.sum() * 100
    assert found["saving"] == pytest.approx(by_hand / 500 * 1000)
    policies = policy_series(y, {"model": acted}, config.kpi)
    assert policies["model"]["saving"] == pytest.approx(by_hand / 500 * 1000)
    assert row_cost(y, acted, config.kpi).sum() == pytest.approx(y.sum() * 1000 - by_hand)


def test_the_best_point_on_the_boundary_is_told():
    leaves = of_values("model.params.max_leaf_nodes", "tag(log, interval(10, 1000))", 31)
    # On the logarithm 5 % of two decades is a factor of 10 ** 0.1 = 1.26.
    assert [at_end(leaves, x) for x in (10, 12, 13, 100, 790, 800, 1000)] == [
        "lower", "lower", None, None, None, "upper", "upper",
    ]  # fmt: skip
    trials = [
        create_trial(
            value=1 - 0.1 * rank, params={leaves.key: count}, distributions={leaves.key: leaves.distribution}
        )
        for rank, count in enumerate((900, 950, 20, 30, 40, 50))
    ]
    assert boundary(leaves, trials).startswith("at the upper end, 1000, with 2 of the best 5: search higher")
    assert boundary(leaves, trials[2:]) == "inside"
    assert [(level.name, level.trials, level.best) for level in levels(leaves, trials, greater=True)] == [
        ("low third", 3, 0.8),
        ("middle third", 1, 0.5),
        ("high third", 2, 1.0),
    ]
    assert levels(leaves, trials, greater=False)[2].best == 0.9


def test_seeds_decide_and_the_interval_is_students(toy):
    def contender(name, validation, test=(0.0, 0.0, 0.0)):
        return Contender(name, None, (), (), validation, test)

    default = contender("default", (0.70, 0.71, 0.72), (0.6, 0.6, 0.6))
    lucky, steady = contender("lucky", (0.80, 0.60, 0.60)), contender("steady", (0.72, 0.74, 0.73))
    confirmed = chosen([default, lucky, steady], (1, 2, 3), greater=True)
    assert confirmed.contenders[confirmed.winner].name == "steady"
    reference = stats.ttest_1samp([0.02, 0.03, 0.01], 0).confidence_interval(
        1 - 0.05 / 2
    )  # of two candidates
    found = confirmed.on_validation
    assert found.difference == pytest.approx(0.02)
    assert found.corrected == pytest.approx(2 * stats.ttest_1samp([0.02, 0.03, 0.01], 0).pvalue)
    assert (judged(found, "roc_auc", 0.05) == "better") == (found.low > 0)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert confirmed.on_test.difference == pytest.approx(-0.6)
    assert chosen([steady, default], (1, 2, 3), greater=False).winner == 1
    assert chosen([default, default], (1, 2, 3), greater=True).winner == 0
    assert seed_difference([1.0], [2.0], confidence=0.95) is None


def test_contenders_are_the_values_in_force_and_the_best_others(toy):
    plan, space, study = worked()
    few = contenders(study, plan, space, 2)
    assert few[0].number is None
    others = [trial.number for trial in ranked(study) if trial.params != space.default]
    assert [contender.number for contender in few[1:]] == others[:2]
    assert not any("search." in word for contender in few for word in contender.overrides)


LOADING = ("src", "href", "xlink:href", "srcset", "data")


class Loads(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [
            f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "data")
        ]


def test_the_report_loads_nothing_and_has_the_same_bytes_twice(toy):
    plan, space, study = worked()
    page = write_report(study, plan, space, None, [STRENGTH]).read_bytes()
    assert write_report(load(plan), plan, space, None, [STRENGTH]).read_bytes() == page
    text = page.decode()
    parser = Loads()
    parser.feed(text)
    assert all(found.partition("=")[2].startswith(("#", "data:,")) for found in parser.found)
    assert "url(http" not in text
    assert "@import" not in text
    assert text.count("<script") == 1  # that of every page
    assert text.count("<svg") == 2
    for word in ("scientific", "nuisance", "Fixed", "boundary", "Sobol"):
        assert word in text
    assert str(Path.cwd()) not in text


@pytest.mark.scale
def test_axe_finds_nothing_on_the_page(toy, tmp_path):
    plan, space, study = worked()
    page = write_report(study, plan, space, None, [STRENGTH]).read_text(encoding="utf-8")
    assert violations(page, tmp_path) == {}
