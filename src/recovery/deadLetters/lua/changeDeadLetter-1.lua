--[[
  Changes a dead letter that is as it was read.

  KEYS[1] dead letters: ZSET
  ARGV[1] dead letter id
  ARGV[2] number of conditions
  ARGV[3..] field and value that it must have, of each condition ("" equals an absent field); then field and new
    value, of each change

  Returns {1}; {0, state} it has moved; {-1} there is no such dead letter.
]]
local args = ARGV
local deadLetters, id, FIRST_CONDITION = KEYS[1], ARGV[1], 3
local firstChange = FIRST_CONDITION + 2 * tonumber(ARGV[2])
--- @include "deadLetters.lua"

local key = deadLetterKey(id)
local state = redis.call("HGET", key, "state")
if not state then
  return { -1 }
end
for i = FIRST_CONDITION, firstChange - 1, 2 do
  if (redis.call("HGET", key, args[i]) or "") ~= args[i + 1] then
    return { 0, state }
  end
end
saveDeadLetter(id, { unpack(args, firstChange) })
return { 1 }
