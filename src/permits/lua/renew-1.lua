--[[
  Renews a lease and tells its holder whether it may keep the permit.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] its provider, '' = not known
  ARGV[3] lease
  ARGV[4] its fence, 0 = whichever
  ARGV[5] told: what the caller knows of restarts (redis/lua/restart.lua)

  Returns {1, 1 when it may be kept else 0, µs to live, µs of grace, now}
          {0, now}   no such lease: its holder must stop
          {-1}       call again with `told` in full
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, fence, told = ARGV[3], tonumber(ARGV[4]), ARGV[5]
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call("HDEL", LEASES, "")
local freed = reap()
local held = living(lease, redis.call("HGET", LEASES, lease))
local mine = held and (fence == 0 or held.fence == fence)
-- Asking is telling: a Redis that lost everything learns of the leases that it gave in its former life.
local runId = held and "" or restarted(told)
if freed > 0 and runId then
  hint()
end
if not mine then
  save()
  return runId and { 0, now } or { -1 }
end
local left, keep, graceLeft = renewed(lease, held)
save()
return { 1, keep, left, graceLeft, now }
