--[[
  Included by every script that moves a machine, so that a transition and its accompanying writes are one step.

  transition(keys, machine, request): applies request.events in order, all or none.
    keys     machine HASH: state version since trigger actor actor_kind reason details until until_ms wait_ms
               created_at updated_at urn processed errors permits
             history STREAM, bounded: one entry per transition
             outbox  STREAM, optional: the same transitions for the macro machine; never trimmed by length, since none
               may be lost
    machine  a table of a machine (machines/luaTables.ts)
    request  events {…}, actor, kind (person, engine, schedule, script), reason, details (JSON text), wait_ms,
               expect {version, state}, facts {urn, processed, errors, permits}, kept (history entries kept)
  Returns a table for transitionReply:
    {kind = "moved", moves = {…}} · {kind = "unchanged"}, with `held` (ms) while a wait lasts
    {kind = "refused", why = "illegal"|"person", event, state} · {kind = "lost"}: the machine is not as `expect` says
  Nothing is written unless the machine moved, an event refreshed a wait, or a wait exceeded its own length.

  transitionReply(keys, result): result, the machine's fields and the time of Redis as one JSON text.
]]
--- @include "isoTime.lua"
--- @include "../../redis/lua/time.lua"
local factNames = { "urn", "processed", "errors", "permits" }

local function transition(keys, machine, request)
  local stored = redis.call("HMGET", keys.machine, "state", "version", "until_ms", "wait_ms")
  local state = stored[1] or machine.initial
  local version = tonumber(stored[2] or "0")
  local lasts = tonumber(stored[3] or "0")
  local now = nowMs()
  -- The clock of Redis went back: the wait starts over with its full length, and lasts no longer.
  local longest = tonumber(stored[4] or "0")
  if longest > 0 and lasts > now + longest then
    lasts = nearest(lasts, now, longest)
    redis.call("HSET", keys.machine, "until", isoTime(lasts), "until_ms", string.format("%.0f", lasts))
  end
  local expect = request.expect or {}
  if (expect.version and expect.version ~= version) or (expect.state and expect.state ~= state) then
    return { kind = "lost" }
  end

  local moves = {}
  local refreshes = false
  local current = state
  local at_event = 1
  while request.events[at_event] do
    local event = request.events[at_event]
    -- A state that this version does not know was stored by a newer one: no event is legal then.
    local step = machine.table[current] and machine.table[current][event]
    if not step then
      return { kind = "refused", why = "illegal", event = event, state = current }
    end
    -- @safeguard person-only
    if step.by == "person" and request.kind ~= "person" then
      return { kind = "refused", why = "person", event = event, state = current }
    end
    if step.guard == "until" and lasts > now then
      return { kind = "unchanged", held = lasts - now }
    end
    if step.to then
      moves[#moves + 1] = { old_state = current, new_state = step.to, trigger = event, version = version + #moves + 1 }
      current = step.to
      lasts = 0
    elseif step.stays == "refreshes" then
      refreshes = true
    end
    -- `again`: this state is passed through, and the event is applied again in it.
    if not step.again then
      at_event = at_event + 1
    end
  end
  if #moves == 0 and not refreshes then
    return { kind = "unchanged" }
  end

  local ends = request.wait_ms and now + request.wait_ms or 0
  if #moves == 0 and ends < lasts then
    return { kind = "unchanged" }
  end
  local at = isoTime(now)
  local facts = request.facts or {}
  -- Has no effect except its position: when Redis is out of memory, it accepts the writes of a script whose first
  -- write frees memory. Operators' requests and the reason of a standstill must be stored then too.
  redis.call("HDEL", keys.machine, "")
  local fields = { "updated_at", at, "reason", request.reason or "", "details", request.details or "" }
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for _, name in ipairs(factNames) do
    if facts[name] then
      set(name, facts[name])
    end
  end
  if ends > 0 then
    set("until", isoTime(ends))
    set("until_ms", string.format("%.0f", ends))
    set("wait_ms", string.format("%.0f", request.wait_ms))
  elseif #moves > 0 then
    redis.call("HDEL", keys.machine, "until", "until_ms", "wait_ms")
  end
  local last = moves[#moves]
  if last then
    for name, value in pairs({ state = last.new_state, version = last.version, since = at, trigger = last.trigger,
      actor = request.actor, actor_kind = request.kind }) do
      set(name, value)
    end
    redis.call("HSETNX", keys.machine, "created_at", at)
  end
  redis.call("HSET", keys.machine, unpack(fields))

  local told = { at = at, actor = request.actor, actor_kind = request.kind, reason = request.reason or "",
    details = request.details or "" }
  for _, name in ipairs(factNames) do
    told[name] = redis.call("HGET", keys.machine, name) or ""
  end
  for _, move in ipairs(moves) do
    local entry = {}
    for name, value in pairs(told) do
      move[name] = value
    end
    for name, value in pairs(move) do
      entry[#entry + 1] = name
      entry[#entry + 1] = value
    end
    redis.call("XADD", keys.history, "MAXLEN", "~", request.kept, "*", unpack(entry))
    if keys.outbox then
      redis.call("XADD", keys.outbox, "*", "version", move.version, "old_state", move.old_state,
        "new_state", move.new_state, "trigger", move.trigger, "reason", move.reason)
    end
  end
  if last then
    return { kind = "moved", moves = moves }
  end
  return { kind = "unchanged" }
end

local function transitionReply(keys, result)
  local flat = redis.call("HGETALL", keys.machine)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  result.machine = fields
  result.now = nowMs()
  return cjson.encode(result)
end
