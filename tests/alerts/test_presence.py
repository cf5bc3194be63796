"""The book of when terminals are usually on: what is learned, what is left out, and that it can be kept."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.presence import SLOT_SECONDS, WEEK_SLOTS, HabitTerms, PresenceBook, province_weekday

TERMS = HabitTerms(weeks_min=3, usual_ratio=0.75, holiday_ratio=0.5)
# A slot with which no week begins, so that columns and half-hours of the week differ.
FIRST = 1_000_000


def book_of(weeks, on, first=FIRST):
    """`on(slot)` gives the devices of each half-hour."""
    book = PresenceBook()
    for slot in range(first, first + weeks * WEEK_SLOTS):
        book.put_slot(slot, on(slot))
    return book


def works(slot):
    weekday, second = province_weekday(slot * SLOT_SECONDS)
    return weekday < 5 and 8 * 3600 <= second < 16 * 3600


def usual(habits, device, slot):
    return bool(habits.usual_at(slot * SLOT_SECONDS)[habits.rows[device]])


def test_the_week_of_the_province_begins_where_its_clock_says():
    # 2026-11-23T00:30Z is half past seven on a Monday in the province, 2026-11-22T17:00Z its midnight.
    assert province_weekday(1_795_393_800) == (0, 7 * 3600 + 1800)
    assert province_weekday(1_795_366_800) == (0, 0)
    assert province_weekday(1_795_366_799) == (6, 86_399)


@pytest.mark.parametrize("weeks", [3, 4, 6])
def test_hours_of_work_are_learned_and_nothing_else(weeks):
    habits = book_of(weeks, lambda slot: ["pc1", "pc2"] if works(slot) else []).habits(TERMS)
    after = FIRST + weeks * WEEK_SLOTS
    for slot in range(after, after + WEEK_SLOTS):
        assert usual(habits, "pc1", slot) == works(slot)


def test_two_weeks_teach_nothing():
    habits = book_of(2, lambda slot: ["pc1"]).habits(TERMS)
    assert not habits.usual.any()


def test_a_terminal_that_came_later_is_judged_by_its_own_weeks():
    later = FIRST + 2 * WEEK_SLOTS

    def on(slot):
        return ["pc1", "pc2"] if slot >= later else ["pc1"]

    habits = book_of(5, on).habits(TERMS)
    assert usual(habits, "pc2", later)
    assert not book_of(4, on).habits(TERMS).usual[1].any()


def test_a_week_of_holidays_neither_counts_against_nor_for():
    holiday = range(FIRST + WEEK_SLOTS, FIRST + 2 * WEEK_SLOTS)
    habits = book_of(4, lambda slot: ["pc1", "pc2"] if works(slot) and slot not in holiday else []).habits(TERMS)
    assert usual(habits, "pc1", next(slot for slot in range(FIRST, FIRST + WEEK_SLOTS) if works(slot)))
    columns = [slot - (habits.newest - habits.seen.shape[1] + 1) for slot in holiday if works(slot)]
    assert not habits.counted[columns].any()
    assert habits.longest_absence(0, habits.counted) == 0


def test_a_terminal_off_in_half_of_the_weeks_has_no_habit():
    habits = book_of(6, lambda slot: ["a", "b", "c"] if slot // WEEK_SLOTS % 2 else ["a", "b"]).habits(TERMS)
    assert habits.usual[habits.rows["a"]].all()
    assert not habits.usual[habits.rows["c"]].any()


def test_the_longest_absence_is_one_that_ended():
    gone = range(FIRST + 3 * WEEK_SLOTS, FIRST + 3 * WEEK_SLOTS + 40)
    end = FIRST + 5 * WEEK_SLOTS
    away_now = range(end - 90, end)

    def on(slot):
        return ["a", "b"] if slot in gone or slot in away_now else ["a", "b", "c"]

    habits = book_of(5, on).habits(HabitTerms(3, 0.6, 0.5))
    assert habits.longest_absence(habits.rows["c"], habits.counted) == 40
    assert habits.longest_absence(habits.rows["a"], habits.counted) == 0


def test_old_weeks_are_forgotten_and_a_late_half_hour_is_added():
    book = book_of(6, lambda slot: ["pc1"])
    newest = FIRST + 6 * WEEK_SLOTS - 1
    assert book.slots_to_read(newest, 5) == []
    book.put_slot(newest + 3, ["pc1"])
    assert book.slots_to_read(newest + 3, 5) == [newest + 2, newest + 1]
    book.put_slot(newest + 1, ["pc2"])
    book.put_slot(FIRST - 1, ["pc1"])
    habits = book.habits(TERMS)
    assert habits.newest == newest + 3
    assert habits.seen[habits.rows["pc2"]].sum() == 1
    book.put_slot(newest + 3, ["pc2"])
    assert book.habits(TERMS).seen[habits.rows["pc2"]].sum() == 2


def test_a_kept_book_is_the_same_book():
    rng = np.random.default_rng(4)
    devices = [f"pc{number}" for number in range(70)]
    book = book_of(6, lambda _slot: [each for each in devices if rng.random() < 0.8], first=FIRST + 77)
    again = PresenceBook.loaded(book.dump())
    one, other = book.habits(TERMS), again.habits(TERMS)
    assert one.rows == other.rows
    assert one.newest == other.newest
    for name in ("seen", "counted", "usual"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    for each in (book, again):
        each.put_slot(one.newest + 1, devices[:3])
    assert np.array_equal(book.habits(TERMS).seen, again.habits(TERMS).seen)


def test_an_empty_book_can_be_kept_too():
    book = PresenceBook.loaded(PresenceBook().dump())
    assert book.slots_to_read(FIRST, 2) == [FIRST, FIRST - 1]
    assert book.habits(TERMS).usual.shape == (0, WEEK_SLOTS)


@pytest.mark.parametrize("kept", [b"", b"PK\x03\x04 broken", b"\x93NUMPY", PresenceBook(weeks=2).dump()])
def test_what_is_no_book_is_refused(kept):
    with pytest.raises(ValueError, match=r"."):
        PresenceBook.loaded(kept)
