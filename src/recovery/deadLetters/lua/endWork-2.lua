--[[
  An attempt ended without a checkpoint, or was told to end, and its process lives: nothing is held against the batch.

  KEYS[1] work: HASH
  KEYS[2] deaths: HASH
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] process

  Returns 1 when the mark was its own; 0 when it was not, and then its process does not count as dead.
]]
local workKey, deathsKey = KEYS[1], KEYS[2]
local batch, fence, process = ARGV[1], ARGV[2], ARGV[3]

if redis.call("HGET", workKey, batch) == fence .. "|" .. process then
  redis.call("HDEL", workKey, batch)
  return 1
end
local known = redis.call("HGET", deathsKey, batch)
if known then
  known = cjson.decode(known)
  local kept = {}
  for _, death in ipairs(known.deaths) do
    if death.process ~= process then
      kept[#kept + 1] = death
    end
  end
  known.deaths = kept
  if #kept == 0 then
    redis.call("HDEL", deathsKey, batch)
  else
    redis.call("HSET", deathsKey, batch, cjson.encode(known))
  end
end
return 0
