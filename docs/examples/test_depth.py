"""Three lines in a repository of your own: `pytest docs/examples/test_depth.py`."""


def test_v2_forward_is_no_slower(depth_profile):
    judged = depth_profile("v1", "v2")
    assert judged.judgement.verdict("forward").status != "SLOWER"
