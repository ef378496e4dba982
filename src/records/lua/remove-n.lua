--[[
  Removes up to 64 records while their run is closing: content, index entry, aliases and links go; a tombstone and a
  change entry come; the run counts. An id that is gone already counts as nothing, so a repeat is safe.
  KEYS[1] run HASH
  KEYS[2] fences HASH
  KEYS[3] tombstones HASH
  KEYS[4] changes STREAM
  KEYS[5] meta HASH
  KEYS[6..] of each record: its index bucket HASH, its content LIST, its alias SETs, its HASHes of the index of links
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] run id
  ARGV[4] entries that the change feed keeps; 0 where it names no single record
  ARGV[5] number of records
  ARGV[6] frame, of each record: id, index entry read, the tombstone's JSON after its time, number of aliases,
    number of links
  Returns {0, a letter for each record: r removed, g gone already, x conflict}; {-1, ""} run not closing; {-2, ""}
    superseded.
]]
--- @include "fence.lua"
--- @include "changes.lua"
--- @include "links.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, FENCES, TOMBSTONES, CHANGES, META, keys = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS
local batch, fence, run_id, changes_kept = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local total, frame = tonumber(ARGV[5]), ARGV[6]

local refused = refusal(RUN, FENCES, "closing", batch, fence)
if refused then
  return { refused, "" }
end

local at = string.format("%.0f", tick(META))
local outcome, removed, pos, key = {}, {}, 1, 6
for i = 1, total do
  local id, base, tombstone, alias_count, link_count
  id, base, tombstone, alias_count, link_count, pos = struct.unpack(">I4c0I4c0I4c0I2I2", frame, pos)
  local entry = redis.call("HGET", keys[key], id)
  if not entry then
    outcome[i] = "g"
  elseif entry ~= base then
    outcome[i] = "x"
  else
    outcome[i] = "r"
    local aliases_end = key + 1 + alias_count
    removed[#removed + 1] = {
      id = id, tombstone = tombstone, key = key, aliases_end = aliases_end, links_end = aliases_end + link_count,
    }
  end
  key = key + 2 + alias_count + link_count
end

if #removed > 0 then
  -- @safeguard removal-drops-key
  forget_change_key(META)
  local tells = changes_kept > 0
  local seq = tells and reserve_changes(CHANGES, META, #removed) or 0
  for i, r in ipairs(removed) do
    if tells then
      add_change(CHANGES, seq + i, "r", r.id, "", at, run_id)
    end
    redis.call("HDEL", keys[r.key], r.id)
    redis.call("UNLINK", keys[r.key + 1])
    for k = r.key + 2, r.aliases_end do
      redis.call("SREM", keys[k], r.id)
    end
    for k = r.aliases_end + 1, r.links_end do
      remove_link(keys[k], r.id)
    end
    redis.call("HSET", TOMBSTONES, r.id, "{\"at\":" .. at .. "," .. r.tombstone)
  end
  redis.call("HINCRBY", META, "live", -#removed)
  redis.call("HINCRBY", RUN, "removed", #removed)
  if tells then
    trim_changes(CHANGES, changes_kept)
  end
end
return { 0, table.concat(outcome) }
