--[[
  Begins to close a run, before removals: no commit of this run is accepted any more. The verdict is kept, so that a
  finish step that is killed continues with the same one.

  KEYS[1] run: HASH
  KEYS[2] fences: HASH
  ARGV[1] finish key
  ARGV[2] fence
  ARGV[3] verdict: JSON

  Returns 1; -1 run closed; -2 superseded; -3 batches are outstanding.
]]
--- @include "checkFence.lua"
local runKey, fencesKey = KEYS[1], KEYS[2]
local finishKey, fence, verdict = ARGV[1], ARGV[2], ARGV[3]

local refused = checkFence(runKey, fencesKey, finishKey, fence, { open = true, closing = true })
if refused ~= 0 then
  return refused
end
if redis.call("HGET", runKey, "state") == "open" then
  if tonumber(redis.call("HGET", runKey, "outstanding") or "0") > 0 then
    return -3
  end
  redis.call("HSET", runKey, "state", "closing", "verdict", verdict)
end
return 1
