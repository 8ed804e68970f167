"""In the journal of a queue, too, what a person decided stands until the picture changes."""

import pytest
import sqlalchemy as sa
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row

MUG, CUP = "https://a.example/mug.jpg", "https://a.example/cup.jpg"


@pytest.mark.parametrize("between_scans", [False, True])
def test_a_decision_stands_for_another_title_and_is_held_for_another_picture(
    postgresql: str, between_scans: bool
) -> None:
    engine = sa.create_engine(postgresql)
    journal = SharedJournal.create(engine, "products", RunIdentity("s", "t", {}))

    def add(row: Row) -> Outcome:
        if between_scans:
            journal.add_row(row)
        else:
            journal.begin_scan()
            journal.add_rows([row])
        found = journal.outcomes.find_outcome("7")
        assert found is not None
        assert found[0] == row
        return found[1]

    journal.begin_scan()
    journal.add_rows([Row("7", MUG, "Mug")])
    edited = Outcome("7", AltSource.HUMAN, RequestResult(), alt="Mine.", alt_reviewed_at="2026")
    journal.outcomes.replace_outcomes([edited])
    assert add(Row("7", MUG, "Red mug")) == edited
    held = add(Row("7", CUP, "Red mug"))
    assert (held.alt_source, held.draft, held.is_held) == (AltSource.UNCERTAIN, "Mine.", True)
    assert journal.find_pending(9) == []
    assert add(Row("7", MUG, "Blue mug")) == edited
    assert add(Row("7", CUP, "Blue mug")).draft == "Mine."
    assert add(Row("7", MUG, "Blue mug")) == edited
    assert journal.find_pending(9) == []
    engine.dispose()
