--[[
  Creates the dead letter of a job in the failed set that has none.

  KEYS[1] dead letters: ZSET
  KEYS[2] run of the batch, where there is one: HASH
  ARGV[1] dead letter id
  ARGV[2] job id
  ARGV[3] kind
  ARGV[4] time of the failure, ms
  ARGV[5] cap: dead letters
  ARGV[6] cap: raw bytes
  ARGV[7..] field and value, of each field of the dead letter

  Returns {1, dead letters, their raw bytes} created; {0} the job has a dead letter.
]]
local args = ARGV
local deadLetters, runKey = KEYS[1], KEYS[2]
local id, job, kind, failedMs, maxEntries, maxBytes = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local FIRST_FIELD = 7
--- @include "deadLetters.lua"

if redis.call("HEXISTS", deadLetters .. ":jobs", job) == 1 or redis.call("EXISTS", deadLetterKey(id)) == 1 then
  return { 0 }
end
local fields = { "job", job, "kind", kind, unpack(args, FIRST_FIELD) }
createDeadLetter(id, fields, failedMs, kind, runKey, maxEntries, maxBytes)
local entries, bytes = countedDeadLetters()
return { 1, entries, bytes }
