"""The Lua scripts of the usage store: each runs in Redis as one step.

A key's counts of a month are one hash, so that they are lost together or not at all:
- `=FIELD`: the total over all server processes, and
- `WRITER FIELD`: what one server process has counted since its start.

A process sends its own counts, which only grow, and never increments. So a script may run twice, or
late, or on a Redis that was restored from an older copy: it adds what the totals lack, and nothing
twice. The number of the last batch of each process tells it that Redis has lost an earlier one.
"""

from collections.abc import Sequence
from typing import Any

from app.usage.months import Month
from app.usage.store import KeyMonth

MAX_COUNT = 10**15
_PREFIX = "altwright:usage"

_FUNCTIONS = """
local function keep_type(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

local function count_at(key, field)
  local text = redis.call('HGET', key, field)
  if text and #text < 16 and string.match(text, '^%d+$') then return tonumber(text) end
  return 0
end

local function add(totals, reservations, writer, entry)
  keep_type(totals, 'hash')
  keep_type(reservations, 'zset')
  local was_here = count_at(totals, writer .. ' requests') >= entry.stored_requests and 1 or 0
  for field, count in pairs(entry.counts) do
    local own = writer .. ' ' .. field
    local more = count - count_at(totals, own)
    if more > 0 then
      local total = count_at(totals, '=' .. field) + more
      redis.call('HSET', totals, own, string.format('%.0f', count),
                 '=' .. field, string.format('%.0f', total))
    end
  end
  for _, id in ipairs(entry.ended) do redis.call('ZREM', reservations, id) end
  return was_here
end
"""

ADD = (
    _FUNCTIONS
    + """
-- KEYS: the set of names, the last batch of the writer, then totals and reservations of each entry.
-- ARGV: JSON {writer, keep_s, batch, last_batch,
--             entries: [{name, counts: {FIELD: n}, ended: [RESERVATION], stored_requests}]}
local told = cjson.decode(ARGV[1])
keep_type(KEYS[1], 'set')
keep_type(KEYS[2], 'string')
local found = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
redis.call('SET', KEYS[2], string.format('%.0f', math.max(found, told.batch)), 'EX', told.keep_s)
local reply = redis.call('TIME')
table.insert(reply, found >= told.last_batch and 1 or 0)
for index, entry in ipairs(told.entries) do
  local totals = KEYS[2 * index + 1]
  table.insert(reply, add(totals, KEYS[2 * index + 2], told.writer, entry))
  redis.call('SADD', KEYS[1], entry.name)
  redis.call('EXPIRE', totals, told.keep_s)
end
redis.call('EXPIRE', KEYS[1], told.keep_s)
return reply
"""
)
"""Replies the time, whether the last batch was there, and the same of each entry's counts."""

RESERVE = (
    _FUNCTIONS
    + """
-- KEYS: totals, reservations.
-- ARGV: JSON {writer, entry: {counts, ended, stored_requests}, limit, amount, id, hold_s,
--             used_at_least}
local told = cjson.decode(ARGV[1])
local totals, reservations = KEYS[1], KEYS[2]
add(totals, reservations, told.writer, told.entry)
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', reservations, '-inf', time[1])
local used = count_at(totals, '=captions caption') + count_at(totals, '=captions decorative')
if used < told.used_at_least then used = told.used_at_least end
local held = 0
for _, id in ipairs(redis.call('ZRANGE', reservations, 0, -1)) do
  if id ~= told.id then held = held + (tonumber(string.match(id, ':(%d+)$') or '0') or 0) end
end
local is_allowed = 0
if used + held + told.amount <= told.limit then
  is_allowed = 1
  redis.call('ZADD', reservations, time[1] + told.hold_s, told.id)
  redis.call('EXPIRE', reservations, 2 * told.hold_s)
end
return {time[1], time[2], is_allowed, used, held}
"""
)
"""Replies the time, whether the captions are reserved, and what is used and held by others."""

READ = """
-- KEYS: totals. Replies fields and totals in turn.
local reply = {}
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, 1) == '=' then
      table.insert(reply, string.sub(all[index], 2))
      table.insert(reply, all[index + 1])
    end
  end
end
return reply
"""


class Scripts:
    """Each is called with keys and arguments, and sent to Redis where that does not know it."""

    def __init__(self, redis: Any) -> None:  # noqa: ANN401 - importing redis for its type is slow
        self.add = redis.register_script(ADD)
        self.reserve = redis.register_script(RESERVE)
        self.read = redis.register_script(READ)


def totals_key(key_month: KeyMonth) -> str:
    """The hash of a key's counts."""
    return f"{_PREFIX}:{key_month.month}:totals:{key_month.key_name}"


def reservations_key(key_month: KeyMonth) -> str:
    """The sorted set of a key's reservations, by when they are free again."""
    return f"{_PREFIX}:{key_month.month}:reservations:{key_month.key_name}"


def names_key(month: Month) -> str:
    """The set of the names of keys with usage."""
    return f"{_PREFIX}:{month}:names"


def batch_key(writer: str) -> str:
    """The number of the last batch that a process has stored."""
    return f"{_PREFIX}:batch:{writer}"


def integers(reply: Sequence[Any], count: int) -> list[int]:
    """The numbers of a reply. Raises ValueError where they are not `count` counts."""
    numbers = [int(one) for one in reply]
    if len(numbers) != count or any(not 0 <= number <= MAX_COUNT for number in numbers):
        raise ValueError("not a reply of this script")
    return numbers
