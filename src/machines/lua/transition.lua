--[[
  Included by every script that moves a machine, so that a transition and what it goes with are one step.

  transition(keys, machine, request): takes the machine through request.events, in order, all or none.
    keys     machine HASH: state version since trigger actor actor_kind reason details until until_ms
                           wait_ms created_at updated_at urn processed errors permits
             history STREAM, bounded: one entry a transition
             outbox  STREAM, optional: the same transitions, for the macro machine; never bounded, since none may be lost
    machine  a table of providerMachine.lua or macroMachine.lua
    request  events {…}, actor, kind (person, engine, schedule, script), reason, details (JSON text), wait_ms,
             expect {version, state}, facts {urn, processed, errors, permits}, kept (history entries kept)
  Returns a table, to be sent with transitionReply:
    {kind = "moved", moves = {…}} · {kind = "unchanged"}, with `held` (ms) where a wait still lasts
    {kind = "refused", why = "illegal"|"person", event, state} · {kind = "lost"}: the machine is not as `expect` says
  Nothing is written unless it moved, an event refreshed a wait, or a wait ended farther away than its own length.

  transitionReply(keys, result): result, the machine's fields and Redis' time as one JSON text.
]]
--- @include "isoTime.lua"
--- @include "../../redis/lua/time.lua"
local function transition(keys, machine, request)
  local stored = redis.call("HMGET", keys.machine, "state", "version", "until_ms", "wait_ms")
  local state = stored[1] or machine.initial
  local version = tonumber(stored[2] or "0")
  local lasts = tonumber(stored[3] or "0")
  local now = nowMs()
  -- Redis' clock went back: a wait lasts once more as long as it was asked for, and no longer.
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
    -- A state that this version does not know was stored by a newer one: nothing is legal then.
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
    -- `again`: the way on leads through this state, and the event is asked anew in it.
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
  -- Does nothing but to go first: out of memory, Redis takes the writes of a script whose first write frees. A person's
  -- word, and the reason why nothing moves, must be taken then too.
  redis.call("HDEL", keys.machine, "")
  local fields = { "updated_at", at, "reason", request.reason or "", "details", request.details or "" }
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for _, name in ipairs({ "urn", "processed", "errors", "permits" }) do
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
    set("state", last.new_state)
    set("version", last.version)
    set("since", at)
    set("trigger", last.trigger)
    set("actor", request.actor)
    set("actor_kind", request.kind)
    redis.call("HSETNX", keys.machine, "created_at", at)
  end
  redis.call("HSET", keys.machine, unpack(fields))

  local told = redis.call("HMGET", keys.machine, "urn", "processed", "errors", "permits")
  for _, move in ipairs(moves) do
    move.at = at
    move.actor = request.actor
    move.actor_kind = request.kind
    move.reason = request.reason or ""
    move.details = request.details or ""
    move.urn = told[1] or ""
    move.processed = told[2] or ""
    move.errors = told[3] or ""
    move.permits = told[4] or ""
    local entry = {}
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
