-- Marks up to 500 ids as seen by a run without writing their records: unchanged, refused as older, or dead.
-- An id judged unchanged against an index entry that is there no longer is left alone and reported.
--
-- KEYS[1] run  KEYS[2] fences  KEYS[3] seen  KEYS[4] index  KEYS[5] regressed  KEYS[6] meta
-- ARGV[1] batch  ARGV[2] fence  ARGV[3] pass  ARGV[4] code (n | d | a)  ARGV[5] fetch time
-- ARGV[6] number of ids  ARGV[7] number of regressions  ARGV[8] number of refusals
-- ARGV[9] frame: id and index entry judged against ('' = any) of each id; then id and digest of each record refused for
--         its lower version, of which the run remembers the pass, so that a second pass can tell the upstream's truth;
--         then of each record refused as fetched earlier its number (from 1) and the fetch time that it was refused for
-- ARGV[10] the greatest of those fetch times, µs
-- ARGV[11] names the copy (see tag in seen.lua)
-- A record that is refused as older than what this run itself has fetched is as it should be. Refused for what an earlier
-- run stored it cannot be right, since every fetch of this run came later: the run counts it, and the provider's clock goes
-- past the stored time, so that the next pass is not refused again.
-- Returns { 0, numbers (from 0) of conflicting ids } or { -1 run not open | -2 fenced }
--- @include "fence.lua"
--- @include "seen.lua"
--- @include "frame.lua"
--- @include "../../redis/lua/clock.lua"
local RUN, SEEN, INDEX, REGRESSED, META = KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local pass, code, fetched, total = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])

local tag = tag_of(ARGV[11])

local refused = refusal('open', ARGV[1], ARGV[2])
if refused then
  return { refused }
end

local pairs_of_ids, pos = cut_strings(ARGV[9], 1, 2 * total)
local regressions, refusals
regressions, pos = cut_strings(ARGV[9], pos, 2 * tonumber(ARGV[7]))
refusals = cut_strings(ARGV[9], pos, 2 * tonumber(ARGV[8]))
local conflicts = {}
if total > 0 then
  local ids = {}
  for i = 1, total do
    ids[i] = pairs_of_ids[2 * i - 1]
  end
  local entries = redis.call('HMGET', INDEX, unpack(ids))
  local seen = redis.call('HMGET', SEEN, unpack(ids))
  local wrongly = 0
  for n = 1, #refusals, 2 do
    local mark = seen[tonumber(refusals[n])]
    if not mark or fetch_of(mark) < refusals[n + 1] then
      wrongly = wrongly + 1
    end
  end
  if wrongly > 0 then
    count('refused:' .. pass, wrongly)
    raiseClock(META, tonumber(ARGV[10]))
  end
  for i = 1, total do
    local base = pairs_of_ids[2 * i]
    if base ~= '' and entries[i] ~= base then
      conflicts[#conflicts + 1] = i - 1
    else
      mark_seen(ids[i], seen[i], code, pass, fetched, tag, code == 'n' and base ~= '')
    end
  end
end
for i = 1, #regressions, 2 do
  local known = redis.call('HGET', REGRESSED, regressions[i])
  if not known or string.match(known, '^(%d+):') ~= pass then
    count('regressed:' .. pass, 1)
  end
  redis.call('HSET', REGRESSED, regressions[i], pass .. ':' .. regressions[i + 1])
end
write_seen(SEEN, RUN)
return { 0, conflicts }
