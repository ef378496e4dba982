--[[
  Decides whether a call may be made now. The first caller that offers a token after the open period ends becomes the
  probe.

  KEYS[1]  breaker HASH
  KEYS[2]  transitions STREAM
  ARGV[1]  JSON {mode, actor, kept, token?, leaseMs?}
             mode  call   a call begins
                   again  an admitted call waited for its turn; it is not counted twice
                   probe  a call begins and takes the token if it is available
                   renew  a probe goes on: renews the lease of its token

  Returns JSON {verdict, moves?, machine, now}:
    pass · probe (the caller holds the token) · due (ask again with `probe`) · refused
]]
--- @include "breaker.lua"
local breaker, history = KEYS[1], KEYS[2]
local asked = cjson.decode(ARGV[1])

local keys = { machine = breaker, history = history }
local function holdToken()
  local lease = asked.leaseMs
  redis.call("HSET", breaker, "probe_until_ms", string.format("%.0f", nowMs() + lease),
    "probe_lease_ms", string.format("%.0f", lease))
end

if asked.mode == "renew" then
  if redis.call("HGET", breaker, "token") ~= asked.token then
    return breakerReply(keys, { verdict = "refused" })
  end
  holdToken()
  return breakerReply(keys, { verdict = "probe" })
end
local stored = redis.call("HMGET", breaker, "state", "until_ms", "probe_until_ms", "wait_ms", "probe_lease_ms")
local state = stored[1] or breakerMachine.initial
if state == "closed" then
  if asked.mode ~= "again" then
    count(keys, "calls")
  end
  return breakerReply(keys, { verdict = "pass" })
end

local now = nowMs()
local probing = state == "half_open"
local field = probing and "probe_until_ms" or "until_ms"
local lasts = tonumber((probing and stored[3] or stored[2]) or "0")
local longest = tonumber((probing and stored[5] or stored[4]) or "0")
if longest > 0 and lasts > now + longest then
  lasts = nearest(lasts, now, longest)
  redis.call("HSET", breaker, field, string.format("%.0f", lasts))
  if not probing then
    redis.call("HSET", breaker, "until", isoTime(lasts))
  end
end
if lasts > now or asked.mode == "again" then
  count(keys, "rejections")
  return breakerReply(keys, { verdict = "refused" })
end
if asked.mode == "call" then
  return breakerReply(keys, { verdict = "due" })
end

local moves = {}
if state == "half_open" then
  local who = redis.call("HGET", breaker, "probe_by") or "an unknown process"
  local lost = moveBreaker(keys, { "prober_lost" }, {
    actor = asked.actor,
    kept = asked.kept,
    reason = "the lease of the probe by " .. who .. " ran out",
  })
  moves = lost.moves or {}
end
local begun = moveBreaker(keys, { "probe_begins" }, asked)
if begun.kind ~= "moved" then
  -- A state that this version does not know was stored by a newer one.
  count(keys, "rejections")
  return breakerReply(keys, { verdict = "refused" })
end
moves[#moves + 1] = begun.moves[1]
redis.call("HSET", breaker, "token", asked.token, "probe_by", asked.actor, "probe_since", isoTime(now))
holdToken()
count(keys, "calls")
return breakerReply(keys, { verdict = "probe", moves = moves })
