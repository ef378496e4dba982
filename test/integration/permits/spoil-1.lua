--[[
Sets one of the pool's numbers to what it should not be.

KEYS[1] pool
ARGV[1] 'pool' or 'p:<provider>'  [2] field  [3] value
]]
--- @include "../../../src/permits/lua/formats.lua"
local isPool = ARGV[1] == 'pool'
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local values = isPool and unpackPool(stored) or unpackProvider(stored)
values[ARGV[2]] = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], isPool and packPool(values) or packProvider(values))
return 1
