--[[
  Begins an attempt at a batch and takes its fence. A fence is a time of the provider's clock, so that it grows even
  when Redis lost its last second or its clock went back. When both happened, the provider's clock would give numbers
  again that it gave before: the microseconds of Redis' clock set them apart.

  The batch is marked as at work in this process (HASH `:work` of the run), unless another process left its mark, or
  deaths of processes are held against the batch. The caller examines those first
  (recovery/deadLetters/batchDeaths.ts).

  KEYS[1] run: HASH
  KEYS[2] status: HASH
  KEYS[3] fences: HASH
  KEYS[4] meta: HASH
  ARGV[1] batch key
  ARGV[2] step: "finish" for the last step of a run, else "batch"
  ARGV[3] process: this process

  Returns {fence, pass, status, mark that another process left or "", 1 when deaths are held against the batch};
  {-1} the run is gone or closed; {-2} committed; {-3} dead; {-4} cancelled, or replayed elsewhere; {-5} not planned.
]]
--- @include "../../redis/lua/clock.lua"
local runKey, statusKey, fencesKey, metaKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local batch, isFinish, process = ARGV[1], ARGV[2] == "finish", ARGV[3]

local state = redis.call("HGET", runKey, "state")
if not state or state == "closed" then
  return { -1 }
end
local status = "finish"
if not isFinish then
  if state ~= "open" then
    return { -1 }
  end
  status = redis.call("HGET", statusKey, batch)
  if not status then
    return { -5 }
  end
  local code = string.sub(status, 1, 1)
  if code == "c" then
    return { -2 }
  elseif code == "d" then
    return { -3 }
  elseif code == "x" or code == "r" then
    return { -4 }
  end
end
local last = tonumber(redis.call("HGET", fencesKey, batch) or "0")
-- Redis' clock also moves within a script: it is read after the tick, so that a tick that it gave is not later.
local time = tick(metaKey)
local now = nowUs()
if time > now then
  time = time + now % 10000
  raiseClock(metaKey, time)
end
local fence = string.format("%.0f", math.max(last + 1, time))
redis.call("HSET", fencesKey, batch, fence)
local left, suspected = "", 0
if not isFinish then
  left = redis.call("HGET", runKey .. ":work", batch) or ""
  if string.match(left, "|(.*)$") == process then
    left = ""
  end
  suspected = redis.call("HEXISTS", runKey .. ":deaths", batch)
  if left == "" and suspected == 0 then
    redis.call("HSET", runKey .. ":work", batch, fence .. "|" .. process)
  end
end
return { fence, redis.call("HGET", runKey, "pass"), status, left, suspected }
