--[[
  Drops the lock of a job whose holder is known to be dead, and marks the job as stalled, so that the next stalled check
  gives the job to another worker at once instead of after the lock's life.
  KEYS[1] lock of the job, STRING
  KEYS[2] stalled jobs of the queue, SET
  KEYS[3] throttle of the queue's stalled check, STRING
  ARGV[1] lock token of the dead holder
  ARGV[2] id of the job
  Returns 1 when the lock was the dead holder's, else 0.
]]
local lock, stalled, stalledCheck = KEYS[1], KEYS[2], KEYS[3]
local token, jobId = ARGV[1], ARGV[2]

if redis.call("GET", lock) ~= token then
  return 0
end
redis.call("DEL", lock, stalledCheck)
redis.call("SADD", stalled, jobId)
return 1
