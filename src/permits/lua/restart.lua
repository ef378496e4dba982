--[[
  Included after pool.lua by the scripts that grant, or that find a lease unknown.
  restarted(told): nil when the caller must tell all that redis/lua/restart.lua wants, else the server's run id. After a
  restart no permit is given until every lease that may have been given before has ended by its holder's own clock.
]]
--- @include "../../redis/lua/restart.lua"
local function restarted(told)
  local runId, holdUntil = checkRestart({
    key = POOL, field = "runId", run_id = runIdStored, settled_run_id = settledRunId, last_grant_at = pool.lastGrantAt,
  }, told, now, LIFE)
  -- @safeguard restart-hold
  if holdUntil and holdUntil > pool.holdUntil then
    pool.holdUntil = holdUntil
    log("hold", "", "", 0, "d=" .. int(pool.holdUntil))
  end
  return runId
end
