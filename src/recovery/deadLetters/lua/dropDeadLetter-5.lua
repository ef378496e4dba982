--[[
  A dead letter is done with: its replay committed, a verified run covered it, or a person purges it. Raw bytes go with it; the batch that gave up is
  accounted for in its run, which no longer holds its slices for this letter.
  KEYS[1] letters ZSET  KEYS[2] bad records HASH  KEYS[3] raw bytes STRING  KEYS[4] run HASH  KEYS[5] status HASH of the run
  in which it gave up
  ARGV[1] letter id  ARGV[2] "settle", "cover" or "purge"
  ARGV[3] settle: replay run; cover: state that was read  ARGV[4] settle: replay key, of the replay that committed;
  cover: replays that were read
  ARGV[5] key of the batch in the run in which it gave up
  Returns {1, letters that still refer to that run's slices, state of that run or ""}; {0, state of the letter} it is not in
  the state for that; {-1} there is no such letter.
]]
local letters = KEYS[1]
--- @include "deadLetters.lua"
local l = redis.call("HMGET", letterKey(ARGV[1]), "state", "replayRun", "replayKey", "kind", "replays")
if not l[1] then
  return { -1 }
end
local how = ARGV[2]
if how == "cover" and (l[1] ~= ARGV[3] or l[5] ~= ARGV[4]) then
  return { 0, l[1] }
elseif how == "settle" and (l[1] ~= "replaying" or l[2] ~= ARGV[3] or l[3] ~= ARGV[4]) then
  return { 0, l[1] }
elseif how == "purge" and l[1] == "replaying" then
  return { 0, l[1] }
end
dropLetter(ARGV[1])
redis.call("HDEL", KEYS[2], ARGV[1])
redis.call("UNLINK", KEYS[3])
holdRun(KEYS[4], l[4], -1)
local status = redis.call("HGET", KEYS[5], ARGV[5])
if status and string.sub(status, 1, 1) == "d" then
  redis.call("HSET", KEYS[5], ARGV[5], (how == "purge" and "x" or "r") .. string.sub(status, 2))
end
local run = redis.call("HMGET", KEYS[4], "batchLetters", "state")
return { 1, tonumber(run[1] or "0"), run[2] or "" }
