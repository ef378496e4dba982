--[[
  The last pass of a run did not receive these bad records: takes back their marks and counts.

  KEYS[1] run: HASH
  KEYS[2] fences: HASH
  KEYS[3] seen: HASH
  KEYS[4] nameless: SET, marks of records without an id
  ARGV[1] finish key
  ARGV[2] fence
  ARGV[3] the last pass
  ARGV[4..] ids, or marks of records without an id

  Returns how many were taken back; -1 run not open; -2 superseded.
]]
local args = ARGV
local runKey, fencesKey, seenKey, namelessKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local finishKey, fence, lastPass, FIRST_ID = ARGV[1], ARGV[2], tonumber(ARGV[3]), 4
--- @include "../../../runs/lua/checkFence.lua"
--- @include "../../../runs/lua/errorBase.lua"

local refused = checkFence(runKey, fencesKey, finishKey, fence, { open = true })
if refused ~= 0 then
  return refused
end
local counters = { d = "dead", a = "accepted" }
local namelessCounters = { d = "namelessCount", a = "namelessAccepted" }
local taken = 0
for i = FIRST_ID, #args do
  local id = args[i]
  local code, pass = string.match(redis.call("HGET", seenKey, id) or "", "^(%a)(%d+):")
  if counters[code] and tonumber(pass) < lastPass then
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
