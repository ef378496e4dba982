--[[
  An attempt that had to wait for its turn starts its work now: from here on the end of its process is held against it.
  KEYS[1] run HASH  KEYS[2] fences HASH  KEYS[3] work HASH
  ARGV[1] batch key  ARGV[2] fence  ARGV[3] process
  Returns 1; -1 run not open; -2 superseded.
]]
--- @include "../../../runs/lua/checkFence.lua"
local batch, fence, process = ARGV[1], ARGV[2], ARGV[3]
local refused = checkFence(KEYS[1], KEYS[2], batch, fence, { open = true })
if refused ~= 0 then
  return refused
end
redis.call("HSET", KEYS[3], batch, fence .. "|" .. process)
return 1
