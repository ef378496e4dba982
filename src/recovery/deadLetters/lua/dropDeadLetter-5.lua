--[[
  Drops a dead letter: its replay committed, a verified run covered it, or an operator purges it. Its raw bytes go
  with it. The batch that gave up is accounted for in its run, which no longer keeps its slices for this dead letter.

  KEYS[1] dead letters: ZSET
  KEYS[2] bad records: HASH
  KEYS[3] raw bytes: STRING
  KEYS[4] run in which it gave up: HASH
  KEYS[5] status of that run: HASH
  ARGV[1] dead letter id
  ARGV[2] how: "settle", "cover" or "purge"
  ARGV[3] settle: replay run; cover: state that was read
  ARGV[4] settle: key of the replay that committed; cover: replays that were read
  ARGV[5] key of the batch in the run in which it gave up

  Returns {1, dead letters that still refer to that run's slices, state of that run or ""}; {0, state} it is not in
  the state for that; {-1} there is no such dead letter.
]]
local deadLetters, badRecordsKey, rawKey, runKey, statusKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, how, first, second, batch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
--- @include "deadLetters.lua"

local read = redis.call("HMGET", deadLetterKey(id), "state", "replayRun", "replayKey", "kind", "replays")
local state, replayRun, replayKey, kind, replays = read[1], read[2], read[3], read[4], read[5]
if not state then
  return { -1 }
end
if how == "cover" and (state ~= first or replays ~= second) then
  return { 0, state }
elseif how == "settle" and (state ~= "replaying" or replayRun ~= first or replayKey ~= second) then
  return { 0, state }
elseif how == "purge" and state == "replaying" then
  return { 0, state }
end
removeDeadLetter(id)
redis.call("HDEL", badRecordsKey, id)
redis.call("UNLINK", rawKey)
countReference(runKey, kind, -1)
local status = redis.call("HGET", statusKey, batch)
if status and string.sub(status, 1, 1) == "d" then
  redis.call("HSET", statusKey, batch, (how == "purge" and "x" or "r") .. string.sub(status, 2))
end
local run = redis.call("HMGET", runKey, "batchLetters", "state")
return { 1, tonumber(run[1] or "0"), run[2] or "" }
