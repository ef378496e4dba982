--[[
  Every worker that is registered, the dead included.

  KEYS[1] workers: ZSET
  KEYS[2] worker facts: HASH
  KEYS[3] worker beats: HASH
  ARGV[1] how long a registration holds, ms

  Returns {time by Redis in ms, {id, ms until which its registration holds, …}, {id, facts JSON, …}, {id, ms of its
  last beat, …}}.
]]
local workersKey, factsKey, beatsKey, holds = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[1])
--- @include "../../redis/lua/time.lua"
--- @include "livingWorkers.lua"

local now = nowMs()
clampRegistrations(workersKey, beatsKey, now, holds)
return {
  now,
  redis.call("ZRANGE", workersKey, 0, -1, "WITHSCORES"),
  redis.call("HGETALL", factsKey),
  redis.call("HGETALL", beatsKey),
}
