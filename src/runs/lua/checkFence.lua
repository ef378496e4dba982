--[[
  Included by scripts that act in the name of an attempt. checkFence(runKey, fencesKey, batchKey, fence, allowed): 0
  when the run's state is one of `allowed` and the fence is the batch's newest; -1 when the run is not in such a
  state; -2 when a newer attempt has the batch.
]]
local function checkFence(runKey, fencesKey, batchKey, fence, allowed)
  local state = redis.call("HGET", runKey, "state")
  if not state or not allowed[state] then
    return -1
  end
  -- @safeguard checkpoint-fence
  if redis.call("HGET", fencesKey, batchKey) ~= fence then
    return -2
  end
  return 0
end
