--[[
  Everyone who has said that it lives, the dead included.
  KEYS[1] workers ZSET  KEYS[2] worker facts HASH  KEYS[3] worker beats HASH
  ARGV[1] ms that a worker's word holds
  Returns {time by Redis in ms, {id, ms until which its word holds, …}, {id, facts JSON, …}, {id, ms of its last beat, …}}
]]
--- @include "../../redis/lua/time.lua"
--- @include "livingWorkers.lua"
local workersKey, factsKey, beatsKey = KEYS[1], KEYS[2], KEYS[3]
local now, holds = nowMs(), tonumber(ARGV[1])
clampWords(workersKey, beatsKey, now, holds)
return {
  now,
  redis.call("ZRANGE", workersKey, 0, -1, "WITHSCORES"),
  redis.call("HGETALL", factsKey),
  redis.call("HGETALL", beatsKey),
}
