--- effv2 beside its peers, each in a process of its own, by turns: ratios pair by pair, medians, memory.
--
--     effv2 tests/bench/compare.lua model=efficientnetv2-s image=128 batch=16 threads=2 mode=train \
--         peers=torch,torch-compile,tensorflow rounds=3
--
-- peers/make_env makes the environment that they need. In each round every peer has its own run of effv2 beside it, which
-- comes first in odd rounds and last in even ones, so that a machine that slows down or speeds up favours nobody. A ratio
-- is effv2's images per second over the peer's. The last line is a JSON object.
local effv2 = require "effv2"

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local runs = dofile(here .. "pairs.lua")

local cfg = effv2.config {
    model = "efficientnetv2-s", image = 128, batch = 16, threads = 2, steps = 10, warmup = 3, rounds = 3,
    mode = effv2.config.choice("train", { "train", "infer" }),
    peers = { "torch", "torch-contiguous", "torch-compile", "torch-compile-contiguous", "tensorflow" },
    env = os.getenv "EFFV2_PEERS" or os.getenv "HOME" .. "/.cache/effv2-peers",
    append = effv2.config.optional "string",
    help = {
        "Runs effv2 and other libraries in alternation and prints ratios.",
        peers = "torch, torch-compile (each also with -contiguous: that layout, not channels_last), torch-debian (1.13), "
            .. "tensorflow; with mode=infer onnxruntime, openvino",
        env = "the Python environment of peers/make_env",
        steps = "timed steps of a run", warmup = "steps before them", rounds = "runs of each peer",
        append = "a file to which the rows of a Markdown table are added",
    },
}

local torch = { script = "torch_step.py", words = "layout=channels_last" }
local PEERS = {
    torch = torch,
    ["torch-contiguous"] = { script = torch.script, words = "layout=contiguous" },
    ["torch-compile"] = { script = torch.script, words = "layout=channels_last compile=1" },
    ["torch-compile-contiguous"] = { script = torch.script, words = "layout=contiguous compile=1" },
    ["torch-debian"] = { script = torch.script, words = torch.words, python = "/usr/bin/python3" },
    ["torch-debian-contiguous"] = { script = torch.script, words = "layout=contiguous", python = "/usr/bin/python3" },
    tensorflow = { script = "tensorflow_step.py", words = "" },
    onnxruntime = { script = "onnxruntime_step.py", words = "" },
    openvino = { script = "openvino_step.py", words = "" },
}

-- ---- runs -------------------------------------------------------------------------------------------

local quoted = runs.quoted

local function common_words()
    local words = {}
    for _, key in ipairs { "model", "image", "batch", "threads", "mode", "steps", "warmup" } do
        words[#words + 1] = quoted(("%s=%s"):format(key, tostring(cfg[key])))
    end
    return table.concat(words, " ")
end

local own = ("%s %strain_step.lua %s"):format(quoted(runs.program()), quoted(here), common_words())

local function command_of(peer)
    local entry = PEERS[peer]
    return ("EFFV2_PEERS=%s %s -B %speers/%s %s %s"):format(quoted(cfg.env), quoted(entry.python or cfg.env .. "/bin/python"),
        quoted(here), entry.script, common_words(), entry.words)
end

-- ---- results ----------------------------------------------------------------------------------------

local function summary_of(peer, list)
    local summary = runs.rates(list)
    summary.peer, summary.version, summary.layout = peer, list[1].theirs.version, list[1].theirs.layout
    summary.peak_rss_mb = runs.median(list, function(p) return p.theirs.peak_rss_mb end)
    summary.start_rss_mb = runs.median(list, function(p) return p.theirs.start_rss_mb end)
    summary.effv2_peak_rss_mb = runs.median(list, function(p) return p.ours.peak_rss_mb end)
    summary.effv2_gflops = runs.median(list, function(p) return p.ours.gflops end)
    summary.effv2_fraction_of_peak = runs.median(list, function(p) return p.ours.fraction_of_peak end)
    return summary
end

local HEADER = "| model, image, batch, mode, threads | peer | its img/s | effv2 img/s | ratio (least to largest) "
    .. "| its peak RSS, MB (before the model) | effv2's | of the multiply-add rate |\n|---|---|---|---|---|---|---|---|"

local function row_of(s)
    return ("| %s %d, %d, %s, %d | %s %s, %s | %.1f | %.1f | **%.2f** (%.2f to %.2f) | %.0f (%.0f) | %.0f | %.0f %% |"):format(
        cfg.model, cfg.image, cfg.batch, cfg.mode, cfg.threads, s.peer, s.version:match "^[%d.]+[%d]" or s.version, s.layout,
        s.images_per_s, s.effv2_images_per_s, s.ratio, s.least_ratio, s.largest_ratio, s.peak_rss_mb, s.start_rss_mb,
        s.effv2_peak_rss_mb, 100 * s.effv2_fraction_of_peak)
end

local peers = {}
for i, name in ipairs(cfg.peers) do
    if not PEERS[name] then
        error(("peers: unknown peer '%s'; --help lists them"):format(name), 0)
    end
    peers[i] = { name = name, command = command_of(name) }
end

local found = runs.alternate(own, peers, cfg.rounds, function(round, name, ours, theirs)
    print(("round %d  %-24s  effv2 %7.2f  peer %7.2f img/s  ratio %.2f  RSS %.0f and %.0f MB"):format(round, name,
        ours.images_per_s, theirs.images_per_s, ours.images_per_s / theirs.images_per_s, ours.peak_rss_mb,
        theirs.peak_rss_mb))
end)

local rows, summaries = {}, {}
for i, peer in ipairs(cfg.peers) do
    summaries[i] = summary_of(peer, found[peer])
    rows[i] = row_of(summaries[i])
end
print("\n" .. HEADER .. "\n" .. table.concat(rows, "\n"))
if cfg.append then
    local before = effv2.read_file(cfg.append)
    local file = assert(io.open(cfg.append, "a"))
    file:write(before and before:find(HEADER, 1, true) and "" or HEADER .. "\n", table.concat(rows, "\n"), "\n")
    file:close()
end
print(effv2.json_encode {
    cpu = effv2.info().cpu, model = cfg.model, image = cfg.image, batch = cfg.batch, mode = cfg.mode, threads = cfg.threads,
    rounds = cfg.rounds, peers = summaries,
})
