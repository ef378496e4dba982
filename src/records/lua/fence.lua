-- May this attempt write? Nil, or why not: -1 the run is not in the wanted state, -2 the batch has a newer attempt.
-- KEYS[1] run, KEYS[2] fences.
local RUN_CLOSED, FENCED = -1, -2
local function refusal(wanted_state, batch, fence)
  -- @safeguard closed-run
  if redis.call('HGET', KEYS[1], 'state') ~= wanted_state then
    return RUN_CLOSED
  end
  -- @safeguard commit-fence
  if redis.call('HGET', KEYS[2], batch) ~= fence then
    return FENCED
  end
  return nil
end
