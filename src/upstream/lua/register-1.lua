--[[
Enters (or keeps) a process among those that share an upstream, unless a live one has other settings.

KEYS[1] pods  ZSET: "<process id> <settings>" -> µs by TIME at which the entry expires
ARGV[1] process id (without spaces)
ARGV[2] settings
ARGV[3] µs that the entry lives

Returns nil when entered, else the other process's "<process id> <settings>"; the caller's own entry is taken out then.
]]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local own = ARGV[1] .. ' ' .. ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local space = string.find(entry, ' ', 1, true)
  if string.sub(entry, 1, space - 1) ~= ARGV[1] and string.sub(entry, space + 1) ~= ARGV[2] then
    redis.call('ZREM', KEYS[1], own)
    return entry
  end
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), own)
return nil
