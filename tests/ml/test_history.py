"""What a training run shows while it goes on."""

from ml import history


def test_time_left_goes_by_the_pace_of_what_was_done_last():
    assert history.time_left(done=0.5, begun=0.4, seconds=60) == "50%, 5 min left"
    assert history.time_left(done=1.01, begun=0.4, seconds=60) == "101%, 0 min left"
    assert history.time_left(done=0.4, begun=0.4, seconds=0) == "40%, 0 min left"
