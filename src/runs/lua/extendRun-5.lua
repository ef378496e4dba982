--[[
  The finish step found that more must be walked: plans it, in the same pass or as a new one.
  KEYS[1] run HASH  KEYS[2] batches HASH  KEYS[3] status HASH  KEYS[4] order HASH  KEYS[5] fences HASH
  ARGV[1] finish key  ARGV[2] fence  ARGV[3] pass of the new batches  ARGV[4] reason  ARGV[5..] key, JSON, ordered, …
  Returns how many were planned; -1 run not open; -2 superseded; -4 too many batches.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
--- @include "checkFence.lua"
--- @include "addBatches.lua"
--- @include "retries.lua"
local refused = checkFence(runKey, KEYS[5], ARGV[1], ARGV[2], { open = true })
if refused ~= 0 then
  return refused
end
local otherPass = redis.call("HGET", runKey, "pass") ~= ARGV[3]
local added = addBatches(ARGV[3], 5, #ARGV)
if added >= 0 then
  if otherPass then
    -- What an earlier pass was told of the upstream's edition may not hold for this one.
    redis.call("HDEL", runKey, "changeKey")
  end
  redis.call("HSET", runKey, "pass", ARGV[3], "extended", ARGV[4])
  redis.call("HINCRBY", runKey, "round", 1)
  clearRetry(runKey, ARGV[1])
end
return added
