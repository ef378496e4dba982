--[[
Included after pool.lua by the scripts that grant, or that find a lease unknown. A Redis that was started anew, and a replica
that took over, may have forgotten its last second of grants: nobody gets a permit until every lease that may have been
given before has ended by its holder's own clock.
]]
--- Returns 'ask' when the caller must look up the last clean stop first (cleanStop = -1), else the server's run id.
local function checkRestart(life, cleanStop, ownGrantAt, ownRunId)
  -- Read here, not by the client: a client's idea of who it talks to may be older than its connection.
  -- A user that may not read INFO goes without: nothing then tells a restart.
  local info = redis.pcall('INFO', 'server')
  local runId = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
  if runId == '' then return runId end
  local stored = text('runId')
  local storeIsOlder = stored ~= '' and stored ~= runId
  local callerIsOlder = ownRunId ~= '' and ownRunId ~= runId and text('settledRunId') ~= runId
  if storeIsOlder or callerIsOlder then
    if cleanStop < 0 then return 'ask' end
    -- Uptime is in whole seconds; the greater of the possible starts is the safe one.
    local started = (tonumber(clock[1]) - tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) + 1) * 1000000
    local lastGrantAt = get('lastGrantAt')
    if callerIsOlder then lastGrantAt = math.max(lastGrantAt, ownGrantAt) end
    if not (cleanStop > 0 and cleanStop >= lastGrantAt and cleanStop <= started) then
      -- Up since before the last grant: no restart, a replica took over, and it did so just now.
      local from = lastGrantAt > started and now or started
      if from + life > get('holdUntil') then
        set('holdUntil', from + life)
        log('hold', '', '', 0, 'd', int(from + life))
      end
    end
    set('settledRunId', runId)
  end
  set('runId', runId)
  return runId
end
