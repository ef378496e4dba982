--[[
  The last pass of a run did not meet these bad records any more: takes their marks and counts back.
  KEYS[1] run HASH  KEYS[2] fences HASH  KEYS[3] seen HASH  KEYS[4] nameless SET
  ARGV[1] finish key  ARGV[2] its fence  ARGV[3] the last pass  ARGV[4..] ids, or marks of records without an id
  Returns how many were taken back; -1 run not open; -2 superseded.
]]
--- @include "../../../runs/lua/checkFence.lua"
--- @include "../../../runs/lua/errorBase.lua"
local runKey, seenKey, namelessKey = KEYS[1], KEYS[3], KEYS[4]
local refused = checkFence(runKey, KEYS[2], ARGV[1], ARGV[2], { open = true })
if refused ~= 0 then
  return refused
end
local counters = { d = "dead", a = "accepted" }
local namelessCounters = { d = "namelessCount", a = "namelessAccepted" }
local taken = 0
for i = 4, #ARGV do
  local id = ARGV[i]
  local code, pass = string.match(redis.call("HGET", seenKey, id) or "", "^(%a)(%d+):")
  if counters[code] and tonumber(pass) < tonumber(ARGV[3]) then
    redis.call("HDEL", seenKey, id)
    redis.call("HINCRBY", runKey, counters[code], -1)
    if redis.call("SREM", namelessKey, code == "a" and "a:" .. id or id) == 1 then
      redis.call("HINCRBY", runKey, namelessCounters[code], -1)
    end
    taken = taken + 1
  end
end
clampErrorBase(runKey)
return taken
