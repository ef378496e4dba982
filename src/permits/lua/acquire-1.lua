--[[
  Grants one permit under a lease, or keeps the caller's place among the waiters. Idempotent by lease: one that lives gets
  the same grant again, renewed.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] lease
  ARGV[3] provider
  ARGV[4] waiter: who waits, over several requests
  ARGV[5] owner: text for people
  ARGV[6] what the caller knows of restarts (redis/lua/restart.lua)
  ARGV[7] lease to give back first, '' = none
  ARGV[8] its fence

  Returns {1, fence, µs to live, 1 when it may be kept else 0, µs of grace, now, run id}   granted
          {0, waiters of this provider ahead, µs after which to ask again, last hint, reason, now}
                                                                          reason: full | turn | restart
          {-1}                                                            call again with ARGV[6] in full
]]
--- @include "pool.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
local lease, p, waiter, owner, told = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local oldLease, oldFence = ARGV[7], tonumber(ARGV[8])

local runId = restarted(told)
if runId == "ask" then
  return { -1 }
end
seedIfNew()
know(p)
local freed = reap()
local known, returned = redis.call("HMGET", LEASES, lease, oldLease), nil
if oldLease ~= "" then
  local old = known[2] and readLease(known[2])
  if old and old.fence == oldFence then
    drop(oldLease, old, nil, now)
    freed, returned = freed + 1, old.p
    if oldLease == lease then
      known[1] = false
    end
  end
end

local held = living(lease, known[1])
local free, restarting = effective() - pool.used, pool.holdUntil > now
local mayTake, member = free > 0 and not restarting, nil
if not held and (not mayTake or pool.waiting > 0) then
  member = queue().stand(p, waiter)
  mayTake = mayTake and queue().isTurn(member, free)
end
if returned and (held or not mayTake) then
  log("release", oldLease, returned, 1, "d=" .. nowText)
end

if held then
  local left, keep, graceLeft = renewed(lease, held)
  if freed > 0 then
    hint()
  end
  save()
  return { 1, held.fence, left, keep, graceLeft, now, runId }
end

if not mayTake then
  -- The earliest end of a lease may be later than that: then the next look finds nothing, and comes a little early.
  local wait, reason = math.max(0, math.min(LIFE, pool.nextEnd - now)), free > 0 and "turn" or "full"
  if restarting then
    wait, reason = pool.holdUntil - now, "restart"
  end
  if freed > 0 then
    hint()
  end
  save()
  local ahead = redis.call("ZLEXCOUNT", WAITERS, "[" .. p .. "|", "(" .. member)
  return { 0, ahead, wait, pool.wake, reason, now }
end

if member then
  removeWaiter(member, p, waiter)
elseif pool.used > 0 and of(p).use == 0 then
  queue().awake(p)
end
pool.fence, pool.lastGrantAt = math.max(pool.fence + 1, now), now
held = { p = p, fence = pool.fence, since = now, asked = 0, grace = 0, owner = owner }
hold(p, 1)
extend(held)
writeLease(lease, held)
if returned then
  log("grant", lease, p, 1, "f=" .. int(held.fence), "o", oldLease)
else
  log("grant", lease, p, 1, "f=" .. int(held.fence))
end
if freed > 0 then
  hint()
end
save()
return { 1, held.fence, held.deadline - now, 1, 0, now, runId }
