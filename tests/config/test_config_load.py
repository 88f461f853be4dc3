from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import config_bench
import jsonschema
import pytest
import yaml
from config_bench import BASE, edited

from harness import adapters
from harness.config import (
    RigFileError,
    find_rig,
    list_rigs,
    load_rig,
    rig_from_resolved,
    rig_from_text,
    rig_schema,
)
from harness.config.schema import CallStep, RigFile, SendStep
from harness.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "rig_configs").glob("*.yaml"))


def test_a_loaded_rig_knows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(BASE)
    loaded = load_rig(file, ["host.cpu=0"])
    assert loaded.path == file
    assert loaded.text == BASE
    assert loaded.sha256 == hashlib.sha256(BASE.encode()).hexdigest()
    assert loaded.overrides == ("host.cpu=0",)
    assert loaded.rig.host.cpu == 0
    assert isinstance(loaded.rig.devices["robot"], config_bench.Options)
    assert isinstance(loaded.rig.setup[0], SendStep)
    assert isinstance(loaded.rig.setup[2], CallStep)


def test_problems_name_the_file_as_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(edited(("limit: 10", "limt: 10")))
    with pytest.raises(RigFileError) as caught:
        load_rig(file)
    assert str(caught.value).startswith(f"{file}:")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_rigs_load_and_come_back_from_json(path: Path) -> None:
    loaded = load_rig(path)
    again = rig_from_resolved(json.loads(json.dumps(loaded.resolved())))
    assert again == loaded.rig
    assert {n: type(d) for n, d in again.devices.items()} == {
        n: type(d) for n, d in loaded.rig.devices.items()
    }


def test_a_rig_with_everything_comes_back_from_json() -> None:
    rig = rig_from_text(BASE, "x.yaml")
    resolved = rig.model_dump(mode="json", by_alias=True)
    again = rig_from_resolved(json.loads(json.dumps(resolved)))
    assert again == rig
    assert again.model_dump(mode="json", by_alias=True) == resolved


def test_a_damaged_resolved_rig_is_a_rig_file_error() -> None:
    resolved = rig_from_text(BASE, "x.yaml").model_dump(mode="json", by_alias=True)
    del resolved["rig"]["name"]
    with pytest.raises(RigFileError, match=r"^resolved rig: rig\.name: this key is missing"):
        rig_from_resolved(resolved)
    for nothing in (None, [], "text"):
        with pytest.raises(RigFileError, match=r"^resolved rig: must be a mapping"):
            rig_from_resolved(nothing)


def test_a_real_rig_with_stop_and_limits_loads() -> None:
    rig = rig_from_text(edited(("simulated: true", "simulated: false")), "x.yaml")
    assert rig.rig.simulated is False


# --- finding ---------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder, names in (
        (near, ["sim_diff_drive.yaml", "notes.txt"]),
        (far, ["sim-diff-drive.yaml", "board.yml"]),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(BASE)
    return [near, far]


def test_names_are_found_nearest_first(folders: list[Path]) -> None:
    near, far = folders
    assert list_rigs(folders) == [far / "board.yml", near / "sim_diff_drive.yaml"]
    assert find_rig("sim-diff-drive", folders) == near / "sim_diff_drive.yaml"
    assert find_rig("sim_diff_drive", folders) == near / "sim_diff_drive.yaml"
    assert find_rig("board", folders) == far / "board.yml"


def test_paths_are_taken_as_they_are(folders: list[Path]) -> None:
    path = folders[1] / "board.yml"
    assert find_rig(str(path), []) == path


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("sim-dif-drive", "there is no rig 'sim-dif-drive'", "did you mean 'sim_diff_drive'?"),
        ("zzz", "there is no rig 'zzz'", "valid here: board, sim_diff_drive"),
        ("a\0b", "there is no rig", "valid here"),
        ("nowhere/x.yaml", "there is no rig file nowhere/x.yaml", "valid here"),
        ("x" * 5000, "there is no rig", "valid here"),
        ("../", "is a folder", None),
    ],
)
def test_unknown_names(folders: list[Path], name: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_rig(name, folders)
    assert message in caught.value.message
    assert (hint is None) == (caught.value.hint is None)
    assert hint is None or hint in str(caught.value.hint)


def test_a_misspelt_path_is_compared_with_its_folder(folders: list[Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'board\.yml'"):
        find_rig(str(folders[1] / "bord.yml"), [])


def test_the_working_directory_comes_first(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    near = folders[0].rename(folders[0].parent / "rig_configs")
    monkeypatch.chdir(near.parent)
    assert find_rig("sim-diff-drive").resolve() == near / "sim_diff_drive.yaml"
    prefix = near.parent / "ament"
    installed = prefix / "share" / "harness" / "rig_configs"
    installed.mkdir(parents=True)
    (installed / "only_installed.yaml").write_text(BASE)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    assert find_rig("only-installed") == installed / "only_installed.yaml"


# --- JSON Schema -------------------------------------------------------------


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapters.BUILTIN, "bench", adapters.Entry("config_bench:D", "config_bench:Options"))
        schema = json.loads(json.dumps(rig_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "text", [BASE, *(p.read_text() for p in SHIPPED)], ids=["base", *(p.stem for p in SHIPPED)]
)
def test_schema_takes_good_files(validator: jsonschema.Draft202012Validator, text: str) -> None:
    assert [e.message for e in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "edit",
    [
        ("quantile: 0.99", "quantil: 0.99"),
        ("adapter: bench", "adapter: bnch"),
        ("adapter: bench\n", "domain: auto\n"),
        ("{kind: paced", "{kind: pacd"),
        ("rate_hz: 200", "rate_hz: -1"),
        ("rate_hz: 200", "rate_hz: fast"),
        ("simulated: true", "simulatd: true"),
        ("simulated: true", "simulated: 'no'"),
        ("samples: 3000", "samples: true"),
        ("limit: 10}", "limit: '10'}"),
        ("name: bench-rig", "name: bench rig"),
        ("  rest:", "  at rest:"),
        ("alternate: [0.2, -0.2]", "alternat: [0.2, -0.2]"),
        ("{ask: Clear", "{aks: Clear"),
        ("stimulus: robot.cmd\n", "stimulus: cmd\n"),
        ("{stimulus: {topic", "{stimulos: {topic"),
    ],
    ids=lambda edit: edit[1].strip(),
)
def test_schema_refuses_what_the_loader_refuses(
    validator: jsonschema.Draft202012Validator, edit: tuple[str, str]
) -> None:
    text = edited(edit)
    with pytest.raises(RigFileError):
        rig_from_text(text, "x.yaml")
    assert not validator.is_valid(yaml.safe_load(text))


def test_schema_tells_devices_apart_and_describes_keys() -> None:
    schema = rig_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    (device,) = schema["properties"]["devices"]["patternProperties"].values()
    assert set(device["discriminator"]["mapping"]) >= {"bench", "loopback", "ros2"}
    assert "$comment" not in schema
    assert "needs --arm" in schema["$defs"]["RigInfo"]["properties"]["simulated"]["description"]


def test_schema_names_adapters_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(adapters.BUILTIN, "gone", adapters.Entry("nowhere_at_all:D", "nowhere_at_all:O"))
    assert rig_schema()["$comment"].endswith("gone")


def test_every_section_of_a_rig_file_is_described_somewhere() -> None:
    assert set(rig_schema()["properties"]) == set(RigFile.model_fields)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in RigFile.model_fields)
