--[[
  Included by the scripts that grant under a lease or a window. A Redis that was started again, and a replica that took
  over, may have forgotten its last second of grants: nothing is granted until everything that may have been granted before
  has ended.

  checkRestart(known, told, now, span)
    known   {run_id, settled_run_id, last_grant_at}   what the store knows: '' and 0 = nothing
    told    what the caller knows. The run id that it was told on this very connection; where it is the stored one, nothing
            has changed. Or in full, parted by blanks: µs by TIME of the last clean stop (0 = none, -1 = not looked up), µs
            of the caller's last grant (0 = none), run id of the Redis that gave it (may be empty)
    now     µs
    span    how long a grant may last, µs
  Returns a table: ask = true      the caller must tell all that, clean stop included
                   run_id          of this Redis; '' where the user may not read INFO: nothing then tells a restart
                   hold_until      µs: nothing may be granted before; absent: nothing is to be waited for
                   settled = true  a restart was judged: to be stored as settled_run_id
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
  -- Read here: a client's idea of who it talks to may be older than its connection.
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
  -- Uptime is in whole seconds; the greater of the possible starts is the safe one. Negative after its clock went back.
  local uptime = tonumber(string.match(info, "uptime_in_seconds:(-?%d+)"))
  local started = math.min(now, (math.floor(now / 1000000) - uptime + 1) * 1000000)
  local lastGrantAt = known.last_grant_at
  if callerIsOlder then
    lastGrantAt = math.max(lastGrantAt, ownGrantAt)
  end
  if cleanStop > 0 and cleanStop >= lastGrantAt and cleanStop <= started then
    return { run_id = runId, settled = true }
  end
  -- Up since before the last grant: no restart, a replica took over, and it did so just now.
  local from = lastGrantAt > started and now or started
  return { run_id = runId, settled = true, hold_until = from + span }
end
