--[[
  Which plan of schedules holds for the fleet: that of the live worker that started last. Its word holds for a while and
  is renewed with every call; when it is gone, the newest of the others takes its place.
  KEYS[1] schedules HASH
  ARGV[1] the caller's plan, JSON  ARGV[2] when it started, µs by the clock in KEYS[1]  ARGV[3] its id  ARGV[4] ms that its word holds
  Returns { the plan that holds, 1 when this call changed it }
]]
--- @include "../../redis/lua/time.lua"
local now, holds = nowMs(), tonumber(ARGV[4])
local held = redis.call("HMGET", KEYS[1], "plan", "since", "by", "until")
local plan = held[1]
local older = plan and tonumber(held[2]) < tonumber(ARGV[2])
local gone = plan and tonumber(held[4]) < now
if plan and tonumber(held[4]) > now + holds then
  redis.call("HSET", KEYS[1], "until", string.format("%d", now + holds))
end
if plan and held[3] ~= ARGV[3] and not older and not gone then
  return { plan, 0 }
end
redis.call("HSET", KEYS[1], "plan", ARGV[1], "since", ARGV[2], "by", ARGV[3],
  "until", string.format("%d", now + holds))
return { ARGV[1], plan == ARGV[1] and 0 or 1 }
