--[[
  Sets fields of the run in the name of its finish step.

  KEYS[1] run: HASH
  KEYS[2] fences: HASH
  ARGV[1] finish key
  ARGV[2] fence
  ARGV[3..] field and value, of each field

  Returns 1; -1 run closed; -2 superseded.
]]
local args = ARGV
local runKey, fencesKey, finishKey, fence, FIRST_FIELD = KEYS[1], KEYS[2], ARGV[1], ARGV[2], 3
--- @include "checkFence.lua"

local refused = checkFence(runKey, fencesKey, finishKey, fence, { open = true, closing = true })
if refused ~= 0 then
  return refused
end
redis.call("HSET", runKey, unpack(args, FIRST_FIELD))
return 1
