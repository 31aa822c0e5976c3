"""What the hash of a built-in variant covers."""

from depthprof.pipelines.registry import PACKAGE, _own_sources


def test_the_code_of_a_built_in_variant_is_its_network_and_its_pipeline() -> None:
    names = {file.relative_to(PACKAGE).as_posix() for file in _own_sources()}
    assert names >= {"networks/vit.py", "networks/network.py", "pipelines/v1.py", "pipelines/v2.py"}
