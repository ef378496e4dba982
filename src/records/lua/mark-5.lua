-- Marks up to 500 ids as seen by a run without writing their records: unchanged, refused as older, or dead.
-- An id judged unchanged against an index entry that is there no longer is left alone and reported.
--
-- KEYS[1] run  KEYS[2] fences  KEYS[3] seen  KEYS[4] index  KEYS[5] regressed
-- ARGV[1] batch  ARGV[2] fence  ARGV[3] pass  ARGV[4] code (n | d | a)  ARGV[5] fetch time
-- ARGV[6] number of ids  ARGV[7] number of regressions
-- ARGV[8] frame: id and index entry judged against ('' = any) of each id; then id and digest of each record refused for
--         its lower version, of which the run remembers the pass, so that a second pass can tell the upstream's truth
-- Returns { 0, numbers (from 0) of conflicting ids } or { -1 run not open | -2 fenced }
--- @include "fence.lua"
--- @include "seen.lua"
--- @include "frame.lua"
local RUN, SEEN, INDEX, REGRESSED = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
local pass, code, fetched, total = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])

local refused = refusal('open', ARGV[1], ARGV[2])
if refused then
  return { refused }
end

local pairs_of_ids, pos = cut_strings(ARGV[8], 1, 2 * total)
local regressions = cut_strings(ARGV[8], pos, 2 * tonumber(ARGV[7]))
local conflicts = {}
if total > 0 then
  local ids = {}
  for i = 1, total do
    ids[i] = pairs_of_ids[2 * i - 1]
  end
  local entries = redis.call('HMGET', INDEX, unpack(ids))
  local seen = redis.call('HMGET', SEEN, unpack(ids))
  for i = 1, total do
    local base = pairs_of_ids[2 * i]
    if base ~= '' and entries[i] ~= base then
      conflicts[#conflicts + 1] = i - 1
    else
      mark_seen(ids[i], seen[i], code, pass, fetched)
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
