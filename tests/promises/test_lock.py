"""What is committed belongs together: code, settings, lock and metrics."""


def test_the_committed_lock_is_in_step_with_code_settings_and_metrics(snapshot):
    said = snapshot.dvc("repro", "--dry", "--allow-missing")
    assert said.rstrip().endswith("Data and pipelines are up to date."), said


def test_params_yaml_is_what_conf_says(snapshot):
    before = snapshot.read("params.yaml")
    assert snapshot.run("python", "src/cairn", "compose", "--reset") == "params.yaml = conf/\n"
    assert snapshot.read("params.yaml") == before
    assert snapshot.git("status", "--porcelain") == ""


def test_every_remote_verifies_what_it_gives_back_and_no_secret_is_committed(snapshot):
    config = snapshot.read(".dvc/config")
    assert config.count("url =") == config.count("verify = true") > 0
    for secret in ("secret", "password", "token", "connection_string", "account_key", "keyfile", "user"):
        assert secret not in config


def test_the_cairn_command_runs_the_checkout_it_stands_in(snapshot):
    (snapshot.path / "docs").mkdir(exist_ok=True)
    snapshot.replace("src/cairn/pipeline/compose.py", "params.yaml = conf/", "this checkout = conf/")
    inside = type(snapshot)(snapshot.path / "docs")
    assert inside.run("cairn", "compose") == "this checkout = conf/\n"
    snapshot.git("checkout", "--quiet", ".")
    said = inside.run("cairn", "trian", fails=True)
    assert said.startswith("cairn: no command or stage 'trian'; did you mean 'train'?")
