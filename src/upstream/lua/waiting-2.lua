--[[
Until when requests must wait at present, and why. Writes nothing.

KEYS[1] slots  ZSET: slot -> µs by TIME at which it frees
KEYS[2] state  HASH: blockedUntil (µs by TIME), blockedCode, …
ARGV[1] slots per window; 0 = unlimited

Returns {until µs, code, now µs} or nil when a request may go now.
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local facts = redis.call('HMGET', KEYS[2], 'blockedUntil', 'blockedCode')
if facts[1] and tonumber(facts[1]) > now then return {tonumber(facts[1]), facts[2], now} end
local max = tonumber(ARGV[1])
if max == 0 then return nil end
local after = '(' .. string.format('%.0f', now)
local used = redis.call('ZCOUNT', KEYS[1], after, '+inf')
if used < max then return nil end
local frees = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES', 'LIMIT', used - max, 1)
return {tonumber(frees[2]), 'PROV_RATE_WAIT', now}
