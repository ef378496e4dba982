--[[
  Gives a lease's permit back. Idempotent; of an unknown or ended lease, or one with another fence, it takes nothing.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] lease
  ARGV[3] its fence, 0 = whichever

  Returns {1 when the permit was given back else 0, now}
]]
--- @include "pool.lua"
--- @include "waiters.lua"
local lease, fence = ARGV[2], tonumber(ARGV[3])
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call("HDEL", LEASES, "")
local freed = reap()
local facts = redis.call("HGET", LEASES, lease)
local held = facts and readLease(facts)
local given = 0
-- @safeguard release-owner
if held and (fence == 0 or held.fence == fence) then
  given = 1
  drop(lease, held, "release", now)
end
if given > 0 or freed > 0 then
  hint()
end
save()
return { given, now }
