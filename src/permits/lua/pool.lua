--[[
  Included by every script of the permit pool: its keys, its clock, its numbers, and the few steps that change what is held.
  All times are µs by Redis TIME; a script has one `now`.

  KEYS[1] pool     HASH  'pool' -> numbers of the whole pool, 'p:<provider>' -> numbers of a provider (formats.lua),
                         'names' -> 'cve|cwe|…', 'runId' -> of the Redis that we are in, 'settledRunId' -> of the one that
                         waited after a restart
  Beside it, with another last word (all of one hash tag):
    leases     HASH    lease -> 'deadline|1|provider|fence|since|asked|graceUntil|owner': asked: 1 = it is asked back,
                       graceUntil = until when, 0 until its holder was told
    waiters    ZSET    (lexical) 'provider|arrival|1|1|since|waiter'
    waiter-places     HASH  'provider|waiter' -> its member of waiters
    waiter-deadlines  ZSET  member of waiters -> deadline of its place
    log        STREAM  of events, bounded: field e = 'event t provider permits used size extras lease', extras = 'f=…,d=…'
                       or '-'. A grant has its fence f, an end of a lease the time d at which it ended. The field o names a
                       lease that was given back in the same step, first. What people did has the fields v (value), c
                       (configured size), a (actor), r (reason) too
    wake       STREAM  of hints, ids '<n>-0'
  ARGV[1] life of a lease µs, log length, size of a pool that has none yet, grace µs, µs for which a waiter's place is kept:
          parted by blanks
]]
--- @include "formats.lua"
--- @include "../../redis/lua/time.lua"
local POOL = KEYS[1]
local base = string.sub(POOL, 1, -5)
local LEASES, LOG, WAKE = base .. "leases", base .. "log", base .. "wake"
local WAITERS, PLACES, UNTIL = base .. "waiters", base .. "waiter-places", base .. "waiter-deadlines"
--- Leases and waiters that one call ends at most.
local REAP = 64

local LIFE, LOG_LENGTH, FIRST_SIZE, GRACE, STAY = string.match(ARGV[1], "^(%d+) (%d+) (%d+) (%d+) (%d+)$")
LIFE, GRACE, STAY = tonumber(LIFE), tonumber(GRACE), tonumber(STAY)
local now = nowUs()
local nowText = string.format("%.0f", now)

local function int(number)
  return string.format("%.0f", number)
end

local stored = redis.call("HMGET", POOL, "pool", "names", "runId", "settledRunId")
local pool, providers = unpackPool(stored[1]), {}
local names, runIdStored, settledRunId = stored[2] or "", stored[3] or "", stored[4] or ""

--- A provider's numbers; what is changed in them is kept by `save`.
local function of(p)
  if not providers[p] then
    providers[p] = unpackProvider(redis.call("HGET", POOL, "p:" .. p))
  end
  return providers[p]
end

local function each()
  return string.gmatch(names, "[^|]+")
end

--- Writes the numbers; the last step of every script that may have changed any.
local function save()
  pool.clock = now
  local args = { "pool", packPool(pool) }
  for p, values in pairs(providers) do
    args[#args + 1] = "p:" .. p
    args[#args + 1] = packProvider(values)
  end
  redis.call("HSET", POOL, unpack(args))
end

local function effective()
  return pool.size - pool.taken
end

--- extras: text of the entry; further arguments: fields of their own.
local function log(event, lease, p, permits, extras, ...)
  local entry = string.format("%s %s %s %d %d %d %s %s", event, nowText, p == "" and "-" or p, permits, pool.used,
    effective(), extras or "-", lease)
  redis.call("XADD", LOG, "*", "e", entry, ...)
  -- By the way: trimming at every entry would cost as much as the entry.
  if now % 32 == 0 then
    redis.call("XTRIM", LOG, "MAXLEN", "~", LOG_LENGTH)
  end
end

local function seedIfNew()
  if pool.size == 0 then
    pool.size = tonumber(FIRST_SIZE)
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
  return its.pass + math.floor(its.use * math.max(0, now - its.at))
end

local function setPass(p, pass)
  of(p).pass, of(p).at = pass, now
end

--- Changes what a provider holds by so many permits; its permit time is settled first.
local function hold(p, permits)
  setPass(p, passOf(p))
  of(p).use, pool.used = of(p).use + permits, pool.used + permits
end

--- Asks a lease back (1), or no longer (-1).
local function ask(held, permits)
  held.asked = held.asked + permits
  of(held.p).marked, pool.marked = of(held.p).marked + permits, pool.marked + permits
end

local function readLease(facts)
  local deadline, p, fence, since, asked, grace, owner =
    string.match(facts, "^(%d+)|1|([^|]+)|(%d+)|(%d+)|([01])|(%d+)|(.*)$")
  if not deadline then
    return nil
  end
  return {
    deadline = tonumber(deadline), p = p, fence = tonumber(fence), since = tonumber(since), asked = tonumber(asked),
    grace = tonumber(grace), owner = owner,
  }
end

local function writeLease(lease, held)
  redis.call("HSET", LEASES, lease, string.format("%.0f|1|%s|%.0f|%.0f|%d|%.0f|%s", held.deadline, held.p, held.fence,
    held.since, held.asked, held.grace, held.owner))
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

--- Ends a lease; `event` for the log, nil where the caller writes it. The first write is one that Redis takes even when it is
--- out of memory; the rest may then follow.
local function drop(lease, held, event, endedAt)
  redis.call("HDEL", LEASES, lease)
  if not held then
    return
  end
  hold(held.p, -1)
  ask(held, -held.asked)
  local its = of(held.p)
  its.hold = math.max(0, endedAt - held.since, math.floor(its.hold * 0.9))
  if event then
    log(event, lease, held.p, 1, "d=" .. int(endedAt))
  end
end

local function lapse(lease, held)
  drop(lease, held, held and held.grace > 0 and "enforce" or "expire", held and held.deadline)
end

local function readWaiter(member)
  local p, seq, since, waiter = string.match(member, "^([^|]+)|(%d+)|%d+|%d+|(%d+)|(.*)$")
  return { member = member, p = p, seq = seq, since = since, waiter = waiter }
end

local function removeWaiter(member, p, waiter)
  redis.call("ZREM", WAITERS, member)
  redis.call("HDEL", PLACES, p .. "|" .. waiter)
  redis.call("ZREM", UNTIL, member)
  of(p).queue, pool.waiting = of(p).queue - 1, pool.waiting - 1
end

--- Made only where something may have ended: mostly nothing has, and functions that are made for nothing cost time.
local function makeReaper()
  --- Redis' clock is behind the one by which the pool was changed last: whatever ends farther away than it can, ends one life,
  --- grace, stay or hold from now. So a step back never keeps a dead holder's permit for longer than one lease.
  local function clockWentBack()
    redis.call("HDEL", LEASES, "")
    pool.nextEnd = NEVER
    for _, held in ipairs(allLeases()) do
      held.deadline, held.since = nearest(held.deadline, now, LIFE), math.min(held.since, now)
      if held.grace > 0 then
        held.grace = nearest(held.grace, now, GRACE)
      end
      pool.nextEnd = math.min(pool.nextEnd, held.deadline)
      writeLease(held.lease, held)
    end
    for _, member in ipairs(redis.call("ZRANGEBYSCORE", UNTIL, "(" .. int(now + STAY), "+inf")) do
      redis.call("ZADD", UNTIL, int(now + STAY), member)
    end
    for p in each() do
      of(p).at = math.min(of(p).at, now)
    end
    pool.holdUntil, pool.lastGrantAt = nearest(pool.holdUntil, now, LIFE), math.min(pool.lastGrantAt, now)
  end

  --- Ends what is past its time: at most REAP leases and waiters a call, the oldest first. Leases are only looked at when the
  --- earliest of all deadlines (`nextEnd`, which renewals leave behind) has passed. Returns how many leases ended.
  local function reapNow()
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

  return reapNow
end

--- Ends what is past its time. Returns how many leases ended.
local function reap()
  if now >= pool.clock and now < pool.nextEnd and pool.waiting == 0 then
    return 0
  end
  return makeReaper()()
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

--- Is a lease that was asked back still wanted? Tells its holder, and renews it. Returns µs to live, 1 when it may be kept
--- else 0, µs of grace.
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
  writeLease(lease, held)
  return held.deadline - now, 1 - held.asked, held.grace > 0 and held.grace - now or 0
end
