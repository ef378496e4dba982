--[[
  Until when requests must wait now, and why. Writes nothing.

  KEYS[1]  slots  ZSET (window.lua)
  KEYS[2]  state  HASH (window.lua)
  ARGV[1]  slots per window; 0 = unlimited
  ARGV[2]  longest time that a slot is held, µs

  Returns {until µs, code, now µs} or nil when a request may be sent now.
]]
--- @include "window.lua"
local slots, state, max, hold = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local now = nowUs()
local present, code = blockedUntil(state, now)
if present > now then
  return { present, code, now }
end
if max == 0 then
  return nil
end
local after = "(" .. whole(now)
local used = redis.call("ZCOUNT", slots, after, "+inf")
if used < max then
  return nil
end
local frees = redis.call("ZRANGEBYSCORE", slots, after, "+inf", "WITHSCORES", "LIMIT", used - max, 1)
return { nearest(tonumber(frees[2]), now, hold), "PROV_RATE_WAIT", now }
