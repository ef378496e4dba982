--[[
  Sets fields of the run in the name of its finish step.
  KEYS[1] run HASH  KEYS[2] fences HASH
  ARGV[1] finish key  ARGV[2] fence  ARGV[3..] field, value, …
  Returns 1; -1 run closed; -2 superseded.
]]
--- @include "checkFence.lua"
local refused = checkFence(KEYS[1], KEYS[2], ARGV[1], ARGV[2], { open = true, closing = true })
if refused ~= 0 then
  return refused
end
redis.call("HSET", KEYS[1], unpack(ARGV, 3))
return 1
