--[[
  Takes the lease of the elected pod, or prolongs the caller's own.
  KEYS[1] lease STRING
  ARGV[1] token  ARGV[2] ms that it lasts
  Returns 1 when the caller has it, else 0.
]]
if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) then
  return 1
end
if redis.call("GET", KEYS[1]) ~= ARGV[1] then
  -- A lease that lasts longer than one can was taken before Redis' clock went back.
  if redis.call("PTTL", KEYS[1]) > tonumber(ARGV[2]) then
    redis.call("PEXPIRE", KEYS[1], ARGV[2])
  end
  return 0
end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return 1
