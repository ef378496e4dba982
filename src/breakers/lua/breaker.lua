--[[
  Included by every script of a breaker. Its HASH is a machine's (machines/lua/transition.lua), with beside those fields:
    failures                                     calls of the fleet that failed in a row
    failed_probes                                probes that failed in a row since it opened
    opened_at                                    ISO: when it left `closed`; absent while closed
    token probe_by probe_since probe_until_ms probe_lease_ms    the probe under way: who holds its token, since when
                                                 (ISO), the lease's end and its length
    failed_code failed_message failed_at         the last failure that counted
    calls successes failed ignored rejections opens    counted since ever

  moveBreaker(keys, events, asked, wait_ms): takes the machine through the events. asked: {actor, kind?, reason, code?, kept}
  breakerReply(keys, result): result, the HASH's fields and Redis' time as one JSON text.
]]
--- @include "../../machines/lua/breakerMachine.lua"
--- @include "../../machines/lua/transition.lua"
local function count(keys, what)
  redis.call("HINCRBY", keys.machine, what, 1)
end

local function moveBreaker(keys, events, asked, wait_ms)
  local counted = redis.call("HMGET", keys.machine, "failures", "failed_probes")
  wait_ms = wait_ms and math.ceil(wait_ms)
  local details = {
    failures = tonumber(counted[1] or "0"),
    failed_probes = tonumber(counted[2] or "0"),
    code = asked.code,
    wait_ms = wait_ms,
  }
  return transition(keys, breakerMachine, {
    events = events,
    actor = asked.actor,
    kind = asked.kind or "engine",
    reason = asked.reason,
    details = cjson.encode(details),
    wait_ms = wait_ms,
    expect = asked.expect,
    kept = asked.kept,
  })
end

local function forgetProbe(keys)
  redis.call("HDEL", keys.machine, "token", "probe_by", "probe_since", "probe_until_ms", "probe_lease_ms")
end

local function forgetFailures(keys)
  redis.call("HDEL", keys.machine, "failures", "failed_probes", "opened_at")
end

local function breakerReply(keys, result)
  return transitionReply(keys, result)
end
