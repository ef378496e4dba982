--[[
  Marks a slot's request as sent before now: the slot frees one window plus the margin from now, never later than
  before.

  KEYS[1]  slots  ZSET (window.lua)
  ARGV[1]  slot id
  ARGV[2]  window + margin in µs

  Returns 1, or 0 when the slot has freed meanwhile.
]]
--- @include "window.lua"
local slots, id = KEYS[1], ARGV[1]
-- @safeguard rate-window
local sentHold = tonumber(ARGV[2])
local granted = tonumber(redis.call("ZSCORE", slots, id) or 0)
if granted == 0 then
  return 0
end
redis.call("ZREM", slots, id)
return redis.call("ZADD", slots, whole(math.min(granted, nowUs() + sentHold)), id .. "+")
