--[[
  Records the result of a call. A call counts only if it began under the current version of the breaker; in the
  half-open state, only the call that holds the token counts. Late results neither close nor open the breaker.

  KEYS[1]  breaker HASH
  KEYS[2]  transitions STREAM
  ARGV[1]  JSON {version, token?, outcome (success | failure | nothing), code?, message?, threshold,
           openMs, pauseMs, actor, reason?, kept}
             openMs   how long the breaker stays open if this result opens it
             pauseMs  how long it stays open if the probe learned nothing

  Returns JSON {verdict (counted | ignored), moves?, machine, now}
]]
--- @include "breaker.lua"
local breaker, history = KEYS[1], KEYS[2]
local asked = cjson.decode(ARGV[1])

local keys = { machine = breaker, history = history }
local stored = redis.call("HMGET", breaker, "state", "version", "token")
local state = stored[1] or breakerMachine.initial
local mine = tonumber(stored[2] or "0") == asked.version and (state == "closed" or stored[3] == asked.token)
if not mine or asked.outcome == "nothing" then
  count(keys, "ignored")
end
if not mine then
  return breakerReply(keys, { verdict = "ignored" })
end

if asked.outcome == "success" then
  count(keys, "successes")
elseif asked.outcome == "failure" then
  count(keys, "failed")
  count(keys, "failures")
  redis.call(
    "HSET", breaker,
    "failed_code", asked.code,
    "failed_message", asked.message,
    "failed_at", isoTime(nowMs())
  )
end

local moved = {}
if state == "closed" then
  if asked.outcome == "success" then
    redis.call("HDEL", breaker, "failures")
  elseif asked.outcome == "failure" and tonumber(redis.call("HGET", breaker, "failures")) >= asked.threshold then
    moved = moveBreaker(keys, { "trip" }, asked, asked.openMs)
    redis.call("HSET", breaker, "opened_at", moved.moves[1].at)
    count(keys, "opens")
  end
elseif state == "half_open" then
  if asked.outcome == "success" then
    moved = moveBreaker(keys, { "probe_succeeded" }, asked)
    forgetFailures(keys)
  elseif asked.outcome == "failure" then
    count(keys, "failed_probes")
    moved = moveBreaker(keys, { "probe_failed" }, asked, asked.openMs)
    count(keys, "opens")
  else
    moved = moveBreaker(keys, { "probe_void" }, asked, asked.pauseMs)
  end
  forgetProbe(keys)
end
return breakerReply(keys, { verdict = "counted", moves = moved.moves })
