--[[
  Stores a point of a series in two resolutions. A bucket of time keeps its newest point. Its figures are counters as
  they stand or present values, so it does not matter which process stores a point, nor how often.

  KEYS[1] fine points: LIST of `<ms by Redis TIME> <figures>`, oldest first
  KEYS[2] coarse points: the same
  ARGV[1] figures, separated by spaces
  ARGV[2] length of a fine bucket, ms
  ARGV[3] fine points that are kept
  ARGV[4] length of a coarse bucket, ms
  ARGV[5] coarse points that are kept

  Returns 1.
]]
local fineKey, coarseKey, figures = KEYS[1], KEYS[2], ARGV[1]
local fineMs, fineKept = tonumber(ARGV[2]), tonumber(ARGV[3])
local coarseMs, coarseKept = tonumber(ARGV[4]), tonumber(ARGV[5])
--- @include "../../redis/lua/time.lua"

local now = nowMs()
local point = string.format("%.0f %s", now, figures)

local function keep(key, length, kept)
  local function lastBucket()
    local last = redis.call("LINDEX", key, -1)
    return last and math.floor(tonumber(string.match(last, "^%d+")) / length)
  end
  local bucket = math.floor(now / length)
  local last = lastBucket()
  -- Later points were stored before the clock of Redis went back.
  while last and last > bucket do
    redis.call("RPOP", key)
    last = lastBucket()
  end
  -- The very first point stays: it is what the counters of the second one are compared with.
  if last == bucket and redis.call("LLEN", key) > 1 then
    redis.call("LSET", key, -1, point)
  else
    redis.call("RPUSH", key, point)
    redis.call("LTRIM", key, -kept, -1)
  end
end

keep(fineKey, fineMs, fineKept)
keep(coarseKey, coarseMs, coarseKept)
return 1
