--[[
  Plans further batches in the name of a live attempt (bad records: before the checkpoint of the batch they came in).
  KEYS[1] run HASH  KEYS[2] batches HASH  KEYS[3] status HASH  KEYS[4] order HASH  KEYS[5] fences HASH
  ARGV[1] batch key  ARGV[2] fence  ARGV[3] pass
  ARGV[4] how many nameless records follow  ARGV[5..] their marks ("a:" before that of one that a person accepted), then
  key, JSON, ordered, …
  Returns how many were new; -1 run not open; -2 superseded; -4 too many batches.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--- @include "checkFence.lua"
--- @include "addBatches.lua"
local refused = checkFence(runKey, KEYS[5], ARGV[1], ARGV[2], { open = true })
if refused ~= 0 then
  return refused
end
local nameless = tonumber(ARGV[4])
for i = 5, 4 + nameless do
  local mark = ARGV[i]
  local accepted = string.sub(mark, 1, 2) == "a:"
  local other = accepted and string.sub(mark, 3) or "a:" .. mark
  if redis.call("SADD", KEYS[6], mark) == 1 then
    redis.call("HINCRBY", runKey, accepted and "namelessAccepted" or "namelessCount", 1)
  end
  -- Accepted between two attempts, or passes.
  if redis.call("SREM", KEYS[6], other) == 1 then
    redis.call("HINCRBY", runKey, accepted and "namelessCount" or "namelessAccepted", -1)
  end
end
local added = addBatches(ARGV[3], 5 + nameless, #ARGV)
return added
