--[[
  Gives a lease's permit back, and a waiter's place, so that what was kept for it goes to the next. Idempotent; of an
  unknown or ended lease, or one with another fence, it takes nothing.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] its provider, '' = not known
  ARGV[3] lease
  ARGV[4] its fence, 0 = whichever
  ARGV[5] waiter of the provider, '' = none

  Returns {1 when the permit was given back else 0, 1 when the waiter stood in the queue else 0, now}
]]
--- @include "pool.lua"
local lease, fence, waiter = ARGV[3], tonumber(ARGV[4]), ARGV[5]

local function giveBack()
  local facts = redis.call("HGET", LEASES, lease)
  local held = facts and readLease(facts)
  -- @safeguard release-owner
  if held and (fence == 0 or held.fence == fence) then
    drop(lease, held, "release", now)
    return 1
  end
  return 0
end

-- Mostly nothing is due and there are no waiters.
if quiet then
  local given = giveBack()
  if given > 0 then
    save()
  end
  return { given, 0, now }
end

--- @include "upkeep.lua"
--- @include "waiters.lua"
-- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees.
redis.call("HDEL", LEASES, "")
local freed = reap()
local given = giveBack()
local member = waiter ~= "" and redis.call("HGET", PLACES, itself .. "|" .. waiter)
if member then
  removeWaiter(member, itself, waiter)
end
if given > 0 or freed > 0 or member then
  hint()
end
save()
return { given, member and 1 or 0, now }
