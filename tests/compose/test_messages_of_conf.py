"""Whatever is wrong in conf/ is said in one line: which file, which key, what, and what would be right."""

import subprocess
import sys
from pathlib import Path

import pytest
from toy_conf import ROOT, edit, make_toy_conf

from cairn.compose.conf import compose
from cairn.compose.validate import Origin, read_config, traps
from cairn.errors import UserError
from cairn.settings.expressions import METHODS


@pytest.fixture(scope="module")
def conf(tmp_path_factory) -> Path:
    return make_toy_conf(tmp_path_factory.mktemp("toy"))


def lines(conf: Path, *overrides: str) -> list[str]:
    """Return what the user reads when conf/ is composed with these overrides; nothing when all is well."""
    try:
        composed = compose(conf, overrides)
        read_config(composed.values, conf.parent, Origin(conf, composed, "-S {}").of)
    except UserError as error:
        return str(error).splitlines()
    return []


def test_the_toy_itself_is_right(conf):
    assert lines(conf) == []


WRONG = {
    # what sections say by themselves
    "+model.parms=1": "model.parms: unknown key; did you mean 'params'?",
    "+train.devise=cpu": "train.devise: unknown key; did you mean 'device'?",
    "+data.leakage.min_nul_rows=1": "data.leakage.min_nul_rows: unknown key; did you mean 'min_null_rows'?",
    "+extra=1": "extra: unknown key; did you mean 'train'?",
    "~evaluate.slices": "evaluate.slices: missing",
    "~kpi.kind": "kpi.kind: missing",
    "train.device=gpu": "train.device: must be 'auto', 'cpu' or 'cuda', not 'gpu'; did you mean 'cpu'?",
    "train.early_stopping=1": "train.early_stopping: must be true or false, not 1",
    "seed=-1": "seed: must be at least 0, not -1",
    "seed=true": "seed: must be an integer, not true",
    "split.validation=abc": "split.validation: must be a number, not 'abc'",
    "split.kind=tme": (
        "split.kind: must be 'time', 'random', 'group' or 'column', not 'tme'; did you mean 'time'?"
    ),
    "split=column": "split.column: a column split needs a column that names the parts of 'visits'",
    "split=column split.column=age": "split.column: 'age' is a feature: remove its group from the contract",
    "split=column split.column=wrad": "split.column: the contract has no column 'wrad'; did you mean 'ward'?",
    "baseline=selected +baseline.candidates.classifier.c=[1.0]": (
        "baseline.candidates.classifier.c: LogisticRegression has no such parameter; did you mean 'C'?"
    ),
    "baseline=selected baseline.candidates.classifier.C=[a]": (
        "baseline.candidates.classifier.C.0: must be an integer or a number, not 'a'"
    ),
    "baseline=selected baseline.candidates.classifier.C=[]": (
        "baseline.candidates.classifier.C: needs at least one value"
    ),
    "split.validation=0.9": "split: validation 0.9 + test 0.15 leave no rows to train on",
    "evaluate.slices=[ward,3]": "evaluate.slices.1: must be a string, not 3",
    "model.classifier={_target_:3}": (
        "model.classifier: needs the key _target_, the dotted name of an estimator class"
    ),
    "purpose.goal.measure=auc": "purpose.goal: needs both a measure and a value, or neither",
    "purpose.goal.measure=roc_acu purpose.goal.value=0.7": (
        "purpose.goal.measure: a binary task has no metric roc_acu; did you mean 'roc_auc'?"
    ),
    # what sections say of each other and of the contract
    "data.task=regression kpi=cost": "kpi.kind: a cost model needs a binary task, 'visits' is regression",
    "data.task=regression calibration=sigmoid": (
        "calibration.method: 'visits' is a regression: no probabilities to calibrate"
    ),
    "data.time=null split=time": "split.kind: a time split needs data.time, which 'visits' does not have",
    "data.group=null split=group": "split.kind: a group split needs data.group, which 'visits' does not have",
    "data.time=null cross_validation=rolling": (
        "cross_validation.kind: rolling needs data.time, which 'visits' does not have"
    ),
    "data.time=null evaluate.block=1D": (
        "evaluate.block: blocks of time need data.time, which 'visits' does not have"
    ),
    "evaluate.block=daily": "evaluate.block: 'daily' is not a span of time such as 1D or 6h",
    "split=time split.gap=1X": "split.gap: '1X' is not a span of time such as 1D, 36h or 0D",
    "split=time split.validation_from=2013-09-01 split.test_from=2013-13-01": (
        "split.test_from: '2013-13-01' is not a date such as 2013-09-01 or 2013-09-01 06:00"
    ),
    "split=time split.validation_from=2013-09-01 split.test_from=2013-11-01 split.test_until=2013-10-01": (
        "split.test_until: 2013-10-01 is not after test_from 2013-11-01"
    ),
    "split=time split.validation_from=2013-09-01 split.test_from=0.9": (
        "split: validation_from and test_from must both be dates or both be shares of the rows"
    ),
    "baseline.refit=none": "baseline.refit: is not train.refit, validation: change that, and leave this out",
    "model.classifier=null": (
        "model.classifier: 'hist_gbdt' has no classifier, but the task of 'visits' is binary"
    ),
    "data.task=regression baseline.linear.regressor=null": (
        "baseline.linear.regressor: 'logistic' has no regressor, but the task of 'visits' is regression"
    ),
    "model.classifier._target_=sklern.Ridge": (
        "model.classifier._target_: no module 'sklern' can be imported"
    ),
    "model.classifier._target_=sklearn.linear_model.LogisticRegresion": (
        "model.classifier._target_: 'sklearn.linear_model' has no 'LogisticRegresion';"
        " did you mean 'LogisticRegression'?"
    ),
    "+model.params.learning_rat=1": (
        "model.params.learning_rat: HistGradientBoostingClassifier has no such parameter;"
        " did you mean 'learning_rate'?"
    ),
    "+baseline.linear.classifier.c=1": (
        "baseline.linear.classifier.c: LogisticRegression has no such parameter; did you mean 'C'?"
    ),
    "model.encoding.max_categories=256": (
        "model.encoding.max_categories: HistGradientBoostingClassifier takes 255 codes per column at most"
    ),
    "model=mlp model.params.batch_size=banana": (
        "model.params.batch_size: must be an integer or 'auto', not 'banana'"
    ),
    "model=mlp model.params.hidden=64": "model.params.hidden: must be a list, not 64",
    "model=mlp model.params.hidden=[64,0]": "model.params.hidden.1: must be at least 1, not 0",
    "model=mlp model.params.dropout=1": "model.params.dropout: must be less than 1, not 1",
    "model=mlp model.params.learning_rate=inf": (
        "model.params.learning_rate: must be a finite number, not Infinity"
    ),
    "model=mlp model.params.schedule=cosin": (
        "model.params.schedule: must be 'cosine' or 'constant', not 'cosin'; did you mean 'cosine'?"
    ),
    "model=mlp +model.classifier.patience=0": (
        "model.classifier.patience: must be at least 1 or 'auto', not 0"
    ),
    "model=cnn model.params.image_shape=[8]": "model.params.image_shape: must have 2 or more items, not [8]",
    "model=cnn ~model.params.image_shape": "model.params.image_shape: missing",
    "data.load={_target_:statistics.quantles}": (
        "data.load._target_: 'statistics' has no 'quantles'; did you mean 'quantiles'?"
    ),
    "data.load={_target_:statistics.quantiles,metod:x}": (
        "data.load.metod: quantiles has no such parameter; did you mean 'method'?"
    ),
    **{
        f"data.load={{_target_:{target}}}": (
            f"data.load._target_: {target} is not listed in conf/trusted.yaml;"
            f" if you know what it runs, add a line `- {target.partition('.')[0]}`"
        )
        for target in ("os.system", "subprocess.Popen", "runpy.run_path", "pandas.read_pickle", "csv.reader")
    },
    **{
        f"data.task={task} model.{role}._target_=subprocess.Popen": (
            f"model.{role}._target_: subprocess.Popen is not listed in conf/trusted.yaml;"
            " if you know what it runs, add a line `- subprocess`"
        )
        for task, role in (("binary", "classifier"), ("regression", "regressor"))
    },
    "model.classifier._target_=sklearn.utils._testing.check_output": (
        "model.classifier._target_: subprocess.check_output is not listed in conf/trusted.yaml;"
        " if you know what it runs, add a line `- subprocess`"
    ),
    "data.contract=conf/contract/vists.yaml": (
        "data.contract: no file conf/contract/vists.yaml; did you mean 'conf/contract/visits.yaml'?"
    ),
    "data.target=returnd": "data.target: the contract has no column 'returnd'; did you mean 'returned'?",
    "data.target=ward": "data.target: conf/contract/visits.yaml must declare 'ward' known: after",
    "data.time=dya": "data.time: the contract has no column 'dya'; did you mean 'day'?",
    "data.group=bill": "data.group: 'bill' is known: after, which only the target may be",
    "+data.drop_where.old='abs(ag) > 3'": (
        "data.drop_where.old: the contract has no column 'ag'; did you mean 'age'?"
    ),
    "+data.drop_where.old='age > @limit'": (
        "data.drop_where.old: 'age > @limit' cannot be read as an expression"
    ),
    "+data.derive.returned='nights > 3'": (
        "data.derive.returned: the target is computed from 'nights', so"
        " conf/contract/visits.yaml must declare it known: after (or add it to data.leakage.trusted)"
    ),
    "+data.derive.returned='bill > age'": None,
    "+data.derive.ward='bill > 3'": "data.derive.ward: 'bill' is known: after, so 'ward' must be too",
    "+data.derive.ward='nihgts > 3'": (
        "data.derive.ward: the contract has no column 'nihgts'; did you mean 'nights'?"
    ),
    "+data.derive.wrad='nights > 3'": (
        "data.derive.wrad: the contract has no column 'wrad'; did you mean 'ward'?"
    ),
    "+data.derive.ward='nights >'": "data.derive.ward: 'nights >' cannot be read as an expression",
    "+data.derive.ward='nights.map.__globals__'": (
        "data.derive.ward: 'nights.map.__globals__': .__globals__ is not allowed; after a column there are "
        + ", ".join(f".{name}()" for name in sorted(METHODS[""]))
    ),
    "data.leakage.trusted=[aeg]": (
        "data.leakage.trusted: the contract has no column 'aeg'; did you mean 'age'?"
    ),
    "evaluate.slices=[wrad]": "evaluate.slices: the contract has no column 'wrad'; did you mean 'ward'?",
    "evaluate.slices=[bill]": ("evaluate.slices: 'bill' is known: after, which only the target may be"),
    "evaluate.weight=aeg": "evaluate.weight: the contract has no column 'aeg'; did you mean 'age'?",
    "evaluate.weight=bill": "evaluate.weight: 'bill' is known: after, which only the target may be",
    "evaluate.weight=patient": "evaluate.weight: 'patient' is categorical, it must be numeric",
    "evaluate.weight=age": "evaluate.weight: 'age' is a feature: remove its group from the contract",
    "features.groups=[stya]": (
        "features.groups: the contract has no group 'stya'; did you mean 'stay'? (groups: person, stay)"
    ),
    "features.exclude=[day]": "features.exclude: the contract has no feature 'day'",
    "features.groups=[person] features.exclude=[age]": "features: no feature is left",
    "features.selection.kind=rekursive": (
        "features.selection.kind: must be 'none', 'univariate' or 'recursive', not 'rekursive';"
        " did you mean 'recursive'?"
    ),
    "features.selection.kind=recursive features.selection.keep=4": (
        "features.selection.keep: 4, but there are only 3 columns"
    ),
    "+baseline.rules.w={kind:rate,by:[wrad],smoothing:1}": (
        "baseline.rules.w.by: the contract has no column 'wrad'; did you mean 'ward'?"
    ),
    "+baseline.rules.w={kind:column,column:bill}": (
        "baseline.rules.w.column: 'bill' is known: after, which only the target may be"
    ),
    "+baseline.rules.w={kind:rte,by:[ward]}": (
        "baseline.rules.w.kind: must be 'rate' or 'column', not 'rte'; did you mean 'rate'?"
    ),
    "+baseline.rules.w={kind:rate,by:[ward],smothing:1,smoothing:1}": (
        "baseline.rules.w.smothing: unknown key; did you mean 'smoothing'?"
    ),
}


@pytest.mark.parametrize(("overrides", "said"), WRONG.items(), ids=WRONG.keys())
def test_each_thing_that_is_wrong_has_its_line(conf, overrides, said):
    given = [overrides] if "'" in overrides else overrides.split()
    found = [line.split(": ", 1)[1] if ": " in line else line for line in lines(conf, *given)]
    assert found == ([said] if said else [])


HYDRA = {
    "model=mpl": "conf/model: no option 'mpl'; did you mean 'mlp'? (options: catboost, cnn, ensemble,",
    "train.devise=cpu": (
        "override train.devise=cpu: no key train.devise; did you mean 'train.device'?"
        " (+train.devise=... adds one)"
    ),
    "train=[": "override train=[: cannot be parsed; quote anything but plain words and numbers",
    "train": "override train: is not KEY=VALUE",
    "model=null": "override model=null: choose an option: catboost, cnn, ",
    "model=5": "override model=5: choose an option: catboost, cnn, ",
    "~train.nothing": "conf/: Could not delete from config. 'train.nothing' does not exist.",
    "seed=${sed}": "conf/: Interpolation key 'sed' not found",
    "experiment=tniy": "conf/experiment: no option 'tniy'; did you mean 'tiny'? (options: ",
    "seed=1,2": "Ambiguous value for argument 'seed=1,2'",
}


@pytest.mark.parametrize(("override", "said"), HYDRA.items(), ids=HYDRA.keys())
def test_what_hydra_does_not_take_is_one_line_too(conf, override, said):
    (line,) = lines(conf, override)
    assert line.startswith(said)


def test_a_weight_is_a_number_from_0_in_every_row(conf):
    contract = conf / "contract/visits.yaml"
    edit(contract, "nights: {kind: numeric, group: stay}", "nights: {kind: numeric}")
    (line,) = lines(conf, "evaluate.weight=nights")
    assert line.endswith("the contract must say min: 0 of 'nights', and not nullable: true")
    edit(contract, "nights: {kind: numeric}", "nights: {kind: numeric, min: 0}")
    assert lines(conf, "evaluate.weight=nights") == []
    edit(contract, "nights: {kind: numeric, min: 0}", "nights: {kind: numeric, min: 0, nullable: true}")
    assert len(lines(conf, "evaluate.weight=nights")) == 1


def test_code_that_the_user_lists_may_be_named_and_no_other_is_imported(tmp_path, monkeypatch):
    conf = make_toy_conf(tmp_path)
    (tmp_path / "stranger.py").write_text("import pathlib\npathlib.Path('ran').touch()\ncall = print\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (line,) = lines(conf, "data.load={_target_:stranger.call}")
    assert "data.load._target_: stranger.call is not listed in conf/trusted.yaml" in line
    assert not (tmp_path / "ran").exists()
    edit(conf / "trusted.yaml", "- sklearn", "- sklearn\n- stranger")
    assert lines(conf, "data.load={_target_:stranger.call}") == []
    (conf / "trusted.yaml").write_text("- 5\n", encoding="utf-8")
    (line,) = lines(conf)
    assert line.startswith("conf/trusted.yaml: not a list of packages")


def test_every_violation_is_told_at_once(conf):
    told = lines(conf, "seed=-1", "split=time", "split.gap=1X", "+model.params.x=1", "evaluate.slices=[bill]")
    assert len(told) == 4


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["split=time", "+split.x=1"], "-S +split.x=1"),
        (["experiment=bad"], "conf/experiment/bad.yaml (-S experiment=null leaves it out)"),
        (["data.time=null", "split=time"], "conf/split/time.yaml"),
        (["baseline.linear.regressor=null", "data.task=regression"], "-S baseline.linear.regressor=null"),
        (["model@baseline.linear=broken"], "conf/model/broken.yaml"),
        (["model=broken"], "conf/model/broken.yaml"),
        (["data=daily"], "conf/data/daily.yaml"),
    ],
)
def test_the_line_names_the_file_or_the_override_the_key_came_from(tmp_path, overrides, where):
    conf = make_toy_conf(tmp_path)
    (conf / "experiment/bad.yaml").write_text("# @package _global_\ntrain: {x: 1}\n", encoding="utf-8")
    broken = (conf / "model/logistic.yaml").read_text(encoding="utf-8").replace("max_iter", "max_itre")
    (conf / "model/broken.yaml").write_text(broken, encoding="utf-8")
    toy = (conf / "data/visits.yaml").read_text(encoding="utf-8")
    (conf / "data/daily.yaml").write_text(f"{toy}evaluate: {{block: daily}}\n", encoding="utf-8")
    assert [line.split(": ")[0] for line in lines(conf, *overrides)] == [where]


def test_a_value_of_config_yaml_itself_is_looked_for_there(tmp_path):
    conf = make_toy_conf(tmp_path)
    edit(conf / "config.yaml", "threads: 2", "threads: 0")
    assert lines(conf) == ["conf/config.yaml: threads: must be at least 1, not 0"]


def test_a_broken_contract_is_told_by_its_own_file_and_key(tmp_path):
    conf = make_toy_conf(tmp_path)
    contract = conf / "contract/visits.yaml"
    edit(contract, "bill: {kind: numeric, known: after}", "bill: {kind: numerc, knwon: after}")
    assert lines(conf) == [
        "conf/contract/visits.yaml: columns.bill.kind: must be 'numeric', 'categorical', 'boolean' or"
        " 'datetime', not 'numerc'; did you mean 'numeric'?",
        "conf/contract/visits.yaml: columns.bill.knwon: unknown key; did you mean 'known'?",
    ]
    contract.write_text("columns: [", encoding="utf-8")
    assert [line.split(": ")[:2] for line in lines(conf)] == [
        ["conf/contract/visits.yaml:1", "not valid YAML"]
    ]
    contract.write_text("key: [id]\ncolumns: {}", encoding="utf-8")
    assert lines(conf) == ["conf/contract/visits.yaml: key names columns that are not declared: id"]


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path):
    conf = make_toy_conf(tmp_path)
    with (conf / "train/default.yaml").open("a", encoding="utf-8") as file:
        file.write("x: [1\n")
    (line,) = lines(conf)
    assert line.startswith("conf/train/default.yaml:")
    assert "not valid YAML" in line


@pytest.mark.parametrize("value", ["no", "ON", "y", "12:30", "010", "1_000", "???", "${oc.env:HOME}"])
def test_values_that_two_readers_of_yaml_take_for_different_things_are_refused(tmp_path, value):
    (tmp_path / "a.yaml").write_text(f"fine: 1\nkey: {value}\n", encoding="utf-8")
    (line,) = traps(tmp_path)
    assert line.startswith(f"{tmp_path.name}/a.yaml:2: {value}")


@pytest.mark.parametrize(
    "value", ['"no"', "none", "true", "2013-09-01", "1e-5", "0.5", "100", '"12:30"', "[a, b]"]
)
def test_values_that_every_reader_takes_for_the_same_are_not(tmp_path, value):
    (tmp_path / "a.yaml").write_text(f"key: {value}\n", encoding="utf-8")
    assert traps(tmp_path) == []


def test_a_package_below_a_comment_is_refused_as_hydra_would_not_see_it(tmp_path):
    (tmp_path / "a.yaml").write_text("# a comment\n# @package _global_\nkey: 1\n", encoding="utf-8")
    (line,) = traps(tmp_path)
    assert line.startswith(f"{tmp_path.name}/a.yaml:2: ")


def test_a_key_that_is_a_truth_value_to_some_readers_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("n: 5\n", encoding="utf-8")
    assert len(traps(tmp_path)) == 1


def test_a_key_is_looked_for_in_the_option_that_is_chosen_beside_it(conf):
    (line,) = lines(conf, "model=extra_trees", "model.params.n_estimator=50")
    assert line.startswith(
        "override model.params.n_estimator=50: no key model.params.n_estimator;"
        " did you mean 'model.params.n_estimators'?"
    )


def test_checking_conf_loads_no_library_that_fits_models():
    program = (
        "import sys; from pathlib import Path; from cairn.compose.conf import compose;"
        "from cairn.compose.validate import read_config;"
        "read_config(compose(Path('conf'), ['data=flights', 'model=mlp']).values, Path());"
        "sys.exit(' '.join({'sklearn', 'torch', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    conf = make_toy_conf(tmp_path)
    (conf / "model/folder.yaml").mkdir()
    (conf / "model/latin.yaml").write_bytes("name: für\n".encode("latin-1"))
    found = [line.split(": ")[:2] for line in traps(conf)]
    assert found == [
        [f"conf/model/{name}.yaml:1", "cannot be read as UTF-8 text"] for name in ("folder", "latin")
    ]
    (conf / "contract/visits.yaml").write_text("key: " + "[" * 3000 + "]" * 3000, encoding="utf-8")
    (line,) = lines(conf)
    assert line.startswith("conf/contract/visits.yaml: not valid YAML")
    (conf / "train/default.yaml").write_text("device: " + "[" * 3000 + "]" * 3000, encoding="utf-8")
    (line,) = lines(conf)
    assert line.startswith("conf/")
