--[[
  The finish step found that more must be fetched: plans it, in the same pass or as a new one.

  KEYS[1] run: HASH
  KEYS[2] batches: HASH
  KEYS[3] status: HASH
  KEYS[4] order: HASH
  KEYS[5] fences: HASH
  ARGV[1] finish key
  ARGV[2] fence
  ARGV[3] pass of the new batches
  ARGV[4] reason
  ARGV[5..] the new batches: see addBatches.lua

  Returns how many were planned; -1 run not open; -2 superseded; -4 too many batches.
]]
local args = ARGV
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fencesKey, finishKey, fence, pass, reason, FIRST_BATCH = KEYS[5], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 5
--- @include "checkFence.lua"
--- @include "addBatches.lua"
--- @include "retries.lua"

local refused = checkFence(runKey, fencesKey, finishKey, fence, { open = true })
if refused ~= 0 then
  return refused
end
local otherPass = redis.call("HGET", runKey, "pass") ~= pass
local added = addBatches(pass, FIRST_BATCH, #args)
if added >= 0 then
  if otherPass then
    -- What an earlier pass was told of the upstream's edition may not hold for this one.
    redis.call("HDEL", runKey, "changeKey")
  end
  redis.call("HSET", runKey, "pass", pass, "extended", reason)
  redis.call("HINCRBY", runKey, "round", 1)
  clearRetry(runKey, finishKey)
end
return added
