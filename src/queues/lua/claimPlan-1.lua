--[[
  Decides which plan of schedules holds for the fleet: the plan of the live worker that started last. A claim holds
  for a while and is renewed by every call; when it has expired, the next caller's plan takes its place.
  KEYS[1] schedules, HASH
  ARGV[1] the caller's plan, JSON
  ARGV[2] when the caller started, µs by the clock in the hash
  ARGV[3] id of the caller
  ARGV[4] how long a claim holds, ms
  Returns { the plan that holds, 1 when this call changed it }
]]
--- @include "../../redis/lua/time.lua"
local schedules = KEYS[1]
local plan, since, caller, holdsMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local now = nowMs()
local held = redis.call("HMGET", schedules, "plan", "since", "by", "until")
local heldPlan, heldBy = held[1], held[3]
local heldSince, heldUntil = tonumber(held[2] or 0), tonumber(held[4] or 0)
-- After the clock went back, a claim holds no longer than a fresh one.
if heldPlan and heldUntil > now + holdsMs then
  redis.call("HSET", schedules, "until", string.format("%d", now + holdsMs))
end
local expired = heldUntil < now
if heldPlan and heldBy ~= caller and heldSince >= tonumber(since) and not expired then
  return { heldPlan, 0 }
end
local holdsUntil = string.format("%d", now + holdsMs)
redis.call("HSET", schedules, "plan", plan, "since", since, "by", caller, "until", holdsUntil)
return { plan, heldPlan == plan and 0 or 1 }
