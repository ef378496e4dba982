--[[
  Begins an attempt at a batch: takes the next fence. A fence is a time of the provider's clock, so that it grows even
  when Redis forgot its last second or its clock went back.
  A batch is marked as at work in this process (the HASH `:work` of the run), unless the mark of another process is left
  there or deaths of processes are held against it: then the caller looks into that first (deadLetters/batchDeaths.ts).
  KEYS[1] run HASH  KEYS[2] status HASH  KEYS[3] fences HASH  KEYS[4] meta HASH
  ARGV[1] batch key  ARGV[2] "finish" when it is the run's last step  ARGV[3] this process
  Returns {fence, pass, status, mark that another process left or "", 1 when deaths are held against it}; {-1} the run is gone or closed; {-2} committed; {-3} dead; {-4} cancelled, or replayed elsewhere; {-5} not planned.
]]
--- @include "../../redis/lua/clock.lua"
local state = redis.call("HGET", KEYS[1], "state")
if not state or state == "closed" then
  return { -1 }
end
local status = "finish"
if ARGV[2] ~= "finish" then
  if state ~= "open" then
    return { -1 }
  end
  status = redis.call("HGET", KEYS[2], ARGV[1])
  if not status then
    return { -5 }
  end
  local letter = string.sub(status, 1, 1)
  if letter == "c" then
    return { -2 }
  elseif letter == "d" then
    return { -3 }
  elseif letter == "x" or letter == "r" then
    return { -4 }
  end
end
local last = tonumber(redis.call("HGET", KEYS[3], ARGV[1]) or "0")
local fence = math.max(last + 1, tick(KEYS[4]))
redis.call("HSET", KEYS[3], ARGV[1], string.format("%.0f", fence))
fence = string.format("%.0f", fence)
local left, suspected = "", 0
if ARGV[2] ~= "finish" then
  left = redis.call("HGET", KEYS[1] .. ":work", ARGV[1]) or ""
  if string.match(left, "|(.*)$") == ARGV[3] then
    left = ""
  end
  suspected = redis.call("HEXISTS", KEYS[1] .. ":deaths", ARGV[1])
  if left == "" and suspected == 0 then
    redis.call("HSET", KEYS[1] .. ":work", ARGV[1], fence .. "|" .. ARGV[3])
  end
end
return { fence, redis.call("HGET", KEYS[1], "pass"), status, left, suspected }
