--[[
Lays down a staged slice of a run that is open. The name first: a slice that nobody can find would never be cleaned.
KEYS[1] run HASH  KEYS[2] SET of staged names  KEYS[3] the slice, STRING
ARGV[1] name  ARGV[2] compressed bytes
Returns 1; -1 the run is not open: a process that slept leaves nothing behind that nobody would clean.
]]
if redis.call("HGET", KEYS[1], "state") ~= "open" then
  return -1
end
redis.call("SADD", KEYS[2], ARGV[1])
redis.call("SET", KEYS[3], ARGV[2])
return 1
