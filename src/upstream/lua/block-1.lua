--[[
The upstream told us to wait: nobody sends before then. A shorter wait never cuts a longer one.

KEYS[1] state  HASH: blockedUntil (µs by TIME), blockedCode, …
ARGV[1] µs to wait from now
ARGV[2] code of the reason

Returns µs from now until requests may go again.
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local wanted = now + tonumber(ARGV[1])
local present = tonumber(redis.call('HGET', KEYS[1], 'blockedUntil') or 0)
if wanted > present then
  redis.call('HSET', KEYS[1], 'blockedUntil', string.format('%.0f', wanted), 'blockedCode', ARGV[2])
  present = wanted
end
return present - now
