--[[
  Stores what a worker measured since its last report.

  KEYS[1] control samples: LIST
  KEYS[2] worker loads: HASH
  KEYS[3] fleet counts: HASH
  ARGV[1] worker id
  ARGV[2] buffered: records fetched and not yet committed
  ARGV[3] bound of the buffered records
  ARGV[4] messages
  ARGV[5] errors: JSON, provider → count
  ARGV[6] samples kept
  ARGV[7] length of a bucket of the counts, ms
  ARGV[8] buckets in the ring
  ARGV[9..] durations of control operations in ms, oldest first; stored with the time of this report

  Returns Redis TIME in ms.
]]
--- @include "../../../redis/lua/time.lua"
local args = ARGV
local samplesKey, loadsKey, countsKey = KEYS[1], KEYS[2], KEYS[3]
local worker, buffered, bound, messages = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local errorsByProvider = cjson.decode(ARGV[5])
local samplesKept, bucketMs, buckets, FIRST_SAMPLE = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), 9

local now = nowMs()
redis.call("HSET", loadsKey, worker, string.format("%.0f %s %s", now, buffered, bound))
local samples = {}
for i = FIRST_SAMPLE, #args do
  samples[#samples + 1] = string.format("%.0f %s", now, args[i])
end
if #samples > 0 then
  redis.call("LPUSH", samplesKey, unpack(samples))
  redis.call("LTRIM", samplesKey, 0, samplesKept - 1)
  redis.call("HINCRBY", countsKey, "samples", #samples)
end
local errors = 0
for provider, count in pairs(errorsByProvider) do
  errors = errors + count
  redis.call("HINCRBY", countsKey, "errors:" .. provider, count)
end
-- A ring: a bucket's place is reused one turn later, so no clean-up is needed.
if messages + errors > 0 then
  local bucket = math.floor(now / bucketMs)
  local place = "bucket:" .. (bucket % buckets)
  local at, m, e = string.match(redis.call("HGET", countsKey, place) or "", "^(%d+) (%d+) (%d+)$")
  if tonumber(at) == bucket then
    messages, errors = messages + tonumber(m), errors + tonumber(e)
  end
  redis.call("HSET", countsKey, place, string.format("%.0f %.0f %.0f", bucket, messages, errors))
end
return now
