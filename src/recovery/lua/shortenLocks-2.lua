--[[
  Locks of jobs, and the throttle of the stalled check, expire by Redis' clock. When it went back they last longer by the
  size of the step, and nobody takes the job of a dead worker meanwhile: here none lasts longer than it can.
  KEYS[1] active LIST of a queue  KEYS[2] its stalled-check STRING
  ARGV[1] what the keys of its jobs begin with
  ARGV[2] ms that a lock lasts
  ARGV[3] ms between two stalled checks
  Returns how many were shortened.
]]
local active, stalledCheck, jobs = KEYS[1], KEYS[2], ARGV[1]
local shortened = 0
local function shorten(key, longest)
  if redis.call("PTTL", key) > longest then
    redis.call("PEXPIRE", key, longest)
    shortened = shortened + 1
  end
end
shorten(stalledCheck, tonumber(ARGV[3]))
for _, id in ipairs(redis.call("LRANGE", active, 0, -1)) do
  shorten(jobs .. id .. ":lock", tonumber(ARGV[2]))
end
return shortened
