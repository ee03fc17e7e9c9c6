"""The command beside the real DVC: prepared data in step, the best as experiments, the winner as a preset."""

import pytest

CAIRN = ("python", "src/cairn")


@pytest.mark.slow
def test_a_search_ends_in_experiments_and_a_preset_and_its_space_trains_nothing(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "searched", share_cache=True)
    checkout.run(*CAIRN, "compose", "experiment=tiny")
    words = ("--trials", "2", "--top", "1", "--seeds", "1", "--name", "quick", "--save-as", "won")
    said = checkout.run(*CAIRN, "search", "-S", "search.startup=2", *words)
    assert "search: 2/2 trials" in said
    listed = checkout.dvc("exp", "list", "--name-only").split()
    assert sorted(listed) == ["quick-default-seed2014", f"quick-{listed[1].split('-')[1]}-seed2014"]
    assert (checkout.path / "reports/search/quick.html").exists()
    changed = {line[3:] for line in checkout.git("status", "--porcelain").splitlines()}
    assert "conf/experiment/won.yaml" in changed
    stages = {"params.yaml", "dvc.lock", "metrics/data.json", "metrics/leaks.json", "metrics/split.json"}
    assert changed <= {"conf/experiment/won.yaml", *stages}
    checkout.run(*CAIRN, "compose", "--reset", "experiment=won")

    checkout.dvc("exp", "apply", "quick-default-seed2014")
    checkout.replace("conf/model/hist_gbdt.yaml", "interval(0.02, 0.2)", "interval(0.01, 0.3)")
    again = checkout.dvc("repro")
    assert "Running stage 'compose'" in again
    assert "Running stage 'train'" not in again
    assert checkout.dvc("status", "train").count("up to date")
