--[[
  A job lies in the failed set and no dead letter speaks of it: it gets one.
  KEYS[1] letters ZSET  KEYS[2] run HASH of the batch, where there is one
  ARGV[1] letter id  ARGV[2] job id  ARGV[3] kind  ARGV[4] ms of the failure  ARGV[5] letters that fill the cap
  ARGV[6] raw bytes that fill the cap  ARGV[7..] field, value, … of the letter
  Returns {1, letters, their raw bytes} adopted; {0} it has a letter.
]]
local letters = KEYS[1]
--- @include "deadLetters.lua"
if redis.call("HEXISTS", letters .. ":jobs", ARGV[2]) == 1 or redis.call("EXISTS", letterKey(ARGV[1])) == 1 then
  return { 0 }
end
bearLetter(ARGV[1], { "job", ARGV[2], "kind", ARGV[3], unpack(ARGV, 7) }, ARGV[4], ARGV[3], KEYS[2], ARGV[5], ARGV[6])
local entries, bytes = countedLetters()
return { 1, entries, bytes }
