--[[
Sets one of the pool's numbers to what it should not be.

KEYS[1] pool
ARGV[1] 'pool' or 'p:<provider>'  [2] field  [3] value
]]
--- @include "../../../src/permits/lua/formats.lua"
local isPool = ARGV[1] == 'pool'
local format, fields = isPool and POOL_FORMAT or PROVIDER_FORMAT, isPool and POOL_FIELDS or PROVIDER_FIELDS
local values = {struct.unpack(format, redis.call('HGET', KEYS[1], ARGV[1]) or (isPool and EMPTY_POOL or EMPTY_PROVIDER))}
values[#values] = nil
for i, field in ipairs(fields) do
  if field == ARGV[2] then values[i] = tonumber(ARGV[3]) end
end
redis.call('HSET', KEYS[1], ARGV[1], struct.pack(format, unpack(values)))
return 1
