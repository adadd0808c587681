"""Which marker rows a restore has to bring back, and which it may not."""

import pytest

from tests.drills import markers
from tests.drills.markers import Marker, judge

PRINTED = "1|10.0|0\n2|10.2|10.05\n3|10.4|10.25\n4|10.6|10.45"


def test_a_row_is_acknowledged_when_the_next_one_says_so() -> None:
    rows = markers.read(PRINTED)
    assert rows[0] == Marker(1, 10.0, 10.05)
    assert rows[-1] == Marker(4, 10.6, None)
    assert markers.read("") == []


def test_rows_before_the_target_must_be_there_and_those_after_it_not() -> None:
    rows = markers.read(PRINTED)
    assert judge(rows, {1, 2}, 10.3, 10.35) == ([], [])
    assert judge(rows, {2}, 10.3, 10.35) == ([1], [])
    assert judge(rows, {1, 2, 3}, 10.3, 10.35) == ([], [3])


def test_what_is_lost_counts_from_the_last_row_and_a_row_that_lacks_is_an_error() -> None:
    assert round(markers.lost_seconds(PRINTED, 12.0), 3) == 1.4
    for text in ("", PRINTED.replace("2|10.2|10.05\n", "")):
        with pytest.raises(ValueError, match="missing"):
            markers.lost_seconds(text, 12.0)


def test_a_row_under_way_at_the_target_may_be_on_either_side() -> None:
    rows = markers.read(PRINTED)
    assert judge(rows, {1}, 10.22, 10.23) == ([], [])
    assert judge(rows, {1, 2}, 10.22, 10.23) == ([], [])
