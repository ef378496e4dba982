--[[
  A worker registers that it lives, with what it measured. Workers that have been dead for long are removed.

  KEYS[1] workers: ZSET
  KEYS[2] worker facts: HASH
  KEYS[3] worker beats: HASH
  ARGV[1] worker id
  ARGV[2] facts: JSON
  ARGV[3] how long the registration holds, ms
  ARGV[4] after how long a dead worker is removed, ms
  ARGV[5] "1" for a heartbeat: the facts were measured now

  Returns the time by Redis, ms.
]]
local workersKey, factsKey, beatsKey = KEYS[1], KEYS[2], KEYS[3]
local id, facts, isHeartbeat = ARGV[1], ARGV[2], ARGV[5] == "1"
local holds, forgetAfter = tonumber(ARGV[3]), tonumber(ARGV[4])
--- @include "../../redis/lua/time.lua"
--- @include "livingWorkers.lua"

local now = nowMs()
clampRegistrations(workersKey, beatsKey, now, holds)
redis.call("ZADD", workersKey, now + holds, id)
redis.call("HSET", factsKey, id, facts)
if isHeartbeat then
  redis.call("HSET", beatsKey, id, string.format("%.0f", now))
end
local dead = redis.call("ZRANGEBYSCORE", workersKey, "-inf", now - forgetAfter, "LIMIT", 0, 64)
for _, deadId in ipairs(dead) do
  redis.call("ZREM", workersKey, deadId)
  redis.call("HDEL", factsKey, deadId)
  redis.call("HDEL", beatsKey, deadId)
end
return now
