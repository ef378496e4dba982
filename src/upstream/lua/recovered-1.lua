--[[
  Records a successful request and resets the count of consecutive overloads, unless an overload was recorded after
  this request was granted.

  KEYS[1]  state  HASH (window.lua)
  ARGV[1]  µs by the upstream's clock at which the request was granted

  Returns 1 when the count was reset, else 0.
]]
local state, grantedAt = KEYS[1], tonumber(ARGV[1])
if grantedAt <= tonumber(redis.call("HGET", state, "overloadedAt") or 0) then
  return 0
end
return redis.call("HDEL", state, "overloads")
