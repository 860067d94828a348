--- What a training shows while it runs: a bar on a terminal, plain lines elsewhere.
local core = require "effv2.core"

local progress = {}

local Progress = {}
Progress.__index = Progress

local LINE_EVERY = 60 -- seconds, where there is no terminal
local BAR_EVERY = 0.2

--- work(step) gives the cost of the steps before `step` in any unit, so that the remaining time knows that larger
-- images take longer.
function progress.new(total_steps, work, write_line)
    return setmetatable({
        total = total_steps, work = work, write_line = write_line, terminal = core.is_terminal(2),
        started = core.clock(), shown = -math.huge, images = 0, rate_started = core.clock(),
    }, Progress)
end

local function duration(seconds)
    if seconds ~= seconds or seconds == math.huge then
        return "?"
    end
    local s = math.floor(seconds + 0.5)
    if s < 3600 then
        return ("%d:%02d"):format(math.floor(s / 60), s % 60)
    end
    return ("%d:%02d:%02d"):format(math.floor(s / 3600), math.floor(s / 60) % 60, s % 60)
end
progress.duration = duration

--- Marks the step at which this process began, for rates.
function Progress:begin(step)
    self.first_work = self.work(step)
    self.started = core.clock()
end

--- Seconds that the steps after `step` will take, if a unit of work goes on taking as long as it did.
function Progress:remaining(step)
    local done, all = self.work(step) - self.first_work, self.work(self.total) - self.work(step)
    return done > 0 and (core.clock() - self.started) * all / done or math.huge
end

function Progress:count(images)
    self.images = self.images + images
end

--- Images per second since restart_rate; nil before the first ones.
function Progress:rate()
    return self.images > 0 and self.images / math.max(core.clock() - self.rate_started, 1e-9) or nil
end

--- Begins to measure anew: the image size changed, or something else than training took time.
function Progress:restart_rate()
    self.images, self.rate_started = 0, core.clock()
end

local function bar(share, width)
    local full = math.floor(share * width)
    return ("#"):rep(full) .. ("-"):rep(width - full)
end

--- After a step, when it is time: state has step, epoch, epochs, settings, loss.
function Progress:show(state)
    local now = core.clock()
    if now - self.shown < (self.terminal and BAR_EVERY or LINE_EVERY) then
        return
    end
    self.shown = now
    local text = ("stage %s  epoch %d/%d  %d px  loss %.4f  %.1f img/s  ETA %s"):format(tostring(state.settings.stage or "-"),
        state.epoch, state.epochs, state.settings.image_size, state.loss, self:rate() or 0, duration(self:remaining(state.step)))
    if self.terminal then
        io.stderr:write("\r[", bar(state.step / self.total, 20), "] ", text, "\27[K")
        self.drawn = true
    else
        self.write_line(text)
    end
end

--- Removes the bar so that a line can be written.
function Progress:clear()
    if self.drawn then
        io.stderr:write "\r\27[K"
        self.drawn = false
    end
end

return progress
