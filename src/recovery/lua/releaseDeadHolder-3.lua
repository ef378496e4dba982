--[[
  The process that held this job is known to be dead: takes its lock away, so that the next stalled check hands the job on
  at once instead of after the lock's life.
  KEYS[1] the job's lock  KEYS[2] stalled SET  KEYS[3] stalled-check throttle
  ARGV[1] the dead holder's token  ARGV[2] job id
  Returns 1 when the lock was the dead holder's, else 0.
]]
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call("DEL", KEYS[1], KEYS[3])
redis.call("SADD", KEYS[2], ARGV[2])
return 1
