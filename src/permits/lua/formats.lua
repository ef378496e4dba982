--[[
  Included by the scripts that read the pool's numbers: how they are packed, as doubles, which hold whole µs until the
  year 2255. They are packed because every script of the pool reads and writes them all, and unpacked without a loop
  over the fields, which would cost several times as much. The places never change: workers of this version and of older
  ones share one pool during an upgrade.

    pool      size configured; taken of it by revocation; used: held; marked: asked back of that; waiting; seq of the
              last arrival; wake: last hint; fence: last given; lastGrantAt; holdUntil: no grants before; nextEnd: no
              lease ends before; clock: when a script changed the pool last (older versions pack none)
    provider  use: held; marked; cap and weight of older versions, always none and 1; queue: its waiters; pass: permit
              time had, µs; at: pass is counted up to then; hold: its longest recent hold, µs
]]
local POOL_FORMAT, PROVIDER_FORMAT = "<dddddddddddd", "<dddddddd"
local NEVER = 9007199254740991

--- What is not stored reads as zeros.
local function unpackDoubles(format, packed)
  local missing = 8 * (#format - 1) - (packed and #packed or 0)
  return struct.unpack(format, missing > 0 and (packed or "") .. string.rep("\0", missing) or packed)
end

local function unpackPool(packed)
  local size, taken, used, marked, waiting, seq, wake, fence, lastGrantAt, holdUntil, nextEnd, clock =
    unpackDoubles(POOL_FORMAT, packed)
  return {
    size = size, taken = taken, used = used, marked = marked, waiting = waiting, seq = seq, wake = wake, fence = fence,
    lastGrantAt = lastGrantAt, holdUntil = holdUntil, nextEnd = packed and nextEnd or NEVER, clock = clock,
  }
end

local function packPool(p)
  return struct.pack(POOL_FORMAT, p.size, p.taken, p.used, p.marked, p.waiting, p.seq, p.wake, p.fence, p.lastGrantAt,
    p.holdUntil, p.nextEnd, p.clock)
end

local function unpackProvider(packed)
  local use, marked, _, _, queue, pass, at, hold = unpackDoubles(PROVIDER_FORMAT, packed)
  return { use = use, marked = marked, queue = queue, pass = pass, at = at, hold = hold }
end

local function packProvider(its)
  return struct.pack(PROVIDER_FORMAT, its.use, its.marked, math.huge, 1, its.queue, its.pass, its.at, its.hold)
end
