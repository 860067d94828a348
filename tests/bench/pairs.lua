--- What the comparisons share: processes by turns, and the ratios of what they print.
local effv2 = require "effv2"

local pairs_of_runs = {}

local function output_of(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    pipe:close()
    return text
end

--- The path of the program that runs this script.
function pairs_of_runs.program()
    return output_of "readlink /proc/$PPID/exe":match "[^\n]+"
end

function pairs_of_runs.quoted(path)
    return "'" .. path:gsub("'", "'\\''") .. "'"
end

--- The object of a process's last line; an error with what it said when there is none.
local function result_of(name, command)
    local log = os.tmpname()
    local text = output_of(("%s 2>%s"):format(command, log))
    local result = effv2.json_decode(text:match "([^\n]*)\n*$")
    local said = effv2.read_file(log) or ""
    os.remove(log)
    if type(result) ~= "table" or not result.images_per_s then
        error(("%s gave no result. It was run as\n%s\nand said\n%s"):format(name, command, said), 0)
    end
    return result
end

--- Runs each peer `rounds` times, each with a run of effv2 of its own, which comes first in odd rounds.
-- @param own the command of effv2
-- @param peers a list of { name =, command = }
-- @param on_pair function(round, name, ours, theirs), called after each pair
-- @return { [name] = { { ours =, theirs = }, ... } }
function pairs_of_runs.alternate(own, peers, rounds, on_pair)
    local found = {}
    for round = 1, rounds do
        for _, peer in ipairs(peers) do
            local ours = round % 2 == 1 and result_of("effv2", own)
            local theirs = result_of(peer.name, peer.command)
            ours = ours or result_of("effv2", own)
            found[peer.name] = found[peer.name] or {}
            table.insert(found[peer.name], { ours = ours, theirs = theirs })
            on_pair(round, peer.name, ours, theirs)
            io.stdout:flush()
        end
    end
    return found
end

local function sorted_column(list, f)
    local values = {}
    for i, pair in ipairs(list) do
        values[i] = f(pair)
    end
    table.sort(values)
    return values
end

--- The median of f(pair).
function pairs_of_runs.median(list, f)
    local values = sorted_column(list, f)
    local n = #values
    return (values[math.ceil(n / 2)] + values[math.floor(n / 2) + 1]) / 2
end

local function ratio(pair)
    return pair.ours.images_per_s / pair.theirs.images_per_s
end

--- Median, least and largest of effv2's images per second over the peer's, and both medians.
function pairs_of_runs.rates(list)
    local ratios = sorted_column(list, ratio)
    return {
        ratio = pairs_of_runs.median(list, ratio), least_ratio = ratios[1], largest_ratio = ratios[#ratios],
        images_per_s = pairs_of_runs.median(list, function(p) return p.theirs.images_per_s end),
        effv2_images_per_s = pairs_of_runs.median(list, function(p) return p.ours.images_per_s end),
    }
end

return pairs_of_runs
