--[[
  Backs the whole fleet off from an overloaded upstream; the wait doubles with each consecutive overload. Requests
  that were granted before the last overload was recorded belong to that overload and do not count again.

  KEYS[1]  state  HASH (window.lua)
  ARGV[1]  µs by the upstream's clock at which the failed request was granted
  ARGV[2]  minimum wait that the upstream named, µs; 0 = none
  ARGV[3]  first wait, µs
  ARGV[4]  longest wait, µs
  ARGV[5]  random number in [0, 1) for the jitter

  Returns µs from now until requests may be sent again.
]]
--- @include "window.lua"
local state = KEYS[1]
local grantedAt, wait, first, longest, jitter =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = nowUs()
local facts = redis.call("HMGET", state, "overloads", "overloadedAt")
if grantedAt > tonumber(facts[2] or 0) then
  local overloads = tonumber(facts[1] or 0) + 1
  redis.call("HSET", state, "overloads", overloads, "overloadedAt", whole(tick(state)))
  local backOff = math.min(longest, first * 2 ^ math.min(overloads - 1, 30))
  wait = math.max(wait, backOff * (1 + jitter / 4))
end
return math.max(0, math.floor(block(state, now, wait, "PROV_OVERLOADED") - now))
