--[[
  Shortens job locks, and the throttle of the stalled check, that last longer than they may. They expire by Redis'
  clock: after the clock went back they last longer by the size of the step, and no worker takes a dead worker's job
  meanwhile.
  KEYS[1] active jobs of the queue, LIST
  KEYS[2] throttle of the queue's stalled check, STRING
  ARGV[1] how the keys of the queue's jobs begin
  ARGV[2] longest life of a lock, ms
  ARGV[3] longest life of the throttle, ms
  Returns how many were shortened.
]]
local active, stalledCheck = KEYS[1], KEYS[2]
local jobPrefix, lockMs, stalledCheckMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local shortened = 0
local function shorten(key, longestMs)
  if redis.call("PTTL", key) > longestMs then
    redis.call("PEXPIRE", key, longestMs)
    shortened = shortened + 1
  end
end

shorten(stalledCheck, stalledCheckMs)
for _, id in ipairs(redis.call("LRANGE", active, 0, -1)) do
  shorten(jobPrefix .. id .. ":lock", lockMs)
end
return shortened
