from __future__ import annotations

import asyncio
import dataclasses

import pytest

from collector.errors import JournalFullError
from collector.journal import Entry, Journal


def entry(sequence, device_id="d", body=b"{}", received_at=1.0):
    return Entry(device_id, "boot", sequence, received_at, received_at, 0.0, body)


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "journal.sqlite", free_bytes=1)
    yield opened
    opened.close()


def append(journal, *entries):
    asyncio.run(journal.append(entries))


def test_entries_wait_until_they_are_written(journal):
    append(journal, entry(1), entry(2))
    waiting = journal.waiting(0, 10)
    assert [(item.sequence, item.body) for item in waiting] == [(1, b"{}"), (2, b"{}")]
    journal.mark_written([waiting[0].id])
    assert [item.sequence for item in journal.waiting(0, 10)] == [2]
    assert journal.backlog() == (1, 1.0)


def test_a_repeat_changes_nothing_even_after_it_was_written(journal):
    append(journal, entry(1, body=b"first"))
    append(journal, entry(1, body=b"second"))
    assert [item.body for item in journal.waiting(0, 10)] == [b"first"]
    journal.mark_written(item.id for item in journal.waiting(0, 10))
    append(journal, entry(1, body=b"third"))
    assert journal.waiting(0, 10) == []


def test_many_senders_at_once_all_get_their_answer(journal):
    async def send():
        await asyncio.gather(*(journal.append([entry(number, device_id=str(number % 7))]) for number in range(300)))

    asyncio.run(send())
    assert len(journal.waiting(0, 1000)) == 300


def write_all(journal):
    journal.mark_written([item.id for item in journal.waiting(0, 1000)])


def receipts(journal):
    return journal._connection.execute("SELECT first, last FROM receipt ORDER BY first").fetchall()


def test_written_entries_fold_into_ranges_that_still_know_repeats(journal):
    append(journal, *(entry(sequence) for sequence in (1, 2, 3, 5, 6, 9)))
    write_all(journal)
    append(journal, entry(7))
    journal.fold(written_before=50.0)
    assert receipts(journal) == [(1, 3), (5, 6), (9, 9)]
    assert [item.sequence for item in journal.waiting(0, 10)] == [7]
    append(journal, *(entry(sequence) for sequence in range(1, 11)))
    assert sorted(item.sequence for item in journal.waiting(0, 20)) == [4, 7, 8, 10]
    write_all(journal)
    journal.fold(written_before=50.0)
    assert receipts(journal) == [(1, 10)]
    append(journal, *(entry(sequence) for sequence in range(1, 11)))
    assert journal.waiting(0, 20) == []


def test_it_knows_which_reports_it_has_had(journal):
    append(journal, entry(1), entry(2), entry(4))
    assert journal.has("d", "boot", 2)
    write_all(journal)
    journal.fold(written_before=2.0)
    assert receipts(journal) == [(1, 2), (4, 4)]
    append(journal, entry(7))
    assert [sequence for sequence in range(9) if journal.has("d", "boot", sequence)] == [1, 2, 4, 7]
    assert not journal.has("other", "boot", 2)
    assert not journal.has("d", "other", 2)


def test_receipts_are_forgotten_only_when_written_and_old(journal):
    append(journal, entry(1, received_at=1.0), entry(3, received_at=1.0), entry(5, received_at=100.0))
    journal.mark_written([item.id for item in journal.waiting(0, 10) if item.sequence != 3])
    journal.fold(written_before=200.0)
    assert journal.forget(before=50.0) == 1
    assert receipts(journal) == [(5, 5)]
    assert [item.sequence for item in journal.waiting(0, 10)] == [3]


def test_it_goes_on_after_being_opened_again(tmp_path):
    first = Journal(tmp_path / "journal.sqlite", free_bytes=1)
    append(first, entry(1))
    first.close()
    second = Journal(tmp_path / "journal.sqlite", free_bytes=1)
    append(second, entry(1), entry(2))
    assert [item.sequence for item in second.waiting(0, 10)] == [1, 2]
    second.close()


def test_a_full_disk_is_refused_before_anything_breaks(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", free_bytes=2**62)
    with pytest.raises(JournalFullError, match="bytes are free"):
        append(journal, entry(1))
    assert journal.waiting(0, 10) == []
    journal.close()


def test_one_bad_entry_of_a_group_keeps_all_out_and_nothing_half(journal):
    unusable = dataclasses.replace(entry(2), sequence=2**70)
    with pytest.raises(JournalFullError):
        append(journal, entry(1), unusable)
    assert journal.waiting(0, 10) == []
    append(journal, entry(1))
    assert [item.sequence for item in journal.waiting(0, 10)] == [1]
