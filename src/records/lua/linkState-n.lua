--[[
  One step of making the index of links: drops keys of it and moves its state on, where that is still the one that the
  caller read. A process that slept through the steps of another one so destroys nothing.
  KEYS[1] meta HASH
  KEYS[2..] keys of the index to drop
  ARGV[1] the state read; empty for none
  ARGV[2] the next state
  Returns 1 done, 0 the state is another one.
]]
local META, keys, read, next_state = KEYS[1], KEYS, ARGV[1], ARGV[2]
if (redis.call("HGET", META, "links") or "") ~= read then
  return 0
end
for i = 2, #keys do
  redis.call("UNLINK", keys[i])
end
if next_state ~= read then
  redis.call("HSET", META, "links", next_state)
end
return 1
