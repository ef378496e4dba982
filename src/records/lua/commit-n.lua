--[[
  One atomic step of a commit: writes up to 64 records (the client sends 32), their index entries, change entries,
  aliases, marks of what the run has seen and the run's counters, or nothing at all when the attempt is superseded
  or the run is not open. A record whose index entry or tombstone is not what it was compared with is left alone and
  reported.
  KEYS[1] run HASH
  KEYS[2] fences HASH
  KEYS[3] seen HASH
  KEYS[4] tombstones HASH
  KEYS[5] changes STREAM
  KEYS[6] meta HASH
  KEYS[7..] of each record: its index bucket HASH, its content LIST, the alias SETs to add it to, those to take it
    from, the HASHes of the index of links to add it to, those to take it from
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] pass
  ARGV[4] run id
  ARGV[5] entries that the change feed keeps; 0 where it names no single record
  ARGV[6] number of records
  ARGV[7] frame, of each record: op (c created, u updated, q rewritten without a change of content), flags (1
    replaces all content, 2 yields to a later fetch seen by this run), id, index entry compared with, tombstone
    compared with, fetch time, new index entry before its times, firstSeen and lastChanged (ms, 0 now), new index
    entry after its times, content element to append ("" none), names of changed fields (JSON), number of aliases to
    add, number of aliases to remove, number of links to add, number of links to remove
  ARGV[8] name of the copy (see tag in seen.lua)
  Returns {0, a letter for each record: w written, x conflict, s stale}; {-1, ""} run not open; {-2, ""} superseded.
]]
--- @include "fence.lua"
--- @include "seen.lua"
--- @include "changes.lua"
--- @include "links.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, FENCES, SEEN, TOMBSTONES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local CHANGES, META, keys = KEYS[5], KEYS[6], KEYS
local batch, fence, pass, run_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local changes_kept, total, frame = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local tag = tag_of(ARGV[8])
local REPLACES, YIELDS = 1, 2
local HEADER = ">c1BI4c0I4c0I4c0I4c0I4c0I6I6I4c0I4c0I4c0I2I2I2I2"

local refused = refusal(RUN, FENCES, "open", batch, fence)
if refused then
  return { refused, "" }
end

local records, ids = {}, {}
local pos, key = 1, 7
for i = 1, total do
  local op, flags, id, base, tombstone, fetched, entry, first_seen, last_changed
  local inline, content, fields, adds, removes, links, unlinks
  op, flags, id, base, tombstone, fetched, entry, first_seen, last_changed, inline, content, fields, adds, removes,
    links, unlinks, pos = struct.unpack(HEADER, frame, pos)
  local link_from = key + 2 + adds + removes
  -- One constructor: a table that grows field by field is rehashed five times.
  records[i] = {
    op = op, flags = flags, id = id, base = base, tombstone = tombstone, fetched = fetched, entry = entry,
    first_seen = first_seen, last_changed = last_changed, inline = inline, content = content, fields = fields,
    bucket = keys[key], record = keys[key + 1], add_from = key + 2, remove_from = key + 2 + adds,
    link_from = link_from, unlink_from = link_from + links, keys_end = link_from + links + unlinks,
  }
  key = link_from + links + unlinks
  ids[i] = id
end

local tombstones = redis.call("HMGET", TOMBSTONES, unpack(ids))
local seen = redis.call("HMGET", SEEN, unpack(ids))

local outcome, change_count, created, content_written = {}, 0, 0, false
for i, r in ipairs(records) do
  local entry = redis.call("HGET", r.bucket, r.id)
  if (entry or "") ~= r.base or (tombstones[i] or "") ~= r.tombstone then
    outcome[i] = "x"
  elseif r.flags >= YIELDS and seen[i] and fetch_of(seen[i]) > r.fetched then
    outcome[i] = "s"
    mark_seen(r.id, seen[i], "n", pass, r.fetched, tag, false)
  else
    outcome[i] = "w"
    if r.op ~= "q" and changes_kept > 0 then
      change_count = change_count + 1
    end
    if r.base == "" then
      created = created + 1
    end
    if r.op ~= "q" or r.content ~= "" then
      content_written = true
    end
  end
end

local at = tick(META)
local now = math.floor(at / 1000)
at = string.format("%.0f", at)
local seq = change_count > 0 and reserve_changes(CHANGES, META, change_count) or 0
local buried = {}

for i, r in ipairs(records) do
  if outcome[i] == "w" then
    if r.op ~= "q" and changes_kept > 0 then
      seq = seq + 1
      add_change(CHANGES, seq, r.op, r.id, r.fields, at, run_id)
    end
    if r.flags % 2 == REPLACES and r.base ~= "" then
      redis.call("UNLINK", r.record)
    end
    if r.content ~= "" then
      if redis.call("RPUSH", r.record, r.content) > 1 and r.base == "" then
        -- Content that has lost its index entry by another hand.
        redis.call("UNLINK", r.record)
        redis.call("RPUSH", r.record, r.content)
      end
    end
    local first_seen = r.first_seen > 0 and r.first_seen or now
    local times = struct.pack(">I6I6", first_seen, r.last_changed > 0 and r.last_changed or now)
    redis.call("HSET", r.bucket, r.id, r.entry .. times .. r.inline)
    for k = r.add_from, r.remove_from - 1 do
      redis.call("SADD", keys[k], r.id)
    end
    for k = r.remove_from, r.link_from - 1 do
      redis.call("SREM", keys[k], r.id)
    end
    for k = r.link_from, r.unlink_from - 1 do
      add_link(keys[k], r.id)
    end
    for k = r.unlink_from, r.keys_end - 1 do
      remove_link(keys[k], r.id)
    end
    if r.tombstone ~= "" then
      buried[#buried + 1] = r.id
    end
    mark_seen(r.id, seen[i], r.op == "q" and "n" or r.op, pass, r.fetched, tag, r.op == "q")
  end
end

if content_written then
  -- @safeguard first-write-drops-key
  forget_change_key(META)
end
if created > 0 then
  redis.call("HINCRBY", META, "live", created)
end
if change_count > 0 then
  trim_changes(CHANGES, changes_kept)
end
if #buried > 0 then
  redis.call("HDEL", TOMBSTONES, unpack(buried))
end
write_seen(SEEN, RUN)
return { 0, table.concat(outcome) }
