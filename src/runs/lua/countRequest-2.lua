--[[
  Counts a request of a run right before it is sent.

  KEYS[1] run: HASH
  KEYS[2] meta: HASH

  Returns the time of the fetch by the provider's clock, µs: whatever this request brings is not older than that.
]]
local runKey, metaKey = KEYS[1], KEYS[2]
--- @include "../../redis/lua/clock.lua"

redis.call("HINCRBY", runKey, "requests", 1)
return tick(metaKey)
