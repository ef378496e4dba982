--[[
  An earlier attempt at a batch began and never ended. Notes the death of its process, where that is certain, and
  returns how many deaths are held against the batch.

  A process is also killed from outside. When several processes of the provider die while no batch is found at work
  more than once, that is what happens, and a batch needs more deaths before it counts as their cause.

  KEYS[1] work of the run: HASH batch → `<fence>|<process>`
  KEYS[2] deaths of the run: HASH batch → JSON
  KEYS[3] process deaths of the provider: HASH process → ms, with a `!` where a batch explains it
  KEYS[4] status of the run: HASH
  ARGV[1] batch key
  ARGV[2] mark that was left; "" none
  ARGV[3] process that died; "" none did
  ARGV[4] time: ms by Redis TIME
  ARGV[5] how it ended, in words
  ARGV[6] deaths that are enough
  ARGV[7] most further deaths that are required
  ARGV[8] how long an unexplained death counts, ms
  ARGV[9] how long a death is remembered, ms

  Returns {deaths of this generation, deaths that are enough now, JSON of the deaths}.
]]
local workKey, deathsKey, processesKey, statusKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local batch, left, process, nowText, how = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = tonumber(nowText)
local enough, most, counts, remembered = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

-- A batch that is replayed has a new generation: its count starts again.
local generation = string.sub(redis.call("HGET", statusKey, batch) or "", 2)
local known = redis.call("HGET", deathsKey, batch)
known = known and cjson.decode(known)
if not known or known.generation ~= generation then
  known = { generation = generation, deaths = {} }
end

if left ~= "" and redis.call("HGET", workKey, batch) == left then
  redis.call("HDEL", workKey, batch)
  -- @safeguard death-counted
  if process ~= "" then
    known.deaths[#known.deaths + 1] = { process = process, at = now, how = how }
    redis.call("HSET", deathsKey, batch, cjson.encode(known))
    redis.call("HSETNX", processesKey, process, nowText)
  end
end
if #known.deaths > 1 then
  for _, death in ipairs(known.deaths) do
    local at = redis.call("HGET", processesKey, death.process)
    if at and string.sub(at, -1) ~= "!" then
      redis.call("HSET", processesKey, death.process, at .. "!")
    end
  end
end

local unexplained = 0
local processes = redis.call("HGETALL", processesKey)
for i = 1, #processes, 2 do
  local at = tonumber((string.gsub(processes[i + 1], "!", "")))
  if now - at > remembered then
    redis.call("HDEL", processesKey, processes[i])
  elseif now - at < counts and string.sub(processes[i + 1], -1) ~= "!" then
    unexplained = unexplained + 1
  end
end
local deaths = #known.deaths > 0 and cjson.encode(known.deaths) or "[]"
return { #known.deaths, enough + math.min(most, unexplained), deaths }
