-- What a run has seen, each id counted once. A mark is `<code><pass>:<fetch time>`: c created, u updated, n unchanged,
-- d dead, a a bad one that a person has accepted; the newest pass and the newest fetch that saw the id. The fetch time makes an earlier fetch of the same run
-- yield even where the later one found nothing to write.
local COUNTER = { c = 'created', u = 'updated', n = 'unchanged', d = 'dead', a = 'accepted' }
local delta = {}
local marks = {}

local function count(name, by)
  delta[name] = (delta[name] or 0) + by
end

local function fetch_of(mark)
  return string.match(mark, ':(.*)$')
end

-- A repeat of an attempt that was killed half-way finds its own records unchanged: c and u stay. Dead is replaced by
-- any good code, and any good code by dead or accepted.
local function mark_seen(id, existing, code, pass, fetched)
  if not existing then
    count(COUNTER[code], 1)
    count('unique:' .. pass, 1)
  else
    local old_code, old_pass, old_fetched = string.match(existing, '^(%a)(%d+):(.*)$')
    if code ~= 'd' and code ~= 'a' and (old_code == 'c' or old_code == 'u') then
      code = old_code
    end
    -- @safeguard counted-once
    if code ~= old_code then
      -- @safeguard counted-once-take-back
      count(COUNTER[old_code], -1)
      count(COUNTER[code], 1)
    end
    if tonumber(pass) > tonumber(old_pass) then
      count('unique:' .. pass, 1)
    else
      pass = old_pass
    end
    if old_fetched > fetched then
      fetched = old_fetched
    end
  end
  local mark = code .. pass .. ':' .. fetched
  if mark ~= existing then
    marks[#marks + 1] = id
    marks[#marks + 1] = mark
  end
end

local function write_seen(seen_key, run_key)
  if #marks > 0 then
    redis.call('HSET', seen_key, unpack(marks))
  end
  for name, by in pairs(delta) do
    if by ~= 0 then
      redis.call('HINCRBY', run_key, name, by)
    end
  end
end
