--[[
  Gives up a waiter's place, so that what was kept for it goes to the next.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] provider
  ARGV[3] waiter

  Returns {1 when it stood in the queue else 0, now}
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
--- @include "waiters.lua"
local p, waiter = ARGV[2], ARGV[3]
redis.call("HDEL", LEASES, "")
reap()
local member = redis.call("HGET", PLACES, p .. "|" .. waiter)
if member then
  removeWaiter(member, p, waiter)
  hint()
end
save()
return { member and 1 or 0, now }
