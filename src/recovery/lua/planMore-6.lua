--[[
  Plans further batches in the name of a live attempt (bad records: before the checkpoint of the batch they came in).
  KEYS[1] run HASH  KEYS[2] batches HASH  KEYS[3] status HASH  KEYS[4] order HASH  KEYS[5] fences HASH
  ARGV[1] batch key  ARGV[2] fence  ARGV[3] pass
  ARGV[4] how many nameless records follow  ARGV[5..] their dead-letter ids, then key, JSON, ordered, …
  Returns how many were new; -1 run not open; -2 superseded.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--- @include "checkFence.lua"
--- @include "addBatches.lua"
local refused = checkFence(runKey, KEYS[5], ARGV[1], ARGV[2], { open = true })
if refused ~= 0 then
  return refused
end
local nameless = tonumber(ARGV[4])
if nameless > 0 then
  redis.call("SADD", KEYS[6], unpack(ARGV, 5, 4 + nameless))
  redis.call("HSET", runKey, "namelessCount", redis.call("SCARD", KEYS[6]))
end
local added = addBatches(ARGV[3], 5 + nameless, #ARGV)
return added
