--[[
  A planned batch has no live job: gives it the next generation, so that a new job can be added under a new id.
  KEYS[1] run HASH  KEYS[2] status HASH
  ARGV[1] batch key  ARGV[2] status that was read (compare-and-set)
  Returns the new generation; 0 when it moved meanwhile or the run is not open.
]]
if redis.call("HGET", KEYS[1], "state") ~= "open" then
  return 0
end
if redis.call("HGET", KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local generation = tonumber(string.sub(ARGV[2], 2)) + 1
redis.call("HSET", KEYS[2], ARGV[1], "p" .. generation)
return generation
