--[[
  Stores the result of a check, if no other check happened meanwhile and the caller still holds the lease; a decision
  is published in the same step.

  KEYS[1]   optimizer HASH
  KEYS[2]   quota events STREAM
  KEYS[3]   lease STRING
  ARGV[1]   token
  ARGV[2]   version that was read
  ARGV[3]   events kept
  ARGV[4]   number of values of the memory
  ARGV[5..] field, value, … of the memory; then field, value, … of the event (none: nothing to publish)

  Returns 1, or 0 when another pod was first.
]]
if redis.call("GET", KEYS[3]) ~= ARGV[1] or (redis.call("HGET", KEYS[1], "version") or "0") ~= ARGV[2] then
  return 0
end
local last = 4 + tonumber(ARGV[4])
redis.call("HSET", KEYS[1], "version", tonumber(ARGV[2]) + 1, unpack(ARGV, 5, last))
if #ARGV > last then
  redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[3], "*", unpack(ARGV, last + 1))
end
return 1
