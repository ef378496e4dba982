--[[
  Included by the scripts of an upstream's rolling window. All times are µs by Redis TIME.
    slots  ZSET: slot -> when it frees; "<id>" granted, "<id>+" its request was sent
    state  HASH: clock (redis/lua/clock.lua), redisRunId, settledRunId, lastGrantAt,
                 blockedUntil, blockedFor (length of that wait), blockedCode, overloads, overloadedAt

  blockedUntil(state, now)             end of the wait that the upstream requested (0 = none), its code, and whether
  that
                                       is earlier than stored
  block(state, now, wait, code)        begins a wait unless a longer one lasts; returns its end
  clampSlots(slots, now, hold)         a slot that frees later than any slot can was taken before Redis' clock went
  back:
                                       it is held once more from now
]]
--- @include "../../redis/lua/clock.lua"
local function whole(number)
  return string.format("%.0f", number)
end

local function blockedUntil(state, now)
  local stored = redis.call("HMGET", state, "blockedUntil", "blockedFor", "blockedCode")
  local known, length = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
  local ends = length > 0 and nearest(known, now, length) or known
  return ends, stored[3] or "PROV_THROTTLED", ends < known
end

local function block(state, now, wait, code)
  local ends, present = now + wait, blockedUntil(state, now)
  if ends <= present then
    return present
  end
  redis.call("HSET", state, "blockedUntil", whole(ends), "blockedFor", whole(wait), "blockedCode", code)
  return ends
end

local function clampSlots(slots, now, hold)
  for _, slot in ipairs(redis.call("ZRANGEBYSCORE", slots, "(" .. whole(now + hold), "+inf")) do
    redis.call("ZADD", slots, whole(now + hold), slot)
  end
end
