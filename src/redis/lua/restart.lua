--[[
  Included by the scripts that grant under a lease or a window. A restarted Redis, or a replica that took over, may
  have lost its last second of grants: nothing is granted until every grant that may have existed has ended.

  checkRestart(store, told, now, span)
    store   {key = HASH, field = its field for the run id, run_id, settled_run_id, last_grant_at}: what it holds, ''
            and 0 for nothing. What is found out is written to it
    told    what the caller knows. Either the run id that this connection reported: if it equals the stored one, nothing
            has changed. Or in full, separated by blanks: µs by TIME of the last clean stop (0 = none, -1 = not looked
            up), µs of the caller's last grant (0 = none), run id of the Redis that gave it (may be empty)
    now     µs
    span    longest duration of a grant, µs
  Returns the run id of this Redis, '' when the user may not read INFO (then a restart cannot be detected), or nil when
  the caller must send all facts, including the clean stop; and µs before which nothing may be granted, nil for no wait.
]]
local function checkRestart(store, told, now, span)
  if store.run_id ~= "" and told == store.run_id then
    return told
  end
  local cleanStop, ownGrantAt, ownRunId = string.match(told, "^(-?%d+) (%d+) (%w*)$")
  if not cleanStop then
    return nil
  end
  cleanStop, ownGrantAt = tonumber(cleanStop), tonumber(ownGrantAt)
  -- Read here: a client's knowledge of the server may be older than its connection.
  local info = redis.pcall("INFO", "server")
  local runId = type(info) == "string" and string.match(info, "run_id:(%w+)") or ""
  if runId == "" then
    return ""
  end
  local storeIsOlder = store.run_id ~= "" and store.run_id ~= runId
  local callerIsOlder = ownRunId ~= "" and ownRunId ~= runId and store.settled_run_id ~= runId
  local restarted = storeIsOlder or callerIsOlder
  if restarted and cleanStop < 0 then
    return nil
  end
  if store.run_id ~= runId then
    redis.call("HSET", store.key, store.field, runId)
  end
  if not restarted then
    return runId
  end
  redis.call("HSET", store.key, "settledRunId", runId)
  -- Uptime is in whole seconds; the latest possible start is the safe one. Negative after the server's clock went
  -- back.
  local uptime = tonumber(string.match(info, "uptime_in_seconds:(-?%d+)"))
  local started = math.min(now, (math.floor(now / 1000000) - uptime + 1) * 1000000)
  local lastGrantAt = callerIsOlder and math.max(store.last_grant_at, ownGrantAt) or store.last_grant_at
  if cleanStop > 0 and cleanStop >= lastGrantAt and cleanStop <= started then
    return runId
  end
  -- Up since before the last grant: no restart, but a replica took over just now.
  return runId, (lastGrantAt > started and now or started) + span
end
