--[[
  Plans the batches of bad records in the name of a live attempt, before the checkpoint of the batch in which they
  were received.

  KEYS[1] run: HASH
  KEYS[2] batches: HASH
  KEYS[3] status: HASH
  KEYS[4] order: HASH
  KEYS[5] fences: HASH
  KEYS[6] nameless: SET, marks of records without an id
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] pass
  ARGV[4] how many marks follow
  ARGV[5..] the marks, "a:" before that of a record that an operator accepted; then the batches: see addBatches.lua

  Returns how many were new; -1 run not open; -2 superseded; -4 too many batches.
]]
local args = ARGV
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fencesKey, namelessKey = KEYS[5], KEYS[6]
local batchKey, fence, pass, FIRST_MARK, markCount = ARGV[1], ARGV[2], ARGV[3], 5, tonumber(ARGV[4])
--- @include "checkFence.lua"
--- @include "addBatches.lua"

local refused = checkFence(runKey, fencesKey, batchKey, fence, { open = true })
if refused ~= 0 then
  return refused
end
for i = FIRST_MARK, FIRST_MARK + markCount - 1 do
  local mark = args[i]
  local accepted = string.sub(mark, 1, 2) == "a:"
  local other = accepted and string.sub(mark, 3) or "a:" .. mark
  if redis.call("SADD", namelessKey, mark) == 1 then
    redis.call("HINCRBY", runKey, accepted and "namelessAccepted" or "namelessCount", 1)
  end
  -- Accepted between two attempts, or passes.
  if redis.call("SREM", namelessKey, other) == 1 then
    redis.call("HINCRBY", runKey, accepted and "namelessCount" or "namelessAccepted", -1)
  end
end
return addBatches(pass, FIRST_MARK + markCount, #args)
