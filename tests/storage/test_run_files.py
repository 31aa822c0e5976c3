"""What a newer depthprof adds to a run file, within one schema, is left alone by this one."""

import json
from pathlib import Path

from depthprof.records import Policy, encode
from depthprof.storage.run_files import read_run
from tests.runs import simulated


def test_unknown_fields_of_a_run_file_are_ignored_however_deep_they_lie(tmp_path: Path) -> None:
    text = encode(simulated(turns=1), Policy())
    document = json.loads(text)
    places = (document, document["sides"][0], document["sides"][0]["workload"])
    for place in (*places, document["environment"], document["samples"], document["policy"]):
        place["of_a_newer_depthprof"] = {"nested": [1, None]}
    file = tmp_path / "run.json"
    file.write_text(json.dumps(document))
    assert encode(*read_run(file)) == text
