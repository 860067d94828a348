--- What a sweep shows on standard error: a line for each trial that ends, and on a terminal below them the trials that
-- run, elsewhere a line a minute with the best and the time that is left.
local core = require "effv2.core"
local duration = require("effv2.train.progress").duration
local results = require "effv2.search.results"
local text = require "effv2.search.text"

local board = {}

local Board = {}
Board.__index = Board

local DRAW_EVERY = 0.5 -- seconds, on a terminal
local LINE_EVERY = 60  -- seconds, elsewhere
local WIDTH = 110      -- characters, where the terminal does not say

--- @param sweep what coordinator.run was given
function board.new(sweep)
    local self = setmetatable({
        sweep = sweep, terminal = core.is_terminal(2), drawn = 0, shown = core.clock(), seconds = 0, ended_here = 0,
        waited_for = "",
    }, Board)
    self:write(("study %s: %s, %d at a time with %d thread%s each, in %s"):format(sweep.name, (self:counts()), sweep.jobs,
        sweep.threads, sweep.threads == 1 and "" or "s", sweep.path))
    return self
end

--- How many trials have each status, as a text, and how many have not ended.
function Board:counts()
    local progress = self.sweep.store:progress(self.sweep.wishes)
    local parts = {}
    for _, status in ipairs { "complete", "stopped", "failed", "running", "waiting" } do
        if progress[status] > 0 then
            parts[#parts + 1] = ("%d %s"):format(progress[status], status)
        end
    end
    return table.concat(parts, ", "), progress.waiting + progress.running
end

--- Removes the table, so that a line can be written.
function Board:clear()
    if self.drawn > 0 then
        io.stderr:write(("\27[%dA\27[J"):format(self.drawn))
        self.drawn = 0
    end
end

function Board:write(line)
    if not self.sweep.quiet then
        self:clear()
        io.stderr:write(line, "\n")
    end
end

--- A trial of this process has ended.
function Board:ended(row)
    local result = row.value and ("%.6g"):format(row.value) or row.message and row.message:match "[^\n]*" or ""
    self.seconds, self.ended_here = self.seconds + (row.seconds or 0), self.ended_here + 1
    self:write(("trial %d seed %d  %-8s  %s  %s  %s"):format(row.number, row.seed, row.status, result,
        duration(row.seconds or 0), text.parameters(row.parameters)))
    self.shown = self.terminal and -math.huge or self.shown -- the table has gone
end

--- Says once that trials of other processes are waited for.
function Board:wait_for(others)
    local parts = {}
    for i, other in ipairs(others) do
        parts[i] = ("process %d on %s"):format(other.pid, other.host)
    end
    local names = table.concat(parts, ", ")
    if names ~= self.waited_for and names ~= "" then
        self:write(("study %s: waiting for trials of %s"):format(self.sweep.name, names))
    end
    self.waited_for = names
end

--- Seconds that the trials which are left will take, if they take as long as those that ended.
function Board:remaining(left)
    return self.ended_here > 0 and left * self.seconds / self.ended_here / self.sweep.jobs or math.huge
end

local function best_text(sweep)
    local best = results.of(sweep.store, sweep.study, sweep.direction):best()
    return best and ("best: %s, trial %d: %s"):format(text.mean(best.mean, best.deviation), best.number,
        text.parameters(best.parameters)) or "best: none yet"
end

--- "3 complete, 2 running, 5 waiting  ETA 0:12"; also looks for the best when something has changed.
function Board:counts_and_time()
    local counts, left = self:counts()
    if counts ~= self.counted then
        self.counted, self.best = counts, best_text(self.sweep)
    end
    return ("%s  ETA %s"):format(counts, duration(self:remaining(left)))
end

function Board:table()
    local rows = { { "trial", "seed", "time", "epoch", "value", "parameters" } }
    for _, row in ipairs(self.sweep.store:running(self.sweep.study)) do
        rows[#rows + 1] = {
            tostring(row.number), tostring(row.seed), duration(os.time() - row.started), row.epoch and tostring(row.epoch) or "-",
            row.reported and ("%.5g"):format(row.reported) or "-", text.parameters(row.parameters),
        }
    end
    local last = self:counts_and_time()
    return ("%s\n%s\n%s\n"):format(text.columns(rows, { [6] = true }), self.best, last)
end

function Board:draw()
    local width = (core.terminal_width() or WIDTH + 1) - 1
    self:clear()
    for line in self:table():gmatch "(.-)\n" do
        io.stderr:write(text.cut(line, width), "\n")
        self.drawn = self.drawn + 1
    end
end

--- When it is time: draws the table on a terminal, writes a line with the best elsewhere.
function Board:show()
    local now = core.clock()
    if self.sweep.quiet or now - self.shown < (self.terminal and DRAW_EVERY or LINE_EVERY) then
        return
    elseif self.terminal then
        self:draw()
    else
        local line = self:counts_and_time()
        self:write(("study %s: %s; %s"):format(self.sweep.name, line, self.best))
    end
    self.shown = now
end

function Board:close()
    self:clear()
    self:write(("study %s: %s; %s"):format(self.sweep.name, (self:counts()), best_text(self.sweep)))
end

return board
