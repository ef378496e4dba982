--[[
  Changes a dead letter that is as it was read.
  KEYS[1] letters ZSET
  ARGV[1] letter id  ARGV[2] number of conditions  ARGV[3..] field, value that it must have ("" or absent are the same), …;
  then field, new value, …
  Returns {1}; {0, state} it has moved; {-1} there is no such letter.
]]
local letters = KEYS[1]
--- @include "deadLetters.lua"
local key, conditions = letterKey(ARGV[1]), tonumber(ARGV[2])
local state = redis.call("HGET", key, "state")
if not state then
  return { -1 }
end
for i = 3, 2 + 2 * conditions, 2 do
  if (redis.call("HGET", key, ARGV[i]) or "") ~= ARGV[i + 1] then
    return { 0, state }
  end
end
saveLetter(ARGV[1], { unpack(ARGV, 3 + 2 * conditions) })
return { 1 }
