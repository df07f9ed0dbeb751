"""A study's folder is one study's: no old model passes for a new one, and troubles say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy.exc
import yaml

from lookalike.errors import ConfigError, LookalikeError, TrainingError
from lookalike.models.model import Model
from lookalike.records import SILENT
from lookalike.runfile import load_config
from lookalike.tables.splits import split_table
from lookalike.tables.table import ImageTable
from lookalike.training import tuning, tuning_final, tuning_folder, tuning_search
from lookalike.training.build import Built
from lookalike.training.settled import Settled
from lookalike.training.tuning import tune
from lookalike.training.tuning_final import Final, train_finally
from lookalike.training.tuning_folder import make_folder
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_store import check_content, count_judged
from lookalike.training.tuning_trial import Attempt, known_figures
from lookalike.training.tuning_verdict import Judged, kept_verdict
from small_study import STUDY, write_study


@pytest.fixture
def quick(backbone: Model, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """No head is trained; the folders that models would be trained into."""
    folders: list[Path] = []

    def attempt(settings: Any, *_: Any, **__: Any) -> Attempt:
        value = 0.5 + settings.training.learning_rate
        return Attempt(Settled(1), figures=dict.fromkeys(known_figures(), value))

    def final(_config: Any, _material: Any, *, folder: Path, **_: Any) -> Final:
        folders.append(folder)
        return Final(folder, backbone, None)

    monkeypatch.setattr(tuning_search, "attempt", attempt)
    monkeypatch.setattr(tuning, "train_finally", final)
    return folders


def test_a_folder_of_another_study_is_refused(few: Path, quick: list[Path], tmp_path: Path) -> None:
    path, out = write_study(tmp_path), tmp_path / "o"
    tune(path, few, out=out, trials=1)
    with pytest.raises(ConfigError, match=r"holds another study.*saw study small, wanted study other.*--out"):
        tune(path, few, out=out, trials=1, overrides=["name=other"])
    (out / "study.db").unlink()
    with pytest.raises(ConfigError, match=r"in another database.*delete .*study\.json to begin anew"):
        tune(path, few, out=out, trials=1)
    (out / "study.json").unlink()
    assert len(tune(path, few, out=out, trials=1).trials) == 1
    assert len(tune(path, few, out=out, trials=2).trials) == 2


def test_best_settings_say_where_the_data_lies(
    few: Path, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(few.parent)
    found = tune(write_study(tmp_path), few.name, out=tmp_path / "o", trials=1)
    assert found.settings is not None
    data = load_config(found.settings).data
    assert data == str(few.absolute())
    assert len(ImageTable.read(data)) == len(ImageTable.read(few))


def test_changed_pictures_are_refused(few: Path, quick: list[Path], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for picture in sorted(few.rglob("*.*")):
        if picture.is_file():
            copy = pictures / picture.relative_to(few)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(picture.read_bytes())
    path, out = write_study(tmp_path), tmp_path / "o"
    tune(path, pictures, out=out, trials=1)
    table = ImageTable.read(out / "split.parquet").select("val")
    first, other = (pictures / name for name in table.frame["image"].to_list()[:2])
    first.write_bytes(other.read_bytes())
    with pytest.raises(ConfigError, match=r"pictures have changed.*study small: split val - .*put them back"):
        tune(path, pictures, out=out, trials=2)


def test_content_is_kept_once_and_the_split_is_named() -> None:
    study = optuna.create_study(study_name="small")
    check_content(study, {"train": "a", "val": "b"})
    check_content(study, {"train": "a", "val": "b"})
    with pytest.raises(ConfigError, match=r"study small: split train - saw files of the same names"):
        check_content(study, {"train": "c", "val": "b"})


def test_models_that_test_has_judged_are_counted_once() -> None:
    study = optuna.create_study()
    assert [count_judged(study, name) for name in ("trial_0", None, "trial_0", "trial_3")] == [1, 1, 1, 2]


def test_a_storage_that_fails_in_the_middle_is_explained(
    few: Path, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_study(tmp_path), tmp_path / "o"

    def damage(*_: Any, **__: Any) -> Attempt:
        (out / "study.db").unlink()
        (out / "study.db").write_bytes(b"x" * 4096)
        raise ValueError("never mind")

    monkeypatch.setattr(tuning_search, "attempt", damage)
    with pytest.raises(TrainingError, match=r"storage failed - sqlite.*then run the same command again"):
        tune(path, few, out=out)
    with pytest.raises(ConfigError, match=r"not a database.*move .*study\.db and .*study\.json away"):
        tune(path, few, out=out)

    def gone(*_: Any, **__: Any) -> None:
        raise sqlalchemy.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    (out / "study.db").unlink()
    (out / "study.json").unlink()
    monkeypatch.setattr(tuning, "check_content", gone)
    with pytest.raises(TrainingError, match=r"storage failed.*disk is full.*run the same command again"):
        tune(path, few, out=out)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise LookalikeError(
            "a file cannot be written", where=path, saw="Permission denied", do="give another"
        )

    make_folder(tmp_path, "small")
    monkeypatch.setattr(tuning_folder, "check_writable", refuse)
    with pytest.raises(LookalikeError, match=r"cannot be written - .*study\.json - saw Permission denied"):
        make_folder(tmp_path, "small")


def finish(folder: Path, few: Path, **changes: Any) -> Callable[[], Final]:
    """Train finally, with these settings."""
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"name": "run", "split": STUDY["split"], **changes}))
    config = load_config(path)
    table = split_table(ImageTable.read(few), config.split, seed=config.seed).table
    options: dict[str, Any] = {"settled": Settled(1), "note": "", "watcher": SILENT}
    return lambda: train_finally(config, Material(table), folder=folder / "trial_0", **options)


def test_a_model_of_other_settings_is_not_taken_for_this_one(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def head(_config: Any, _material: Material, folder: Path, **_: Any) -> Built:
        trained.append(folder.name)
        return Built(backbone)

    class Stored:
        @staticmethod
        def load(_: Path) -> Model:
            return backbone

    monkeypatch.setattr(tuning_final, "_head_on_both", head)
    monkeypatch.setattr(tuning_final, "judge_built", lambda *_, **__: Judged(None))
    monkeypatch.setattr(tuning_final, "Model", Stored)
    first = finish(tmp_path, few, seed=1)
    assert [first().folder.name, first().folder.name] == ["trial_0", "trial_0"]
    other = finish(tmp_path, few, seed=1, network={"embedding_dim": 8})
    assert [other().folder.name, other().folder.name] == ["trial_0_2", "trial_0_2"]
    assert trained == ["trial_0", "trial_0_2"]
    shares = {"split": {**STUDY["split"], "val": 0.3, "test": 0.2}}
    assert finish(tmp_path, few, seed=1, **shares)().folder.name == "trial_0_3"
    assert json.loads((tmp_path / "trial_0" / "test.json").read_text()) == {
        "report": None,
        "attributes": {},
    }
    assert Judged(None) == kept_verdict(tmp_path / "trial_0")


def test_features_that_were_not_used_for_longest_give_way() -> None:
    material = Material(ImageTable.__new__(ImageTable))
    for number in (*range(6), 0, 6, 7):
        material._kept(str(number), lambda: object())  # type: ignore[arg-type, return-value]
    assert list(material._prepared) == ["3", "4", "5", "0", "6", "7"]
