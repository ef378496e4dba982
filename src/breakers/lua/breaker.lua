--[[
  Included by every script of a breaker. Its HASH is that of a machine (machines/lua/transition.lua) with these
  additional fields:
    failures                                     consecutive failed calls of the fleet
    failed_probes                                consecutive failed probes since it opened
    opened_at                                    ISO time when it left `closed`; absent while closed
    token probe_by probe_since probe_until_ms probe_lease_ms
                                                 current probe: token, holder, start (ISO), end and length of its
                                                 lease
    failed_code failed_message failed_at         the last failure that counted
    calls successes failed ignored rejections opens
                                                 totals since the HASH was created

  moveBreaker(keys, events, asked, wait_ms): applies the events to the machine.
    asked: {actor, kind?, reason, code?, kept}
  breakerReply(keys, result): result, the fields of the HASH and the time of Redis as one JSON text.
]]
--- @define breakerMachine
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
