-- Removes up to 64 records while their run is closing: hash, index entry, aliases and place in the index by change go; a
-- tombstone and a change entry come; the run counts. An id that is gone already counts as nothing, so a repeat is safe.
--
-- KEYS[1] run      KEYS[2] fences   KEYS[3] index  KEYS[4] changed  KEYS[5] tombstones
-- KEYS[6] changes  KEYS[7] meta     KEYS[8..] per record: its hash, its aliases
-- ARGV[1] batch  ARGV[2] fence  ARGV[3] run id  ARGV[4] changes limit  ARGV[5] number of records
-- ARGV[6] frame, per record: id, index entry read, the tombstone's JSON after its time, number of aliases
-- Returns { 0, one letter a record: r removed, g gone already, x conflict } or { -1 run not closing | -2 fenced, '' }
--- @include "fence.lua"
--- @include "changes.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, INDEX, CHANGED, TOMBSTONES, CHANGES, META = KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local run_id, total, frame = ARGV[3], tonumber(ARGV[5]), ARGV[6]

local refused = refusal('closing', ARGV[1], ARGV[2])
if refused then
  return { refused, '' }
end

local at = string.format('%.0f', tick(META))
local outcome, removed, pos, key = {}, {}, 1, 8
for i = 1, total do
  local id, base, tombstone, alias_count
  id, base, tombstone, alias_count, pos = struct.unpack('>I4c0I4c0I4c0I2', frame, pos)
  local entry = redis.call('HGET', INDEX, id)
  if not entry then
    outcome[i] = 'g'
  elseif entry ~= base then
    outcome[i] = 'x'
  else
    outcome[i] = 'r'
    removed[#removed + 1] = { id = id, tombstone = tombstone, key = key, aliases_end = key + alias_count }
  end
  key = key + 1 + alias_count
end

if #removed > 0 then
  -- @safeguard removal-drops-key
  forget_change_key(META)
  local seq = reserve_changes(CHANGES, META, #removed)
  for i, r in ipairs(removed) do
    add_change(CHANGES, seq + i, 'r', r.id, '', at, run_id)
    redis.call('UNLINK', KEYS[r.key])
    for k = r.key + 1, r.aliases_end do
      redis.call('SREM', KEYS[k], r.id)
    end
    redis.call('HDEL', INDEX, r.id)
    redis.call('ZREM', CHANGED, r.id)
    redis.call('HSET', TOMBSTONES, r.id, '{"at":' .. at .. ',' .. r.tombstone)
  end
  redis.call('HINCRBY', RUN, 'removed', #removed)
  trim_changes(CHANGES, ARGV[4])
end
return { 0, table.concat(outcome) }
