--[[
  A planned batch has no live job: raises its generation, so that a new job can be added under a new id.

  KEYS[1] run: HASH
  KEYS[2] status: HASH
  ARGV[1] batch key
  ARGV[2] status that was read

  Returns the new generation; 0 when the status has moved or the run is not open.
]]
local runKey, statusKey, batch, expected = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

if redis.call("HGET", runKey, "state") ~= "open" then
  return 0
end
if redis.call("HGET", statusKey, batch) ~= expected then
  return 0
end
local generation = tonumber(string.sub(expected, 2)) + 1
redis.call("HSET", statusKey, batch, "p" .. generation)
return generation
