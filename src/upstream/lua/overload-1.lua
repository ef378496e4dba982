--[[
The upstream is drowning: backs the whole fleet off, twice as long for each overload in a row. Requests that were granted
before the last overload was noticed belong to the same one and do not count again.

KEYS[1] state  HASH: overloads, overloadedAt (µs by TIME), blockedUntil (µs by TIME), blockedCode, …
ARGV[1] µs by TIME at which the failed request was granted
ARGV[2] µs to wait at least (the upstream's own word), 0 = it said nothing
ARGV[3] µs of the first wait
ARGV[4] µs of the longest wait
ARGV[5] random number in [0, 1) for the jitter

Returns µs from now until requests may go again.
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local facts = redis.call('HMGET', KEYS[1], 'overloads', 'overloadedAt', 'blockedUntil')
local present = tonumber(facts[3] or 0)
local wait = tonumber(ARGV[2])
if tonumber(ARGV[1]) > tonumber(facts[2] or 0) then
  local overloads = tonumber(facts[1] or 0) + 1
  redis.call('HSET', KEYS[1], 'overloads', overloads, 'overloadedAt', string.format('%.0f', now))
  local backOff = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ math.min(overloads - 1, 30))
  wait = math.max(wait, backOff * (1 + tonumber(ARGV[5]) / 4))
end
if now + wait > present then
  present = now + wait
  redis.call('HSET', KEYS[1], 'blockedUntil', string.format('%.0f', present), 'blockedCode', 'PROV_OVERLOADED')
end
return math.max(0, math.floor(present - now))
