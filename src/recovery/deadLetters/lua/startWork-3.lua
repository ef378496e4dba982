--[[
  An attempt that had to wait for its turn starts its work now. From here on the end of its process is held against
  the batch.

  KEYS[1] run: HASH
  KEYS[2] fences: HASH
  KEYS[3] work: HASH
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] process

  Returns 1; -1 run not open; -2 superseded.
]]
local runKey, fencesKey, workKey = KEYS[1], KEYS[2], KEYS[3]
local batch, fence, process = ARGV[1], ARGV[2], ARGV[3]
--- @include "../../../runs/lua/checkFence.lua"

local refused = checkFence(runKey, fencesKey, batch, fence, { open = true })
if refused ~= 0 then
  return refused
end
redis.call("HSET", workKey, batch, fence .. "|" .. process)
return 1
