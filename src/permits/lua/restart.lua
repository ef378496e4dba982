--[[
Included after pool.lua by the scripts that grant, or that find a lease unknown. A Redis that was started anew, and a replica
that took over, may have forgotten its last second of grants: nobody gets a permit until every lease that may have been
given before has ended by its holder's own clock.
]]
--- origin: the run id that the caller was told on this very connection; where it is the stored one, nothing has changed.
--- Or in full: 'µs by TIME of the last clean stop, 0 = none, -1 = not looked up; µs of the caller's last grant, 0 = none;
--- run id of the Redis that gave it, may be empty', parted by blanks.
--- Returns 'ask' when the caller must tell all that, else the server's run id.
local function checkRestart(origin)
  if runIdStored ~= '' and origin == runIdStored then return origin end
  local cleanStop, ownGrantAt, ownRunId = string.match(origin, '^(-?%d+) (%d+) (%w*)$')
  if not cleanStop then return 'ask' end
  cleanStop, ownGrantAt = tonumber(cleanStop), tonumber(ownGrantAt)
  -- Read here: a client's idea of who it talks to may be older than its connection.
  -- A user that may not read INFO goes without: nothing then tells a restart.
  local info = redis.pcall('INFO', 'server')
  local runId = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
  if runId == '' then return runId end
  local storeIsOlder = runIdStored ~= '' and runIdStored ~= runId
  local callerIsOlder = ownRunId ~= '' and ownRunId ~= runId and settledRunId ~= runId
  if storeIsOlder or callerIsOlder then
    if cleanStop < 0 then return 'ask' end
    -- Uptime is in whole seconds; the greater of the possible starts is the safe one.
    local started = (tonumber(clock[1]) - tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) + 1) * 1000000
    local lastGrantAt = pool.lastGrantAt
    if callerIsOlder then lastGrantAt = math.max(lastGrantAt, ownGrantAt) end
    if not (cleanStop > 0 and cleanStop >= lastGrantAt and cleanStop <= started) then
      -- Up since before the last grant: no restart, a replica took over, and it did so just now.
      local from = lastGrantAt > started and now or started
      -- @safeguard restart-hold
      if from + LIFE > pool.holdUntil then
        pool.holdUntil = from + LIFE
        log('hold', '', '', 0, 'd=' .. int(pool.holdUntil))
      end
    end
    redis.call('HSET', POOL, 'settledRunId', runId)
  end
  if runIdStored ~= runId then redis.call('HSET', POOL, 'runId', runId) end
  return runId
end
