--[[
  Included after pool.lua by the scripts that look at more than one lease: a pool's first size, its providers, what is
  past its time, what is asked back, and the places of waiters.
]]
--- @include "../../redis/lua/time.lua"
local WAITERS, PLACES, UNTIL = base .. "waiters", base .. "waiter-places", base .. "waiter-deadlines"
--- Leases and waiters that one call ends at most.
local REAP = 64
local FIRST_SIZE, GRACE, STAY = string.match(settings, "^%d+ %d+ (%d+) (%d+) (%d+)$")
FIRST_SIZE, GRACE, STAY = tonumber(FIRST_SIZE), tonumber(GRACE), tonumber(STAY)
local found = redis.call("HMGET", POOL, "names", "settledRunId")
local names, settledRunId = found[1] or "", found[2] or ""

local function each()
  return string.gmatch(names, "[^|]+")
end

local function seedIfNew()
  if pool.size == 0 then
    pool.size = FIRST_SIZE
    log("seed", "", "", 0)
  end
end

local function know(p)
  if not string.find("|" .. names .. "|", "|" .. p .. "|", 1, true) then
    names = names == "" and p or names .. "|" .. p
    redis.call("HSET", POOL, "names", names)
  end
  return of(p)
end

--- The provider's permit time up to now.
local function passOf(p)
  local its = of(p)
  return its.pass + its.use * math.max(0, now - its.at)
end

local function rewriteLease(lease, held)
  local fence, since = int(held.fence), int(held.since)
  writeLease(lease, int(held.deadline), held.p, fence, since, held.asked, int(held.grace), held.owner)
end

--- Asks a lease back (1), or no longer (-1).
local function ask(held, permits)
  held.asked = held.asked + permits
  of(held.p).marked, pool.marked = of(held.p).marked + permits, pool.marked + permits
end

--- Every readable lease, in no order: its name and what it holds.
local function allLeases()
  local flat, found = redis.call("HGETALL", LEASES), {}
  for i = 1, #flat, 2 do
    local held = readLease(flat[i + 1])
    if held then
      held.lease = flat[i]
      found[#found + 1] = held
    end
  end
  return found
end

local function lapse(lease, held)
  drop(lease, held, held and held.grace > 0 and "enforce" or "expire", held and held.deadline)
end

--- nil when it is not readable.
local function readWaiter(member)
  local p, since, waiter = string.match(member, "^([^|]+)|%d+|%d+|%d+|(%d+)|(.*)$")
  return p and { member = member, p = p, since = since, waiter = waiter }
end

local function removeWaiter(member, p, waiter)
  redis.call("ZREM", WAITERS, member)
  redis.call("HDEL", PLACES, p .. "|" .. waiter)
  redis.call("ZREM", UNTIL, member)
  of(p).queue, pool.waiting = of(p).queue - 1, pool.waiting - 1
end

--- Redis' clock is behind the one by which the pool was changed last: whatever ends farther away than it can, ends one
--- life, grace, stay or hold from now. So a step back never keeps a dead holder's permit for longer than one lease.
local function clockWentBack()
  redis.call("HDEL", LEASES, "")
  pool.nextEnd = NEVER
  for _, held in ipairs(allLeases()) do
    held.deadline, held.since = nearest(held.deadline, now, LIFE), math.min(held.since, now)
    if held.grace > 0 then
      held.grace = nearest(held.grace, now, GRACE)
    end
    pool.nextEnd = math.min(pool.nextEnd, held.deadline)
    rewriteLease(held.lease, held)
  end
  for _, member in ipairs(redis.call("ZRANGEBYSCORE", UNTIL, "(" .. int(now + STAY), "+inf")) do
    redis.call("ZADD", UNTIL, int(now + STAY), member)
  end
  for p in each() do
    of(p).at = math.min(of(p).at, now)
  end
  pool.holdUntil, pool.lastGrantAt = nearest(pool.holdUntil, now, LIFE), math.min(pool.lastGrantAt, now)
end

--- Ends what is past its time: at most REAP leases and waiters a call, the oldest first. Leases are only looked at when
--- the earliest of all deadlines (`nextEnd`, which renewals leave behind) has passed. Returns how many leases ended.
local function reap()
  if quiet then
    return 0
  end
  -- @safeguard leases-clamped
  if now < pool.clock then
    clockWentBack()
  end
  local ended = {}
  if now >= pool.nextEnd then
    pool.nextEnd = NEVER
    for _, held in ipairs(allLeases()) do
      if held.deadline <= now then
        ended[#ended + 1] = held
      else
        pool.nextEnd = math.min(pool.nextEnd, held.deadline)
      end
    end
    table.sort(ended, function(a, b)
      if a.deadline ~= b.deadline then
        return a.deadline < b.deadline
      end
      return a.lease < b.lease
    end)
    for i = 1, math.min(#ended, REAP) do
      lapse(ended[i].lease, ended[i])
    end
    if #ended > REAP then
      pool.nextEnd = now
    end
  end
  local room = REAP - math.min(#ended, REAP)
  if room > 0 and pool.waiting > 0 then
    for _, member in ipairs(redis.call("ZRANGEBYSCORE", UNTIL, "-inf", int(now), "LIMIT", 0, room)) do
      local waiter = readWaiter(member)
      removeWaiter(member, waiter.p, waiter.waiter)
    end
  end
  return #ended
end

--- What a lease holds while it lives (`facts`: as stored); one that ended and was not reaped yet is ended here and now.
local function living(lease, facts)
  if not facts then
    return nil
  end
  local held = readLease(facts)
  if held and held.deadline > now then
    return held
  end
  lapse(lease, held)
  return nil
end

--- Gives the lease its life from now on; a holder that was asked for its permit gets no more than its grace.
local function extend(held)
  held.deadline = now + LIFE
  if held.grace > 0 then
    held.deadline = math.min(held.deadline, held.grace)
  end
  pool.nextEnd = math.min(pool.nextEnd, held.deadline)
end

--- Is a lease that was asked back still wanted? Tells its holder, and renews it. Returns µs to live, 1 when it may be
--- kept else 0, µs of grace.
local function renewed(lease, held)
  if held.asked > 0 then
    if pool.used - (pool.marked - 1) <= effective() then
      ask(held, -1)
      held.grace = 0
      log("reprieve", lease, held.p, 1)
    elseif held.grace == 0 then
      held.grace = now + GRACE
      log("told", lease, held.p, 1, "keep=0,d=" .. int(held.grace))
    end
  end
  extend(held)
  rewriteLease(lease, held)
  return held.deadline - now, 1 - held.asked, held.grace > 0 and held.grace - now or 0
end
