--[[
  Included by every script of the permit pool: its keys, its clock, its numbers, and the few steps that change what is
  held. All times are µs by Redis TIME; a script has one `now`.

  Redis makes the functions of a script again at each call, which takes longer than the commands of a grant do. So this
  file has only what every script needs. The scripts that workers call most (acquire, release) include upkeep.lua and
  waiters.lua after the point where they return when nothing else is to be done.

  The key is the HASH of the pool: 'pool' -> numbers of the whole pool, 'p:<provider>' -> numbers of a provider
  (formats.lua), 'names' -> 'cve|cwe|…', 'runId' -> of the Redis that we are in, 'settledRunId' -> of the one that
  waited after a restart. Beside it, with another last word (all of one hash tag):
    leases            HASH    lease -> 'deadline|1|provider|fence|since|asked|graceUntil|owner': asked: 1 = it is asked
                              back; graceUntil = until when, 0 until its holder was told
    waiters           ZSET    (lexical) 'provider|arrival|1|1|since|waiter'
    waiter-places     HASH    'provider|waiter' -> its member of waiters
    waiter-deadlines  ZSET    member of waiters -> deadline of its place
    log               STREAM  of events, bounded: field e = 'event t provider permits used size extras lease', extras =
                              'f=…,d=…' or '-'. A grant has its fence f, an end of a lease the time d at which it ended.
                              The field o names a lease that was given back in the same step, first. What people did has
                              the fields v (value), c (configured size), a (actor), r (reason) too
    wake              STREAM  of hints, ids '<n>-0'

  Every script's first arguments: the settings (life of a lease µs, log length, size of a pool that has none yet, grace
  µs, µs for which a waiter's place is kept: separated by blanks), and the provider whose numbers are read together with
  the pool's, '' for none.
]]
--- @include "formats.lua"
local POOL, settings, itself = KEYS[1], ARGV[1], ARGV[2]
local LIFE = tonumber(string.match(settings, "^%d+"))
local base = string.sub(POOL, 1, -5)
local LEASES = base .. "leases"
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]

local function int(number)
  return string.format("%.0f", number)
end

local nowText = time[1] .. string.format("%06d", time[2])
local stored = redis.call("HMGET", POOL, "pool", "p:" .. itself, "runId")
local pool, providers = unpackPool(stored[1]), {}
local runIdStored = stored[3] or ""
if stored[2] then
  providers[itself] = unpackProvider(stored[2])
end

--- Nothing is past its time, there are no waiters, and Redis' clock did not go back: upkeep.lua has nothing to do.
local quiet = pool.waiting == 0 and now >= pool.clock and now < pool.nextEnd

--- A provider's numbers; what is changed in them is kept by `save`.
local function of(p)
  local its = providers[p]
  if not its then
    its = unpackProvider(redis.call("HGET", POOL, "p:" .. p))
    providers[p] = its
  end
  return its
end

--- Writes the numbers; the last step of every script that may have changed any.
local function save()
  pool.clock = now
  local args, n = { "pool", packPool(pool), nil, nil }, 2
  for p, its in next, providers do
    args[n + 1], args[n + 2], n = "p:" .. p, packProvider(its), n + 2
  end
  redis.call("HSET", POOL, unpack(args, 1, n))
end

local function effective()
  return pool.size - pool.taken
end

--- extras: text of the entry; further arguments: fields of their own.
local function log(event, lease, p, permits, extras, ...)
  local entry = string.format("%s %s %s %d %d %d %s %s", event, nowText, p == "" and "-" or p, permits, pool.used,
    effective(), extras or "-", lease)
  redis.call("XADD", base .. "log", "*", "e", entry, ...)
  -- Trimming at every entry would cost as much as the entry.
  if now % 32 == 0 then
    redis.call("XTRIM", base .. "log", "MAXLEN", "~", string.match(settings, "^%d+ (%d+)"))
  end
end

--- Changes what a provider holds by so many permits; its permit time is counted up to now first.
local function hold(p, permits)
  local its = of(p)
  its.pass, its.at = its.pass + its.use * math.max(0, now - its.at), now
  its.use, pool.used = its.use + permits, pool.used + permits
end

--- nil when it is not readable.
local function readLease(facts)
  local deadline, p, fence, since, asked, grace, owner =
    string.match(facts, "^(%d+)|1|([^|]+)|(%d+)|(%d+)|([01])|(%d+)|(.*)$")
  return deadline and {
    deadline = deadline + 0, p = p, fence = fence + 0, since = since + 0, asked = asked + 0, grace = grace + 0,
    owner = owner,
  }
end

--- Times and the fence as text: making it out of a number takes long, and most callers have it.
local function writeLease(lease, deadline, p, fence, since, asked, grace, owner)
  redis.call("HSET", LEASES, lease, table.concat({ deadline, 1, p, fence, since, asked, grace, owner }, "|"))
end

--- Ends a lease; `event` for the log, nil where the caller writes it. The first write is one that Redis takes even when
--- it is out of memory; the rest may then follow.
local function drop(lease, held, event, endedAt)
  redis.call("HDEL", LEASES, lease)
  if not held then
    return
  end
  hold(held.p, -1)
  local its = of(held.p)
  its.marked, pool.marked = its.marked - held.asked, pool.marked - held.asked
  its.hold = math.max(0, endedAt - held.since, math.floor(its.hold * 0.9))
  if event then
    log(event, lease, held.p, 1, "d=" .. int(endedAt))
  end
end
