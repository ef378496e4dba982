--[[
  Prolongs the lease of the probe's token.
  KEYS[1] breaker HASH
  ARGV[1] token  ARGV[2] lease, ms
  Returns 1, or 0 when the token is no longer the caller's.
]]
if redis.call("HGET", KEYS[1], "token") ~= ARGV[1] then
  return 0
end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call("HSET", KEYS[1], "probe_until_ms", string.format("%.0f", now + tonumber(ARGV[2])))
return 1
