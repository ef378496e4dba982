--[[
  Included after pool.lua by the scripts that grant, or that find a lease unknown.
  restarted(told): 'ask' when the caller must tell all that redis/lua/restart.lua wants, else the server's run id. After
  a restart no permit is given until every lease that may have been given before has ended by its holder's own clock.
]]
--- @include "../../redis/lua/restart.lua"
local function restarted(told)
  if runIdStored ~= "" and told == runIdStored then
    return told
  end
  local known = { run_id = runIdStored, settled_run_id = settledRunId, last_grant_at = pool.lastGrantAt }
  local restart = checkRestart(known, told, now, LIFE)
  if restart.ask then
    return "ask"
  end
  -- @safeguard restart-hold
  if restart.hold_until and restart.hold_until > pool.holdUntil then
    pool.holdUntil = restart.hold_until
    log("hold", "", "", 0, "d=" .. int(pool.holdUntil))
  end
  if restart.settled then
    redis.call("HSET", POOL, "settledRunId", restart.run_id)
  end
  if restart.run_id ~= "" and runIdStored ~= restart.run_id then
    redis.call("HSET", POOL, "runId", restart.run_id)
  end
  return restart.run_id
end
