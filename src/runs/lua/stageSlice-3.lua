--[[
  Stores a staged slice of a run that is open. The name is stored first: a slice that is not listed would never be
  cleaned.

  KEYS[1] run: HASH
  KEYS[2] names of staged slices: SET
  KEYS[3] slice: STRING
  ARGV[1] name
  ARGV[2] compressed bytes

  Returns 1; -1 the run is not open, so nothing is stored.
]]
local runKey, namesKey, sliceKey, name, bytes = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]

if redis.call("HGET", runKey, "state") ~= "open" then
  return -1
end
redis.call("SADD", namesKey, name)
redis.call("SET", sliceKey, bytes)
return 1
