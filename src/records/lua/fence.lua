--[[
  Included by the scripts that write in the name of an attempt.
  refusal(run_key, fences_key, wanted_state, batch, fence)  nil when the attempt may write; else why not: -1 the run is
    not in the wanted state, -2 the batch has a newer attempt
]]
local RUN_CLOSED, FENCED = -1, -2
local function refusal(run_key, fences_key, wanted_state, batch, fence)
  -- @safeguard closed-run
  if redis.call("HGET", run_key, "state") ~= wanted_state then
    return RUN_CLOSED
  end
  -- @safeguard commit-fence
  if redis.call("HGET", fences_key, batch) ~= fence then
    return FENCED
  end
  return nil
end
