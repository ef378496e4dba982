--[[
  Which plan of schedules holds for the fleet: that of the live worker that started last. Its word holds for a while and
  is renewed with every call; when it is gone, the newest of the others takes its place.
  KEYS[1] schedules HASH
  ARGV[1] the caller's plan, JSON  ARGV[2] µs by Redis TIME at which it started  ARGV[3] its id  ARGV[4] ms that its word holds
  Returns { the plan that holds, 1 when this call changed it }
]]
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local held = redis.call("HMGET", KEYS[1], "plan", "since", "by", "until")
local plan = held[1]
local older = plan and tonumber(held[2]) < tonumber(ARGV[2])
local gone = plan and tonumber(held[4]) < now
if plan and held[3] ~= ARGV[3] and not older and not gone then
  return { plan, 0 }
end
redis.call("HSET", KEYS[1], "plan", ARGV[1], "since", ARGV[2], "by", ARGV[3],
  "until", string.format("%d", now + tonumber(ARGV[4])))
return { ARGV[1], plan == ARGV[1] and 0 or 1 }
