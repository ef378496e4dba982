--[[
  Notes that a batch failed and is tried again, for those who watch the run; the checkpoint, the burial or the end of the run
  clears it. Informative: no fence needed. Bounded: of more batches than the most nothing is noted.
  KEYS[1] run HASH
  ARGV[1] batch key  ARGV[2] error code  ARGV[3] message  ARGV[4] attempt that failed, from 1  ARGV[5] attempts allowed
  ARGV[6] ms until the next  ARGV[7] most batches that are noted
  Returns 1; 0 run not open, or too many are noted.
]]
local state = redis.call("HGET", KEYS[1], "state")
if state ~= "open" and state ~= "closing" then
  return 0
end
local field = "retry:" .. ARGV[1]
if redis.call("HEXISTS", KEYS[1], field) == 0 then
  if tonumber(redis.call("HGET", KEYS[1], "retrying") or "0") >= tonumber(ARGV[7]) then
    return 0
  end
  redis.call("HINCRBY", KEYS[1], "retrying", 1)
end
local time = redis.call("TIME")
local next = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[6])
redis.call("HSET", KEYS[1], field, cjson.encode({ code = ARGV[2], message = ARGV[3], attempt = tonumber(ARGV[4]),
  attempts = tonumber(ARGV[5]), nextMs = next }))
return 1
