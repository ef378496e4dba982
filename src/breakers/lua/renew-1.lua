--[[
  Renews the lease of the probe token.

  KEYS[1]  breaker HASH
  ARGV[1]  token
  ARGV[2]  lease, ms

  Returns 1, or 0 when the caller no longer holds the token.
]]
--- @include "../../redis/lua/time.lua"
if redis.call("HGET", KEYS[1], "token") ~= ARGV[1] then
  return 0
end
local lease = tonumber(ARGV[2])
redis.call("HSET", KEYS[1], "probe_until_ms", string.format("%.0f", nowMs() + lease), "probe_lease_ms", lease)
return 1
