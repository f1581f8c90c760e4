"""Schedules: every valid step of every row once, in an order that both executions of a call can rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.engine import native


@given(
    lengths=st.lists(st.integers(0, 40), max_size=80),
    extra=st.integers(0, 3),
    threads=st.integers(1, 9),
    weight_bytes=st.sampled_from([0, 1 << 16, 1 << 20, 1 << 24]),
    team=st.sampled_from([-1, 0, 1]),
)
def test_every_valid_step_once(lengths: list[int], extra: int, threads: int, weight_bytes: int, team: int) -> None:
    steps = max(lengths, default=0) + extra
    schedule = native.Schedule(np.array(lengths, np.int64), steps, threads, weight_bytes, team)
    assert (schedule.batch, schedule.steps, schedule.threads) == (len(lengths), steps, threads)
    assert schedule.valid == sum(lengths)
    place, before = 0, 0
    rows, times = schedule.order()
    for group in schedule.groups:
        assert group["base"] == place
        assert group["round"] in {before, before + 1}
        before = group["round"]
        live_before = None
        for t in range(group["t0"], group["t1"]):
            live = [row for row in group["rows"] if lengths[row] > t]
            assert live == group["rows"][: len(live)] != []
            assert live_before is None or live_before >= len(live)
            assert rows[place : place + len(live)].tolist() == live
            assert (times[place : place + len(live)] == t).all()
            place += len(live)
            live_before = len(live)
        assert place == group["base"] + group["valid"]
        if team != -1:
            assert group["team"] == bool(team)
    assert place == schedule.valid
    assert {*zip(rows.tolist(), times.tolist(), strict=True)} == {
        (b, t) for b, n in enumerate(lengths) for t in range(n)
    }


@given(lengths=st.lists(st.integers(0, 1000), min_size=1, max_size=200), threads=st.integers(1, 8))
def test_work_is_balanced(lengths: list[int], threads: int) -> None:
    """No group has more than another by more than one row's steps and what a step costs besides."""
    schedule = native.Schedule(np.array(lengths, np.int64), 1000, threads, 1 << 40, 0)
    work = [group["valid"] for group in schedule.groups]
    if work:
        assert len(work) == min(threads, sum(n > 0 for n in lengths))
        assert max(work) - min(work) <= 4 * max(lengths)


def test_equal_lengths_keep_neighbours_together() -> None:
    groups = native.Schedule(np.full(7, 5), 5, 3, 1 << 40, 0).groups
    assert [group["rows"] for group in groups] == [[0, 1, 2], [3, 4], [5, 6]]


def test_few_rows_left_become_a_team() -> None:
    lengths = np.array([100, 3, 3, 3, 3, 3, 3, 50, 3, 3])
    groups = native.Schedule(lengths, 100, 2, 1 << 20).groups
    assert [group["team"] for group in groups] == [False, False, True]
    assert groups[2]["t0"] == 3
    assert groups[2]["rows"] == [0, 7]
    assert not any(group["team"] for group in native.Schedule(lengths, 100, 2, 1 << 14).groups)  # products are small
    assert [group["t0"] for group in native.Schedule(lengths, 100, 2, 1 << 22).groups] == [0]  # and large
    assert not any(group["team"] for group in native.Schedule(lengths, 100, 1, 1 << 20).groups)


def test_small_work_stays_in_one_thread() -> None:
    assert len(native.Schedule(np.full(4, 3), 3, 2, 1000).groups) == 1
    assert len(native.Schedule(np.full(4, 3), 3, 2, 1000, 0).groups) == 2


@pytest.mark.parametrize(
    ("lengths", "steps", "more", "why"),
    [
        ([1, 4], 3, (1,), "lengths must be from 0 to the number of steps, 3, got 4 for row 1"),
        ([-1], 3, (1,), "got -1 for row 0"),
        ([1], -1, (1,), "steps must be from 0 to 2147483647, got -1"),
        ([1], 2**31, (1,), "steps must be from 0"),
        ([1], 3, (0,), "threads must be from 1 to 256, got 0"),
        ([1], 3, (257,), "threads must be from 1 to 256, got 257"),
        ([1], 3, (1, -1), "weight_bytes must be 0 or more, got -1"),
        ([1], 3, (1, 0, 2), "team must be -1 .automatic., 0 .never. or 1 .always., got 2"),
    ],
)
def test_refused(lengths: list[int], steps: int, more: tuple[int, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        native.Schedule(np.array(lengths, np.int64), steps, *more)


@pytest.mark.parametrize("lengths", [np.zeros(3, np.int32), np.zeros((1, 3), np.int64), np.zeros(6, np.int64)[::2]])
def test_lengths_are_an_array(lengths: np.ndarray) -> None:
    with pytest.raises(TypeError):
        native.Schedule(lengths, 3, 1)


def test_no_rows_and_no_steps() -> None:
    for schedule in (native.Schedule(np.zeros(0, np.int64), 5, 2), native.Schedule(np.zeros(4, np.int64), 0, 2)):
        assert schedule.valid == 0
        assert schedule.groups == []


def test_the_longest_steps_cost_nothing() -> None:
    schedule = native.Schedule(np.array([2, 1]), 2**31 - 1, 1)
    assert schedule.valid == 3
