--[[
  Replaces a field's value if it was not replaced since it was read.

  KEYS[1] HASH
  ARGV[1] field
  ARGV[2] value that was read; "" none
  ARGV[3] new value; "" removes the field

  Returns 1; 0 when the field has another value.
]]
local key, field, before, after = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

if (redis.call("HGET", key, field) or "") ~= before then
  return 0
end
if after == "" then
  redis.call("HDEL", key, field)
else
  redis.call("HSET", key, field, after)
end
return 1
