-- One atomic step of a commit: writes up to 64 records (the client sends 32), their index entries, change entries, aliases, seen marks and the
-- run's counters, or nothing at all when the attempt is superseded or the run is not open.
-- A record whose index entry or tombstone is not what it was judged against is left alone and reported.
--
-- KEYS[1] run        KEYS[2] fences     KEYS[3] seen     KEYS[4] index
-- KEYS[5] changed    KEYS[6] tombstones KEYS[7] changes  KEYS[8] meta
-- KEYS[9..] per record: its hash, the aliases to add it to, the aliases to take it from
-- ARGV[1] batch  ARGV[2] fence  ARGV[3] pass  ARGV[4] run id  ARGV[5] changes limit  ARGV[6] number of records
-- ARGV[7] frame, per record: op (c created, u updated, q rewritten with nobody's content changed), flags (1 start from an
--         empty hash, 2 yield to a later fetch seen by this run), head version, id, index entry judged against,
--         tombstone judged against, new index entry, fetch time, firstSeen and lastChanged (ms, 0 = now), head body,
--         names of changed fields (JSON), numbers of fields to set, fields to delete, aliases to add, aliases to remove;
--         then names and values to set, names to delete
-- ARGV[8] names the copy (see tag in seen.lua)
-- Returns { 0, one letter a record: w written, x conflict, s stale } or { -1 run not open | -2 fenced, '' }
--- @include "fence.lua"
--- @include "seen.lua"
--- @include "changes.lua"
--- @include "../../redis/lua/clock.lua"
--- @include "frame.lua"
local RUN, SEEN, INDEX, CHANGED, TOMBSTONES, CHANGES, META = KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local pass, run_id, total, frame = ARGV[3], ARGV[4], tonumber(ARGV[6]), ARGV[7]
local REPLACE, YIELDS = 1, 2
local tag = tag_of(ARGV[8])
local HEADER = '>c1Bc1I4c0I4c0I4c0I4c0I4c0I6I6I4c0I4c0I2I2I2I2'

local refused = refusal('open', ARGV[1], ARGV[2])
if refused then
  return { refused, '' }
end

local records, ids = {}, {}
local pos, key = 1, 9
for i = 1, total do
  local op, flags, version, id, base, tombstone, entry, fetched, first_seen, last_changed, body, fields
  local set_count, del_count, add_count, rem_count
  op, flags, version, id, base, tombstone, entry, fetched, first_seen, last_changed, body, fields, set_count, del_count,
    add_count, rem_count, pos = struct.unpack(HEADER, frame, pos)
  -- One constructor: a table that grows field by field is rehashed five times.
  local r = {
    op = op, flags = flags, version = version, id = id, base = base, tombstone = tombstone, entry = entry, fetched = fetched,
    first_seen = first_seen, last_changed = last_changed, body = body, fields = fields, set = false, del = false,
    key = key, add_from = key + 1, rem_from = key + 1 + add_count, keys_end = key + 1 + add_count + rem_count,
  }
  r.set, pos = cut_strings(frame, pos, 2 * set_count)
  r.del, pos = cut_strings(frame, pos, del_count)
  key = r.keys_end
  records[i] = r
  ids[i] = id
end

local entries = redis.call('HMGET', INDEX, unpack(ids))
local tombstones = redis.call('HMGET', TOMBSTONES, unpack(ids))
local seen = redis.call('HMGET', SEEN, unpack(ids))

local outcome, change_count, write_count = {}, 0, 0
for i, r in ipairs(records) do
  if (entries[i] or '') ~= r.base or (tombstones[i] or '') ~= r.tombstone then
    outcome[i] = 'x'
  elseif r.flags >= YIELDS and seen[i] and fetch_of(seen[i]) > r.fetched then
    outcome[i] = 's'
    mark_seen(r.id, seen[i], 'n', pass, r.fetched, tag, false)
  else
    outcome[i] = 'w'
    write_count = write_count + 1
    if r.op ~= 'q' then
      change_count = change_count + 1
    end
  end
end

local at = tick(META)
local now = math.floor(at / 1000)
local now_text = string.format('%.0f', now)
at = string.format('%.0f', at)
local seq = change_count > 0 and reserve_changes(CHANGES, META, change_count) or 0
local new_entries, changed, buried = {}, {}, {}

for i, r in ipairs(records) do
  if outcome[i] == 'w' then
    if r.op ~= 'q' then
      seq = seq + 1
      add_change(CHANGES, seq, r.op, r.id, r.fields, at, run_id)
      changed[#changed + 1] = now_text
      changed[#changed + 1] = r.id
    end
    local record_key = KEYS[r.key]
    if r.flags % 2 == REPLACE then
      redis.call('UNLINK', record_key)
    end
    if #r.del > 0 then
      call_with('HDEL', record_key, r.del)
    end
    local times = struct.pack('>I6I6', r.first_seen > 0 and r.first_seen or now, r.last_changed > 0 and r.last_changed or now)
    r.set[#r.set + 1] = 'h'
    r.set[#r.set + 1] = r.version .. times .. r.body
    call_with('HSET', record_key, r.set)
    for k = r.add_from, r.rem_from - 1 do
      redis.call('SADD', KEYS[k], r.id)
    end
    for k = r.rem_from, r.keys_end - 1 do
      redis.call('SREM', KEYS[k], r.id)
    end
    new_entries[#new_entries + 1] = r.id
    new_entries[#new_entries + 1] = r.entry
    if r.tombstone ~= '' then
      buried[#buried + 1] = r.id
    end
    mark_seen(r.id, seen[i], r.op == 'q' and 'n' or r.op, pass, r.fetched, tag, r.op == 'q')
  end
end

if write_count > 0 then
  -- @safeguard first-write-drops-key
  forget_change_key(META)
  redis.call('HSET', INDEX, unpack(new_entries))
end
if change_count > 0 then
  redis.call('ZADD', CHANGED, unpack(changed))
  trim_changes(CHANGES, ARGV[5])
end
if #buried > 0 then
  redis.call('HDEL', TOMBSTONES, unpack(buried))
end
write_seen(SEEN, RUN)
return { 0, table.concat(outcome) }
