--[[
  Stores the result of a check, if no other check happened meanwhile; a decision is published in the same step.

  KEYS[1] optimizer: HASH
  KEYS[2] quota events: STREAM
  ARGV[1] version that was read
  ARGV[2] events that are kept
  ARGV[3] how many arguments follow for the memory
  ARGV[4..] field and value, of each field of the memory; then of each field of the event (none: nothing to publish)

  Returns 1; 0 when another pod was first.
]]
local args = ARGV
local optimizerKey, eventsKey = KEYS[1], KEYS[2]
local version, eventsKept, FIRST_FIELD = ARGV[1], ARGV[2], 4
local lastField = FIRST_FIELD - 1 + tonumber(ARGV[3])

if (redis.call("HGET", optimizerKey, "version") or "0") ~= version then
  return 0
end
redis.call("HSET", optimizerKey, "version", tonumber(version) + 1, unpack(args, FIRST_FIELD, lastField))
if #args > lastField then
  redis.call("XADD", eventsKey, "MAXLEN", "~", eventsKept, "*", unpack(args, lastField + 1))
end
return 1
