--[[
Marks a slot's request as sent before now: it frees one window plus the margin from now, never later than it would have.

KEYS[1] slots  ZSET: slot -> µs by TIME at which it frees; "<id>" granted, "<id>+" its request was sent
ARGV[1] slot id
ARGV[2] window + margin in µs

Returns 1, or 0 when the slot has freed meanwhile.
]]
local granted = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if granted == 0 then return 0 end
local time = redis.call('TIME')
-- @safeguard rate-window
local window = tonumber(ARGV[2])
local frees = tonumber(time[1]) * 1000000 + tonumber(time[2]) + window
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('ZADD', KEYS[1], string.format('%.0f', math.min(granted, frees)), ARGV[1] .. '+')
