--[[
  Included by the scripts that grant under a lease or a window. A restarted Redis, or a replica that took over, may
  have lost its last second of grants: nothing is granted until every grant that may have existed has ended.

  checkRestart(known, told, now, span)
    known   {run_id, settled_run_id, last_grant_at}   what the store knows: '' and 0 = nothing
    told    what the caller knows. Either the run id that this connection reported: if it equals the stored one,
    nothing
            has changed. Or in full, separated by blanks: µs by TIME of the last clean stop (0 = none, -1 = not looked
            up),
            µs of the caller's last grant (0 = none), run id of the Redis that gave it (may be empty)
    now     µs
    span    longest duration of a grant, µs
  Returns a table:
    ask = true      the caller must send all facts, including the clean stop
    run_id          of this Redis; '' when the user may not read INFO: then a restart cannot be detected
    hold_until      µs: nothing may be granted before; absent: no wait is needed
    settled = true  a restart was evaluated: to be stored as settled_run_id
]]
local function checkRestart(known, told, now, span)
  if known.run_id ~= "" and told == known.run_id then
    return { run_id = told }
  end
  local cleanStop, ownGrantAt, ownRunId = string.match(told, "^(-?%d+) (%d+) (%w*)$")
  if not cleanStop then
    return { ask = true }
  end
  cleanStop, ownGrantAt = tonumber(cleanStop), tonumber(ownGrantAt)
  -- Read here: a client's knowledge of the server may be older than its connection.
  local info = redis.pcall("INFO", "server")
  local runId = type(info) == "string" and string.match(info, "run_id:(%w+)") or ""
  if runId == "" then
    return { run_id = "" }
  end
  local storeIsOlder = known.run_id ~= "" and known.run_id ~= runId
  local callerIsOlder = ownRunId ~= "" and ownRunId ~= runId and known.settled_run_id ~= runId
  if not storeIsOlder and not callerIsOlder then
    return { run_id = runId }
  end
  if cleanStop < 0 then
    return { ask = true }
  end
  -- Uptime is in whole seconds; the latest possible start is the safe one. Negative after the server's clock went
  -- back.
  local uptime = tonumber(string.match(info, "uptime_in_seconds:(-?%d+)"))
  local started = math.min(now, (math.floor(now / 1000000) - uptime + 1) * 1000000)
  local lastGrantAt = known.last_grant_at
  if callerIsOlder then
    lastGrantAt = math.max(lastGrantAt, ownGrantAt)
  end
  if cleanStop > 0 and cleanStop >= lastGrantAt and cleanStop <= started then
    return { run_id = runId, settled = true }
  end
  -- Up since before the last grant: no restart, but a replica took over just now.
  local from = lastGrantAt > started and now or started
  return { run_id = runId, settled = true, hold_until = from + span }
end
