--[[
  Takes one slot of an upstream's rolling window, or returns the time to wait. Idempotent: taking the same slot id
  again first returns the old slot, so a client that resends a command after a lost answer holds one slot, not two.

  KEYS[1]  slots  ZSET (window.lua)
  KEYS[2]  state  HASH (window.lua)
  ARGV[1]  slot id
  ARGV[2]  slots per window; 0 = unlimited
  ARGV[3]  µs from the grant at which the slot frees unless it is marked as sent (send delay + window + margin)
  ARGV[4]  µs by which a slot frees earlier than that when its request is sent at once
  ARGV[5]  what the caller knows of restarts (redis/lua/restart.lua)

  Returns {1, grant µs by the upstream's clock, consecutive overloads, run id, grant µs by TIME}   granted
          {0, µs to wait, code of the reason}             wait, then ask again
          {-1}                                            call again with the last argument in full
]]
--- @include "window.lua"
--- @include "../../redis/lua/restart.lua"
local slots, state = KEYS[1], KEYS[2]
local id, max, hold, sendDelay, told = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local now = nowUs()

redis.call("ZREM", slots, id)
local facts = redis.call("HMGET", state, "redisRunId", "settledRunId", "lastGrantAt", "overloads")
local runId = facts[1] or ""

if max > 0 then
  local holdUntil
  runId, holdUntil = checkRestart({
    key = state, field = "redisRunId", run_id = runId, settled_run_id = facts[2] or "",
    last_grant_at = tonumber(facts[3] or 0),
  }, told, now, hold)
  if not runId then
    return { -1 }
  end
  if holdUntil then
    block(state, now, holdUntil - now, "PROV_RATE_WAIT")
  end
end

local present, code, clamped = blockedUntil(state, now)
if present > now then
  if clamped then
    -- Stored in its present length, so that a wait from before Redis' clock went back has an end.
    redis.call("HSET", state, "blockedUntil", whole(present))
  end
  return { 0, present - now, code }
end

if max > 0 then
  redis.call("ZREMRANGEBYSCORE", slots, "-inf", whole(now))
  -- @safeguard slots-clamped
  clampSlots(slots, now, hold)
  local used = redis.call("ZCARD", slots)
  if used >= max then
    -- More than max slots exist after the rate was lowered: the excess must free first.
    local frees = redis.call("ZRANGE", slots, used - max, used - max, "WITHSCORES")
    local wait = tonumber(frees[2]) - now
    -- Not marked as sent yet, but it soon will be: the caller should ask at that time.
    if string.sub(frees[1], -1) ~= "+" then
      wait = math.max(wait - sendDelay, math.min(wait, 100000))
    end
    return { 0, wait, "PROV_RATE_WAIT" }
  end
  redis.call("ZADD", slots, whole(now + hold), id)
  redis.call("HSET", state, "lastGrantAt", whole(now))
end
return { 1, tick(state), tonumber(facts[4] or 0), runId, now }
