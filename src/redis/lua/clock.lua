--[[
  Included by the scripts that put events into one order: a provider's fetches, writes, removals and runs; the
  requests to an upstream; the starts of workers.
    tick(key)            the next time of the clock in the HASH `key` (field `clock`), µs: max(last + 1, Redis TIME).
    It
                         grows even while Redis' own clock goes back, so later events always have a later time
    raiseClock(key, us)  every later tick is after `us`
  Provider stores written before the clock existed have `newestFetch` instead.
]]
--- @include "time.lua"
local function lastTick(key)
  local stored = redis.call("HMGET", key, "clock", "newestFetch")
  return tonumber(stored[1] or stored[2] or "0")
end

local function tick(key)
  -- @safeguard clock-only-grows
  local now = math.max(lastTick(key) + 1, nowUs())
  redis.call("HSET", key, "clock", string.format("%.0f", now))
  return now
end

local function raiseClock(key, us)
  if us > lastTick(key) then
    redis.call("HSET", key, "clock", string.format("%.0f", us))
  end
end
