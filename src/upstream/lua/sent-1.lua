--[[
Marks a slot's request as sent before now: it frees one window plus the margin from now, never later than it would have.

KEYS[1] slots  ZSET: slot id -> µs by TIME at which it frees
ARGV[1] slot id
ARGV[2] window + margin in µs

Returns 1 when the slot was brought forward, 0 when it is gone or frees earlier anyway.
]]
local time = redis.call('TIME')
local frees = tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[2])
return redis.call('ZADD', KEYS[1], 'XX', 'LT', 'CH', string.format('%.0f', frees), ARGV[1])
