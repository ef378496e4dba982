--[[
  Makes the whole fleet wait, because the upstream named a wait or is overloaded. A shorter wait never replaces a longer
  one. After an overload the wait doubles with each consecutive one; requests that were granted before the last overload
  was recorded belong to that one and do not count again.

  KEYS[1] state: HASH (window.lua)
  ARGV[1] wait that the upstream named, µs; 0 none
  ARGV[2] code of the reason
  ARGV[3] when the overloaded request was granted, µs by the upstream's clock; 0 without overload
  ARGV[4] first wait after an overload, µs
  ARGV[5] longest wait after an overload, µs
  ARGV[6] random number in [0, 1) for the jitter

  Returns µs from now until requests may be sent again.
]]
--- @include "window.lua"
local state, wait, code, grantedAt = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local first, longest, jitter = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local now = nowUs()
local facts = redis.call("HMGET", state, "overloads", "overloadedAt")
if grantedAt > tonumber(facts[2] or 0) then
  local overloads = tonumber(facts[1] or 0) + 1
  redis.call("HSET", state, "overloads", overloads, "overloadedAt", whole(tick(state)))
  local backOff = math.min(longest, first * 2 ^ math.min(overloads - 1, 30))
  wait = math.max(wait, backOff * (1 + jitter / 4))
end
return math.max(0, math.floor(block(state, now, wait, code) - now))
