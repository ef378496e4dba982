--[[
  Renews the lease of the probe token.

  KEYS[1]  breaker HASH
  ARGV[1]  token
  ARGV[2]  lease, ms

  Returns 1, or 0 when the caller no longer holds the token.
]]
--- @include "../../redis/lua/time.lua"
local breaker = KEYS[1]
local token, lease = ARGV[1], tonumber(ARGV[2])

if redis.call("HGET", breaker, "token") ~= token then
  return 0
end
redis.call("HSET", breaker, "probe_until_ms", string.format("%.0f", nowMs() + lease), "probe_lease_ms", lease)
return 1
