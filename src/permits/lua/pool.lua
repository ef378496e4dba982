--[[
Included first by every script of the permit pool: its keys, its clock, its memory of the pool's fields, and the few steps
that change what is held. All times are µs by Redis TIME; a script has one `now`.

KEYS[1] pool     HASH  size (configured), taken (revoked of it), used, marked (asked back of it), fence (last), seq (last
                       arrival), wake (last hint), waiting, names ('cve|cwe|…'), runId, settledRunId, lastGrantAt,
                       holdUntil (no grants before); and a provider's, as '<field>:<provider>': use, marked, cap, weight,
                       queue (its waiters), pass (permit time had, µs / weight), at (pass counted up to), hold (its
                       longest recent hold, µs)
KEYS[2] leases   ZSET  lease -> deadline
KEYS[3] owners   HASH  lease -> 'weight|provider|fence|since|cut|graceUntil|owner': cut = asked back, graceUntil = 0 until told
KEYS[4] waiters  ZSET  (lexical) 'provider|arrival|want|min|since|waiter'
KEYS[5] places   HASH  'provider|waiter' -> its member of waiters
KEYS[6] until    ZSET  member of waiters -> deadline of its place
KEYS[7] log      STREAM of events, bounded
KEYS[8] wake     STREAM of hints, ids '<n>-0'
ARGV[1] entries that the log keeps, about
ARGV[2] size of a pool that has none yet
]]
local POOL, LEASES, OWNERS, WAITERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local PLACES, UNTIL, LOG, WAKE = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local REAP = 64

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function int(number)
  return string.format('%.0f', number)
end

local cache, dirty = {}, {}

local function preload(fields)
  local values = redis.call('HMGET', POOL, unpack(fields))
  for i, field in ipairs(fields) do
    if cache[field] == nil then cache[field] = values[i] end
  end
end

local function preloadProvider(p)
  preload({'use:' .. p, 'marked:' .. p, 'cap:' .. p, 'weight:' .. p, 'queue:' .. p, 'pass:' .. p, 'at:' .. p, 'hold:' .. p})
end

local function text(field)
  if cache[field] == nil then cache[field] = redis.call('HGET', POOL, field) end
  return cache[field] or ''
end

local function get(field)
  return tonumber(text(field)) or 0
end

local function set(field, value)
  local written = type(value) == 'number' and int(value) or value
  if text(field) ~= written then
    cache[field] = written
    dirty[field] = written
  end
end

--- Writes what changed of the pool's fields; the last step of every script that changes any.
local function save()
  local args = {}
  for field, value in pairs(dirty) do
    args[#args + 1] = field
    args[#args + 1] = value
  end
  dirty = {}
  if #args > 0 then redis.call('HSET', POOL, unpack(args)) end
end

local function effective()
  return get('size') - get('taken')
end

local function weightOf(p)
  local weight = get('weight:' .. p)
  return weight > 0 and weight or 1
end

--- Permits that the provider may have at most; without a cap, math.huge.
local function capOf(p)
  return text('cap:' .. p) == '' and math.huge or get('cap:' .. p)
end

local function log(event, lease, p, weight, ...)
  redis.call('XADD', LOG, 'MAXLEN', '~', ARGV[1], '*', 'e', event, 't', int(now), 'l', lease, 'p', p, 'w', weight,
    'u', int(get('used')), 's', int(effective()), ...)
end

local function seedIfNew()
  if text('size') == '' then
    set('size', tonumber(ARGV[2]))
    log('seed', '', '', 0)
  end
end

local function know(p)
  if not string.find('|' .. text('names') .. '|', '|' .. p .. '|', 1, true) then
    set('names', text('names') == '' and p or text('names') .. '|' .. p)
  end
end

--- The provider's permit time up to now, over its weight.
local function passOf(p)
  return get('pass:' .. p) + math.floor(get('use:' .. p) * math.max(0, now - get('at:' .. p)) / weightOf(p))
end

--- Changes what a provider holds and what is asked back of it; its permit time is settled first.
local function adjust(p, held, asked)
  if held ~= 0 then
    set('pass:' .. p, passOf(p))
    set('at:' .. p, now)
    set('use:' .. p, get('use:' .. p) + held)
    set('used', get('used') + held)
  end
  if asked ~= 0 then
    set('marked:' .. p, get('marked:' .. p) + asked)
    set('marked', get('marked') + asked)
  end
end

local function readLease(facts)
  local weight, p, fence, since, cut, grace, owner = string.match(facts, '^(%d+)|([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  if not weight then return nil end
  return {weight = tonumber(weight), p = p, fence = tonumber(fence), since = tonumber(since), cut = tonumber(cut),
    grace = tonumber(grace), owner = owner}
end

local function writeLease(lease, held)
  redis.call('HSET', OWNERS, lease, table.concat({int(held.weight), held.p, int(held.fence), int(held.since), int(held.cut),
    int(held.grace), held.owner}, '|'))
end

--- Ends a lease. The first write is one that Redis takes even when it is out of memory; the rest may then follow.
local function drop(lease, held, event, endedAt)
  redis.call('ZREM', LEASES, lease)
  redis.call('HDEL', OWNERS, lease)
  if not held then return end
  adjust(held.p, -held.weight, -held.cut)
  local heldFor = math.max(0, endedAt - held.since)
  set('hold:' .. held.p, math.max(heldFor, math.floor(get('hold:' .. held.p) * 0.9)))
  log(event, lease, held.p, int(held.weight), 'd', int(endedAt))
end

local function removeWaiter(member, p, waiter)
  redis.call('ZREM', WAITERS, member)
  redis.call('HDEL', PLACES, p .. '|' .. waiter)
  redis.call('ZREM', UNTIL, member)
  set('queue:' .. p, get('queue:' .. p) - 1)
  set('waiting', get('waiting') - 1)
end

local function readWaiter(member)
  local p, seq, want, min, since, waiter = string.match(member, '^([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  return {member = member, p = p, seq = seq, want = tonumber(want), min = tonumber(min), since = since, waiter = waiter}
end

--- Ends what is past its time: at most REAP leases and waiters a call, the oldest first.
local function reap()
  local ended = redis.call('ZRANGEBYSCORE', LEASES, '-inf', int(now), 'WITHSCORES', 'LIMIT', 0, REAP)
  for i = 1, #ended, 2 do
    local facts = redis.call('HGET', OWNERS, ended[i])
    local held = facts and readLease(facts)
    drop(ended[i], held, held and held.grace > 0 and 'enforce' or 'expire', tonumber(ended[i + 1]))
  end
  local room = REAP - #ended / 2
  if room > 0 and get('waiting') > 0 then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', UNTIL, '-inf', int(now), 'LIMIT', 0, room)) do
      local waiter = readWaiter(member)
      removeWaiter(member, waiter.p, waiter.waiter)
    end
  end
  return #ended / 2
end

--- The lease's holding while it lives; one that ended and was not reaped yet is ended here and now.
local function living(lease)
  local facts = redis.call('HGET', OWNERS, lease)
  if not facts then return nil end
  local held = readLease(facts)
  local deadline = tonumber(redis.call('ZSCORE', LEASES, lease) or 0)
  if held and deadline > now then return held end
  drop(lease, held, held and held.grace > 0 and 'enforce' or 'expire', deadline)
  return nil
end

--- µs until the lease ends unless it is renewed; a holder that was asked for permits gets no more than its grace.
local function extend(lease, held, life)
  local deadline = now + life
  if held.grace > 0 then deadline = math.min(deadline, held.grace) end
  redis.call('ZADD', LEASES, int(deadline), lease)
  return deadline - now
end

--- Judges anew what is asked back of a lease, tells it, and renews it. Returns µs to live, permits to keep, µs of grace.
local function renewed(lease, held, life, grace)
  local before, told = held.cut, held.grace
  if held.cut > 0 then
    local over = get('used') - (get('marked') - held.cut) - effective()
    local overCap = get('use:' .. held.p) - (get('marked:' .. held.p) - held.cut) - capOf(held.p)
    held.cut = math.min(held.cut, math.max(0, over, overCap))
    adjust(held.p, 0, held.cut - before)
    if held.cut == 0 then
      held.grace = 0
      log('reprieve', lease, held.p, int(held.weight))
    elseif held.grace == 0 then
      held.grace = now + grace
      log('told', lease, held.p, int(held.weight), 'keep', int(held.weight - held.cut), 'd', int(held.grace))
    end
    if held.cut ~= before or held.grace ~= told then writeLease(lease, held) end
  end
  return extend(lease, held, life), held.weight - held.cut, held.grace > 0 and held.grace - now or 0
end
