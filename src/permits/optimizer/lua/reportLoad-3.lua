--[[
  Stores what a worker measured since its last report.

  KEYS[1]   control samples LIST
  KEYS[2]   worker loads HASH
  KEYS[3]   fleet counts HASH
  ARGV[1]   worker id
  ARGV[2]   buffered: records fetched and not yet committed
  ARGV[3]   bound of the buffered records
  ARGV[4]   messages
  ARGV[5]   errors
  ARGV[6]   samples kept
  ARGV[7]   length of a bucket of the counts, ms
  ARGV[8]   buckets in the ring
  ARGV[9..] durations of control operations in ms, oldest first; stored with the time of this report

  Returns Redis TIME in ms.
]]
--- @include "../../../redis/lua/time.lua"
local now = nowMs()
redis.call("HSET", KEYS[2], ARGV[1], string.format("%.0f %s %s", now, ARGV[2], ARGV[3]))
if #ARGV > 8 then
  local samples = {}
  for i = 9, #ARGV do
    samples[#samples + 1] = string.format("%.0f %s", now, ARGV[i])
  end
  redis.call("LPUSH", KEYS[1], unpack(samples))
  redis.call("LTRIM", KEYS[1], 0, tonumber(ARGV[6]) - 1)
  redis.call("HINCRBY", KEYS[3], "samples", #ARGV - 8)
end
-- A ring: a bucket's place is reused one turn later, so no clean-up is needed.
local bucket = math.floor(now / tonumber(ARGV[7]))
local place = "bucket:" .. (bucket % tonumber(ARGV[8]))
local messages, errors = tonumber(ARGV[4]), tonumber(ARGV[5])
if messages + errors > 0 then
  local stored = redis.call("HGET", KEYS[3], place)
  if stored then
    local at, m, e = string.match(stored, "^(%d+) (%d+) (%d+)$")
    if tonumber(at) == bucket then
      messages, errors = messages + tonumber(m), errors + tonumber(e)
    end
  end
  redis.call("HSET", KEYS[3], place, string.format("%.0f %.0f %.0f", bucket, messages, errors))
end
return now
