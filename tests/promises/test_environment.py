"""The environment is an input: other versions stop the run, other pins rerun the stages."""

from importlib.metadata import distributions, version

import pytest
from packaging.version import Version
from repository import ROOT

from cairn.errors import UserError
from cairn.pins import other_versions, stop_on_other_versions


def test_the_installed_versions_are_the_pinned_ones():
    assert other_versions(ROOT / "constraints.txt") == []


def test_another_version_is_named_and_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.delenv("CAIRN_ANY_VERSIONS", raising=False)
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"numpy==1.0.0\npandas=={version('pandas')}\n")
    assert other_versions(pins) == [f"numpy {version('numpy')} is installed, the pin is 1.0.0"]
    with pytest.raises(UserError, match=r"numpy .* is installed, the pin is 1\.0\.0"):
        stop_on_other_versions(pins)
    monkeypatch.setenv("CAIRN_ANY_VERSIONS", "1")
    stop_on_other_versions(pins)


def test_pins_for_other_systems_and_packages_that_are_not_installed_do_not_count(tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("numpy==1.0.0 ; python_full_version < '3'\nno-such-package==1\n\n# a comment\n")
    assert other_versions(pins) == []


def test_a_build_for_another_device_is_the_same_version(tmp_path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("torch==" + version("torch").split("+")[0])
    assert other_versions(pins) == []


def test_no_pin_names_a_registry_or_a_file():
    for name in ("constraints.txt", "constraints-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert " @ " not in text


def test_the_versions_that_count_are_those_that_importlib_finds(tmp_path):
    found = {dist.name: dist.version for dist in distributions()}
    pins = tmp_path / "constraints.txt"
    pins.write_text("".join(f"{name}==0.0.0.dev0\n" for name in found))
    named = [line.split(" is installed")[0] for line in other_versions(pins)]
    assert {*named} == {f"{name} {Version(found[name])}" for name in found}
