--[[
  Closes the run's door before removals: from here on no commit of this run is accepted. The verdict is kept, so that a
  finish step that is killed goes on with the same one.
  KEYS[1] run HASH  KEYS[2] fences HASH
  ARGV[1] finish key  ARGV[2] fence  ARGV[3] verdict JSON
  Returns 1; -1 run closed; -2 superseded; -3 batches are outstanding.
]]
--- @include "checkFence.lua"
local refused = checkFence(KEYS[1], KEYS[2], ARGV[1], ARGV[2], { open = true, closing = true })
if refused ~= 0 then
  return refused
end
if redis.call("HGET", KEYS[1], "state") == "open" then
  if tonumber(redis.call("HGET", KEYS[1], "outstanding") or "0") > 0 then
    return -3
  end
  redis.call("HSET", KEYS[1], "state", "closing", "verdict", ARGV[3])
end
return 1
