--[[
Sets the store's schema version once, or tells which one it has. An existing version is never changed here.
KEYS[1]  fleet hash
ARGV[1]  our version     ARGV[2]  1: write it where there is none; 0: only look
Returns  the store's version as a string; our own where there was none
]]
local stored = redis.call('HGET', KEYS[1], 'schema')
if stored then
  return stored
end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1])
end
return ARGV[1]
