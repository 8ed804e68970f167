"""SQL of the journal: its schema and statements.

The names in the schema are older than the code's terms, and stay so that existing journals can be
resumed: `facts` is the run's identity, `ask` a request key, `answers` are results, `pass` is the
number of a scan, `place` a line number, and `settled` says that a result is final. `clash` is not
used any more.
"""

from __future__ import annotations

SCHEMA_VERSION = 1
"""PRAGMA user_version of the journals that this code reads and writes."""

SCHEMA = """
CREATE TABLE run (one INTEGER PRIMARY KEY CHECK (one = 1), facts TEXT NOT NULL,
                  pass INTEGER NOT NULL DEFAULT 0, target_stamp TEXT NOT NULL DEFAULT '');
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, ask TEXT NOT NULL, row TEXT NOT NULL,
    place INTEGER NOT NULL, pass INTEGER NOT NULL, clash INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'pending', outcome TEXT, written INTEGER NOT NULL DEFAULT 0);
CREATE INDEX rows_by_ask ON rows (ask, id);
CREATE INDEX rows_by_state ON rows (state, id);
CREATE INDEX rows_unwritten ON rows (id) WHERE written = 0 AND outcome IS NOT NULL;
CREATE TABLE answers (
    ask TEXT PRIMARY KEY, answer TEXT NOT NULL, settled INTEGER NOT NULL,
    attempts INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
) WITHOUT ROWID
"""

SCAN_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS set_aside (
    key TEXT NOT NULL, picture TEXT NOT NULL, ask TEXT NOT NULL, row TEXT NOT NULL,
    outcome TEXT NOT NULL, PRIMARY KEY (key, picture));
CREATE TABLE IF NOT EXISTS repeats (
    place INTEGER NOT NULL, key TEXT NOT NULL, first_place INTEGER NOT NULL,
    is_conflict INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS repeats_by_place ON repeats (place)
"""
"""Facts about files, decisions whose row shows another picture at the moment, and lines with the
key of an earlier line. Added to journals of every age: older versions do not look at them."""

UPSERT_ROW = """
INSERT INTO rows (key, ask, row, place, pass) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    clash = 0, row = excluded.row, place = excluded.place, pass = excluded.pass,
    state = CASE WHEN ask = excluded.ask THEN state ELSE 'pending' END,
    outcome = CASE WHEN ask = excluded.ask THEN outcome END,
    written = CASE WHEN ? OR ask != excluded.ask THEN 0 ELSE written END,
    ask = excluded.ask
"""
SELECT_DECIDED_ROWS = """
SELECT key, ask, row, outcome FROM rows
WHERE key IN (SELECT value FROM json_each(?))
  AND json_extract(outcome, '$.alt_reviewed_at') IS NOT NULL
"""
SELECT_ROWS_BY_KEY = """
SELECT key, row, place, pass FROM rows WHERE key IN (SELECT value FROM json_each(?))
"""
SELECT_LOST_KEYLESS_ROWS = """
SELECT r.id, r.ask, r.row, r.state, r.outcome FROM rows r JOIN keyless_rows USING (id)
WHERE r.pass < ? AND json_extract(r.outcome, '$.alt_reviewed_at') IS NOT NULL
"""
SELECT_NEW_ROWS_OF_IMAGE = """
SELECT id FROM rows
WHERE state = 'pending' AND pass = ? AND id NOT IN (SELECT id FROM keyless_rows)
  AND json_extract(row, '$.image') = ? LIMIT 2
"""
SELECT_LOST_NUMBERED_ROWS = """
SELECT id, key, ask, row, state, outcome FROM rows
WHERE pass < ? AND json_extract(outcome, '$.alt_reviewed_at') IS NOT NULL
  AND key GLOB '*[0-9]*' AND key NOT GLOB '*[^0-9.eE+-]*'
  AND id NOT IN (SELECT id FROM keyless_rows)
"""
SELECT_NEW_NUMBERED_ROWS = """
SELECT id, key, row FROM rows
WHERE pass = ? AND json_extract(outcome, '$.alt_reviewed_at') IS NULL
  AND key GLOB '*[0-9]*' AND key NOT GLOB '*[^0-9.eE+-]*'
  AND id NOT IN (SELECT id FROM keyless_rows)
"""
"""Keys that are numbers, which a spreadsheet program may write in another way."""
SELECT_LOST_FILES = """
SELECT id, ask, row, state, outcome FROM rows
WHERE pass < ? AND json_extract(outcome, '$.alt_reviewed_at') IS NOT NULL
  AND json_extract(row, '$.content') LIKE 'sha256:%'
"""
SELECT_FILES_SET_ASIDE = """
SELECT key, picture, ask, row, outcome FROM set_aside
WHERE json_extract(row, '$.content') LIKE 'sha256:%'
"""
SELECT_NEW_FILES = """
SELECT id, row FROM rows
WHERE pass = ? AND id NOT IN (SELECT id FROM keyless_rows)
  AND (state = 'pending' OR (json_extract(row, '$.picture_changed_at') != ''
                             AND json_extract(outcome, '$.alt_reviewed_at') IS NULL))
"""
"""Files that are new, or have other bytes than before and no decision about these."""
SELECT_SET_ASIDE = """
SELECT key, picture, ask, outcome FROM set_aside WHERE key IN (SELECT value FROM json_each(?))
"""
DELETE_WAITING_ROW = "DELETE FROM rows WHERE key = ? AND state IN ('pending', 'failed')"
DELETE_UNSEEN_ROWS = "DELETE FROM rows WHERE pass < ? AND state IN ('pending', 'failed')"
SELECT_KEY_CONFLICTS = """
SELECT key, first_place, place FROM repeats WHERE is_conflict ORDER BY place
"""
SELECT_CONFLICTS_BY_PLACE = """
SELECT place, first_place FROM repeats
WHERE is_conflict AND place IN (SELECT value FROM json_each(?))
"""
SELECT_NEW_ROWS_WITH_RESULT = """
SELECT id, row, answer FROM rows JOIN answers USING (ask)
WHERE state = 'pending' AND settled LIMIT ?
"""

SELECT_PENDING_REQUESTS = """
SELECT id, ask, row, (SELECT count(*) FROM rows t WHERE t.ask = r.ask),
       (SELECT answer FROM answers a WHERE a.ask = r.ask)
FROM rows r
WHERE id > ? AND state = 'pending' AND NOT EXISTS (
    SELECT 1 FROM rows t WHERE t.ask = r.ask AND t.id < r.id AND t.state = 'pending')
ORDER BY id LIMIT ?
"""
SELECT_FAILED_IDS = """
SELECT id FROM rows r LEFT JOIN answers USING (ask)
WHERE state = 'failed' AND NOT EXISTS (
    SELECT 1 FROM rows t
    WHERE t.ask = r.ask AND (t.state = 'pending' OR t.state = 'failed' AND t.id < r.id))
ORDER BY coalesce(attempts, 0), id
"""
SELECT_FAILED_REQUEST = """
SELECT ask, row, (SELECT count(*) FROM rows t WHERE t.ask = r.ask),
       (SELECT answer FROM answers a WHERE a.ask = r.ask)
FROM rows r WHERE id = ? AND state = 'failed'
"""
COUNT_PENDING_REQUESTS = "SELECT count(DISTINCT ask) FROM rows WHERE state IN ('pending', 'failed')"
SELECT_WAITING_ROWS = "SELECT id, row FROM rows WHERE ask = ? AND state IN ('pending', 'failed')"

SELECT_OUTCOMES = """
SELECT id, r.row, r.outcome, a.answer FROM rows r LEFT JOIN answers a USING (ask)
WHERE id > ? AND outcome IS NOT NULL AND state IN (SELECT value FROM json_each(?))
ORDER BY id LIMIT ?
"""
SELECT_OUTCOME = """
SELECT r.row, r.outcome, a.answer FROM rows r LEFT JOIN answers a USING (ask)
WHERE key = ? AND outcome IS NOT NULL
"""
SELECT_OUTCOMES_BY_KEY = """
SELECT key, r.row, r.outcome, a.answer FROM rows r LEFT JOIN answers a USING (ask)
WHERE key IN (SELECT value FROM json_each(?)) AND outcome IS NOT NULL
"""
SELECT_OUTCOMES_BY_PLACE = """
SELECT p.place, r.row, r.outcome, a.answer
FROM places p JOIN rows r USING (id) LEFT JOIN answers a USING (ask)
WHERE p.place IN (SELECT value FROM json_each(?)) AND r.outcome IS NOT NULL
"""
SELECT_UNWRITTEN = """
SELECT r.row, r.outcome, a.answer FROM rows r LEFT JOIN answers a USING (ask)
WHERE written = 0 AND outcome IS NOT NULL AND key NOT IN (SELECT value FROM json_each(?))
ORDER BY id LIMIT ?
"""

SELECT_SETTLED_KEYS = """
SELECT key FROM rows
WHERE key IN (SELECT value FROM json_each(?)) AND state NOT IN ('pending', 'failed')
"""
SELECT_UNWRITTEN_KEYS = """
SELECT key FROM rows
WHERE key IN (SELECT value FROM json_each(?)) AND written = 0 AND outcome IS NOT NULL
"""

COUNT_DUPLICATES = """
SELECT count(*), count(DISTINCT ask),
       count(DISTINCT coalesce(json_extract(row, '$.content'), json_extract(row, '$.image'), '')),
       count(DISTINCT ask || coalesce(json_extract(row, '$.image'), '')),
       (SELECT count(*) - count(DISTINCT json_extract(answer, '$.sha256')) FROM answers
        WHERE json_extract(answer, '$.sha256') IS NOT NULL)
FROM rows WHERE state IN ('pending', 'failed')
"""
COUNT_ROWS = """
SELECT coalesce(sum(state = 'uncertain' AND outcome LIKE '%"held: %'), 0),
       coalesce(sum(written = 1), 0), coalesce(sum(written = 2), 0),
       coalesce(sum(written = 3), 0),
       coalesce(sum(state = 'ai' AND outcome LIKE '%"alt_reviewed_at":"%'), 0)
FROM rows
"""
COUNT_MEASURED_TEXTS = """
SELECT count(*), coalesce(sum(json_extract(value, '$.input_tokens')), 0),
       coalesce(sum(json_extract(value, '$.output_tokens')), 0)
FROM answers, json_each(answer, '$.texts')
WHERE json_extract(value, '$.input_tokens') > 0
"""
COUNT_RESULTS = """
SELECT count(*), coalesce(sum(attempts), 0), coalesce(sum(input_tokens), 0),
       coalesce(sum(output_tokens), 0)
FROM answers
"""
