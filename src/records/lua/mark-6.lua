--[[
  Marks up to 500 ids as seen by a run without writing their records: unchanged, refused as older, or dead. An id
  found unchanged against an index entry that is not there any more is left alone and reported. A record that is
  refused as older than what this run itself has fetched is as it should be. Refused for what an earlier run stored
  it cannot be right, since every fetch of this run came later: the run counts it, and the provider's clock goes
  past the stored time, so that the next pass is not refused again.
  KEYS[1] run HASH
  KEYS[2] fences HASH
  KEYS[3] seen HASH
  KEYS[4] index key prefix; the name of a bucket is this and its number
  KEYS[5] regressed HASH
  KEYS[6] meta HASH
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] pass
  ARGV[4] code: n unchanged, d dead, a accepted, m missing, f differing (see seen.lua)
  ARGV[5] fetch time
  ARGV[6] number of ids
  ARGV[7] number of regressions
  ARGV[8] number of refusals
  ARGV[9] frame, of each id: number of its bucket, id, index entry compared with ("" any); then of each record
    refused for its lower version: id, digest (the run remembers the pass, so that a second pass can tell the
    upstream's truth); then of each record refused as fetched earlier: its number (from 1), the fetch time that it
    was refused for
  ARGV[10] the greatest of those fetch times, µs
  ARGV[11] name of the copy (see tag in seen.lua)
  Returns {0, positions (from 0) of conflicting ids}; {-1} run not open; {-2} superseded.
]]
--- @include "fence.lua"
--- @include "seen.lua"
--- @include "frame.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, FENCES, SEEN, INDEX, REGRESSED, META = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local batch, fence, pass, code, fetched = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local total, regression_count, refusal_count = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local frame, newest_refusal = ARGV[9], tonumber(ARGV[10])

local tag = tag_of(ARGV[11])

local refused = refusal(RUN, FENCES, "open", batch, fence)
if refused then
  return { refused }
end

local ids, buckets, bases, pos = {}, {}, {}, 1
for i = 1, total do
  buckets[i], ids[i], bases[i], pos = struct.unpack(">I2I4c0I4c0", frame, pos)
end
local regressions, refusals
regressions, pos = cut_strings(frame, pos, 2 * regression_count)
refusals = cut_strings(frame, pos, 2 * refusal_count)
local conflicts = {}
if total > 0 then
  local seen = redis.call("HMGET", SEEN, unpack(ids))
  local wrongly = 0
  for n = 1, #refusals, 2 do
    local mark = seen[tonumber(refusals[n])]
    if not mark or fetch_of(mark) < refusals[n + 1] then
      wrongly = wrongly + 1
    end
  end
  if wrongly > 0 then
    count("refused:" .. pass, wrongly)
    raiseClock(META, newest_refusal)
  end
  for i = 1, total do
    if bases[i] ~= "" and redis.call("HGET", INDEX .. buckets[i], ids[i]) ~= bases[i] then
      conflicts[#conflicts + 1] = i - 1
    else
      mark_seen(ids[i], seen[i], code, pass, fetched, tag, code == "n" and bases[i] ~= "")
    end
  end
end
for i = 1, #regressions, 2 do
  local known = redis.call("HGET", REGRESSED, regressions[i])
  if not known or string.match(known, "^(%d+):") ~= pass then
    count("regressed:" .. pass, 1)
  end
  redis.call("HSET", REGRESSED, regressions[i], pass .. ":" .. regressions[i + 1] .. ":" .. fetched)
end
write_seen(SEEN, RUN)
return { 0, conflicts }
