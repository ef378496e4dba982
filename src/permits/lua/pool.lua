--[[
Included by every script of the permit pool: its keys, its clock, its numbers, and the few steps that change what is held.
All times are µs by Redis TIME; a script has one `now`.

KEYS[1] pool     HASH  'pool' -> numbers of the whole pool, 'p:<provider>' -> numbers of a provider (see formats.lua),
                       'names' -> 'cve|cwe|…', 'runId' -> of the Redis that we are in, 'settledRunId' -> of the one that
                       waited after a restart
Beside it, with another last word (all of one hash tag):
  leases     HASH    lease -> 'deadline|weight|provider|fence|since|cut|graceUntil|owner': cut = asked back of it,
                     graceUntil = until when, 0 until it was told
  waiters    ZSET    (lexical) 'provider|arrival|want|min|since|waiter'
  waiter-places     HASH  'provider|waiter' -> its member of waiters
  waiter-deadlines  ZSET  member of waiters -> deadline of its place
  log        STREAM  of events, bounded: field e = 'event t provider weight used size extras lease', extras = 'f=…,d=…' or
                     '-'. A grant has its fence f, an end of a lease the time d at which it ended. The field o names a lease
                     that was given back whole in the same step, first. What people did has the fields v (value),
                     c (configured size), a (actor), r (reason) too
  wake       STREAM  of hints, ids '<n>-0'
ARGV[1] life of a lease µs, log length, size of a pool that has none yet, grace µs, µs for which a waiter's place is kept:
        parted by blanks
]]
--- @include "formats.lua"
local POOL = KEYS[1]
local base = string.sub(POOL, 1, -5)
local LEASES, WAITERS, PLACES, UNTIL = base .. 'leases', base .. 'waiters', base .. 'waiter-places', base .. 'waiter-deadlines'
local LOG, WAKE = base .. 'log', base .. 'wake'
local REAP = 64

local LIFE, LOG_LENGTH, FIRST_SIZE, GRACE, STAY = string.match(ARGV[1], '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
LIFE, GRACE, STAY = tonumber(LIFE), tonumber(GRACE), tonumber(STAY)

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function int(number)
  return string.format('%.0f', number)
end

local pool, providers = {}, {}
local stored = redis.call('HMGET', POOL, 'pool', 'names', 'runId', 'settledRunId')
local names, runIdStored, settledRunId = stored[2] or '', stored[3] or '', stored[4] or ''
for i, value in ipairs({struct.unpack(POOL_FORMAT, stored[1] or EMPTY_POOL)}) do
  if POOL_FIELDS[i] then pool[POOL_FIELDS[i]] = value end
end

--- A provider's numbers; what is changed in them is kept by `save`.
local function of(p)
  local found = providers[p]
  if not found then
    found = {}
    local packed = redis.call('HGET', POOL, 'p:' .. p) or EMPTY_PROVIDER
    for i, value in ipairs({struct.unpack(PROVIDER_FORMAT, packed)}) do
      if PROVIDER_FIELDS[i] then found[PROVIDER_FIELDS[i]] = value end
    end
    providers[p] = found
  end
  return found
end

local function each()
  return string.gmatch(names, '[^|]+')
end

local function packed(format, fields, values)
  local list = {}
  for i, field in ipairs(fields) do list[i] = values[field] end
  return struct.pack(format, unpack(list))
end

--- Writes the numbers; the last step of every script that may have changed any.
local function save()
  local args = {'pool', packed(POOL_FORMAT, POOL_FIELDS, pool)}
  for p, values in pairs(providers) do
    args[#args + 1] = 'p:' .. p
    args[#args + 1] = packed(PROVIDER_FORMAT, PROVIDER_FIELDS, values)
  end
  redis.call('HSET', POOL, unpack(args))
end

local function effective()
  return pool.size - pool.taken
end

--- extras: text of the entry; further arguments: fields of their own.
local function log(event, lease, p, weight, extras, ...)
  local entry = table.concat({event, int(now), p == '' and '-' or p, int(weight), int(pool.used), int(effective()),
    extras or '-', lease}, ' ')
  redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, '*', 'e', entry, ...)
end

local function seedIfNew()
  if pool.size == 0 then
    pool.size = tonumber(FIRST_SIZE)
    log('seed', '', '', 0)
  end
end

local function know(p)
  if not string.find('|' .. names .. '|', '|' .. p .. '|', 1, true) then
    names = names == '' and p or names .. '|' .. p
    redis.call('HSET', POOL, 'names', names)
  end
  return of(p)
end

--- The provider's permit time up to now, over its weight.
local function passOf(p)
  local its = of(p)
  return its.pass + math.floor(its.use * math.max(0, now - its.at) / its.weight)
end

local function setPass(p, pass)
  of(p).pass, of(p).at = pass, now
end

--- Changes what a provider holds and what is asked back of it; its permit time is settled first.
local function adjust(p, held, asked)
  local its = of(p)
  if held ~= 0 then
    setPass(p, passOf(p))
    its.use, pool.used = its.use + held, pool.used + held
  end
  its.marked, pool.marked = its.marked + asked, pool.marked + asked
end

local function readLease(facts)
  local deadline, weight, p, fence, since, cut, grace, owner =
    string.match(facts, '^(%d+)|(%d+)|([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  if not weight then return nil end
  return {deadline = tonumber(deadline), weight = tonumber(weight), p = p, fence = tonumber(fence), since = tonumber(since),
    cut = tonumber(cut), grace = tonumber(grace), owner = owner}
end

local function writeLease(lease, held)
  redis.call('HSET', LEASES, lease, table.concat({int(held.deadline), int(held.weight), held.p, int(held.fence),
    int(held.since), int(held.cut), int(held.grace), held.owner}, '|'))
end

--- Ends a lease. The first write is one that Redis takes even when it is out of memory; the rest may then follow.
local function drop(lease, held, event, endedAt)
  redis.call('HDEL', LEASES, lease)
  if not held then return end
  adjust(held.p, -held.weight, -held.cut)
  local its = of(held.p)
  its.hold = math.max(0, endedAt - held.since, math.floor(its.hold * 0.9))
  log(event, lease, held.p, held.weight, 'd=' .. int(endedAt))
end

local function lapse(lease, held)
  drop(lease, held, held and held.grace > 0 and 'enforce' or 'expire', held and held.deadline)
end

local function removeWaiter(member, p, waiter)
  redis.call('ZREM', WAITERS, member)
  redis.call('HDEL', PLACES, p .. '|' .. waiter)
  redis.call('ZREM', UNTIL, member)
  of(p).queue, pool.waiting = of(p).queue - 1, pool.waiting - 1
end

local function readWaiter(member)
  local p, seq, want, min, since, waiter = string.match(member, '^([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  return {member = member, p = p, seq = seq, want = tonumber(want), min = tonumber(min), since = since, waiter = waiter}
end

--- Every lease, in no order: lease, what it holds.
local function allLeases()
  local flat, found = redis.call('HGETALL', LEASES), {}
  for i = 1, #flat, 2 do
    local held = readLease(flat[i + 1])
    if held then
      held.lease = flat[i]
      found[#found + 1] = held
    end
  end
  return found
end

--- Ends what is past its time: at most REAP leases and waiters a call, the oldest first. Leases are only looked at when the
--- earliest of all deadlines (`nextEnd`, which renewals leave behind) has passed. Returns how many leases ended.
local function reap()
  local ended = {}
  if now >= pool.nextEnd then
    pool.nextEnd = NEVER
    for _, held in ipairs(allLeases()) do
      if held.deadline <= now then ended[#ended + 1] = held else pool.nextEnd = math.min(pool.nextEnd, held.deadline) end
    end
    table.sort(ended, function(a, b)
      if a.deadline ~= b.deadline then return a.deadline < b.deadline end
      return a.lease < b.lease
    end)
    for i = 1, math.min(#ended, REAP) do lapse(ended[i].lease, ended[i]) end
    if #ended > REAP then pool.nextEnd = now end
  end
  local room = REAP - math.min(#ended, REAP)
  if room > 0 and pool.waiting > 0 then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', UNTIL, '-inf', int(now), 'LIMIT', 0, room)) do
      local waiter = readWaiter(member)
      removeWaiter(member, waiter.p, waiter.waiter)
    end
  end
  return #ended
end

--- The lease's holding while it lives; one that ended and was not reaped yet is ended here and now.
local function living(lease)
  local facts = redis.call('HGET', LEASES, lease)
  if not facts then return nil end
  local held = readLease(facts)
  if held and held.deadline > now then return held end
  lapse(lease, held)
  return nil
end

--- Gives the lease its life from now on; a holder that was asked for permits gets no more than its grace.
local function extend(held)
  held.deadline = now + LIFE
  if held.grace > 0 then held.deadline = math.min(held.deadline, held.grace) end
  pool.nextEnd = math.min(pool.nextEnd, held.deadline)
end

--- Judges anew what is asked back of a lease, tells it, and renews it. Returns µs to live, permits to keep, µs of grace.
local function renewed(lease, held)
  if held.cut > 0 then
    local before, its = held.cut, of(held.p)
    local over = pool.used - (pool.marked - held.cut) - effective()
    local overCap = its.use - (its.marked - held.cut) - its.cap
    held.cut = math.min(held.cut, math.max(0, over, overCap))
    adjust(held.p, 0, held.cut - before)
    if held.cut == 0 then
      held.grace = 0
      log('reprieve', lease, held.p, held.weight)
    elseif held.grace == 0 then
      held.grace = now + GRACE
      log('told', lease, held.p, held.weight, 'keep=' .. int(held.weight - held.cut) .. ',d=' .. int(held.grace))
    end
  end
  extend(held)
  writeLease(lease, held)
  return held.deadline - now, held.weight - held.cut, held.grace > 0 and held.grace - now or 0
end
