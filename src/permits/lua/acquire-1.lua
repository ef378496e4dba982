--[[
  Grants one permit under a lease, or keeps the caller's place among the waiters. Idempotent by lease: one that lives
  gets the same grant again, renewed.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] provider
  ARGV[3] lease
  ARGV[4] waiter: who waits, over several requests
  ARGV[5] owner: text for people
  ARGV[6] told: what the caller knows of restarts (redis/lua/restart.lua)
  ARGV[7] lease to give back first, '' = none
  ARGV[8] its fence

  Returns now: granted for a whole life; the fence is `now`, and the run id is as the caller told
          {1, fence, µs to live, 1 when it may be kept else 0, µs of grace, now, run id}: granted
          {0, waiters of this provider ahead, µs after which to ask again, last hint, reason, now}: reason is full, turn
            or restart
          {-1}: call again with `told` in full
]]
--- @include "pool.lua"
local p, lease, waiter, owner, told = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local oldLease, oldFence = ARGV[7], tonumber(ARGV[8])
local freed, runId, member, wake = 0, told, nil, nil

--- What is stored of the lease asked for, and the old one where it is to be given back.
local facts = redis.call("HMGET", LEASES, lease, oldLease)
local old = facts[2] and readLease(facts[2])
local isOld = old and old.fence == oldFence
local its, rest = providers[p], isOld and pool.used - 1 or pool.used
-- Mostly nothing is due, Redis and the provider are known, and a permit is free: then the rules below have no say.
local plain = its and quiet and told == runIdStored and not facts[1] and pool.holdUntil <= now and rest < effective()
  and (not isOld or old.p == p) and (rest == 0 or its.use > pool.used - rest)

if plain then
  if isOld then
    drop(oldLease, old, nil, now)
  end
else
--- @include "upkeep.lua"
--- @include "waiters.lua"
--- @include "restart.lua"
  runId = restarted(told)
  if not runId then
    return { -1 }
  end
  seedIfNew()
  know(p)
  freed = reap()
  facts = redis.call("HMGET", LEASES, lease, oldLease)
  isOld = isOld and facts[2]
  if isOld then
    drop(oldLease, old, nil, now)
    freed = freed + 1
  end

  local held = living(lease, not (isOld and lease == oldLease) and facts[1])
  local free, restarting = effective() - pool.used, pool.holdUntil > now
  local mayTake = free > 0 and not restarting
  if not held and (not mayTake or pool.waiting > 0) then
    member = stand(p, waiter)
    mayTake = mayTake and isTurn(member, free)
  end
  if isOld and (held or not mayTake) then
    log("release", oldLease, old.p, 1, "d=" .. nowText)
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
  else
    awake(p)
  end
  wake = freed > 0 and hint
end

pool.fence, pool.lastGrantAt = math.max(pool.fence + 1, now), now
pool.nextEnd = math.min(pool.nextEnd, now + LIFE)
hold(p, 1)
local fence = pool.fence == now and nowText or int(pool.fence)
writeLease(lease, int(now + LIFE), p, fence, nowText, 0, 0, owner)
if isOld then
  log("grant", lease, p, 1, "f=" .. fence, "o", oldLease)
else
  log("grant", lease, p, 1, "f=" .. fence)
end
if wake then
  wake()
end
save()
if plain and pool.fence == now then
  return now
end
return { 1, pool.fence, LIFE, 1, 0, now, runId }
