"""Files of earlier versions load, and mean what they meant."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import harmonium as hm
from saved.number import number

FOLDER = Path(__file__).parent
NUMBERS = json.loads((FOLDER / "numbers.json").read_text())


@pytest.mark.parametrize("name", NUMBERS)
def test_a_file_of_before_gives_its_number(name):
    model = hm.load(FOLDER / f"{name}.safetensors")
    assert type(model).__name__ == name
    np.testing.assert_allclose(number(model), NUMBERS[name], rtol=1e-4)


def edited(folder: Path, name: str, change) -> Path:
    """A copy of a saved file whose structure was changed, with a checksum that fits."""
    for ending in ("safetensors", "json"):
        shutil.copy(FOLDER / f"{name}.{ending}", folder)
    path = folder / f"{name}.json"
    description = json.loads(path.read_text())
    change(description)
    text = json.dumps(description["model"], sort_keys=True)
    description["structure_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(description))
    return folder / f"{name}.safetensors"


def test_a_class_and_a_field_that_were_renamed_are_found(tmp_path):
    def older(description):
        fields = description["model"]["fields"]
        fields["averaged"] = fields.pop("multi_inference")

    assert hm.load(edited(tmp_path, "MPDBM", older)).multi_inference is False
    twin = hm.models.DoubledRBM(hm.load(FOLDER / "RBM.safetensors"), "v")
    path = hm.save(twin, tmp_path / "twin")
    description = json.loads(path.with_suffix(".json").read_text())
    description["model"]["type"] = "Twin"
    del description["structure_sha256"]
    description["version"] = 1
    path.with_suffix(".json").write_text(json.dumps(description))
    assert isinstance(hm.load(path), hm.models.DoubledRBM)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["model"].update(type="Nobody"), "names a class 'Nobody' that is not known here"),
        (lambda d: d.update(version=99, library="9.9"), "written by harmonium 9.9 in version 99 of the format.*update"),
        (lambda d: d.update(version="one"), "in version one of the format"),
    ],
)
def test_what_this_version_does_not_know_is_refused_in_a_sentence(tmp_path, change, words):
    with pytest.raises(hm.InputError, match=words) as caught:
        hm.load(edited(tmp_path, "RBM", change))
    assert "\n" not in str(caught.value)
