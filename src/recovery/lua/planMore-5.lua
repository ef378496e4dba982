--[[
  Plans further batches in the name of a live attempt (bad records: before the checkpoint of the batch they came in).
  KEYS[1] run HASH  KEYS[2] batches HASH  KEYS[3] status HASH  KEYS[4] order HASH  KEYS[5] fences HASH
  ARGV[1] batch key  ARGV[2] fence  ARGV[3] pass  ARGV[4] nameless records among them  ARGV[5..] key, JSON, ordered, …
  Returns how many were new; -1 run not open; -2 superseded.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--- @include "checkFence.lua"
--- @include "addBatches.lua"
local refused = checkFence(runKey, KEYS[5], ARGV[1], ARGV[2], { open = true })
if refused ~= 0 then
  return refused
end
local added = addBatches(ARGV[3], 5, #ARGV)
if tonumber(ARGV[4]) > 0 then
  redis.call("HSET", runKey, "nameless", "1")
end
return added
