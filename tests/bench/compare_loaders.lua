--- effv2's loader beside those of other libraries, each in a process of its own, by turns: ratios pair by pair.
--
--     effv2 tests/bench/compare_loaders.lua data=FOLDER image=128 randaugment=0 rounds=3
--
-- Every process reads the same pictures with one thread and is bound to one core. The last line is a JSON object.
local effv2 = require "effv2"

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local runs = dofile(here .. "pairs.lua")

local cfg = effv2.config {
    data = effv2.config.optional "string", image = 128, randaugment = 0, epochs = 7, rounds = 3, core = 0,
    peers = { "pillow", "pillow-v2", "pillow-draft", "torchvision", "opencv", "dali", "libjpeg" },
    env = os.getenv "EFFV2_PEERS" or os.getenv "HOME" .. "/.cache/effv2-peers",
    help = {
        "Runs effv2's loader and other libraries' in alternation and prints ratios.",
        data = "a folder of pictures", randaugment = "magnitude of two operations; 0: none",
        peers = "pipelines of peers/loader_step.py; pillow-debian: Debian's Pillow and torchvision; libjpeg: no pipeline, "
            .. "but whole decodes at 1/8 by libjpeg-turbo alone",
        env = "the Python environment of peers/make_env", epochs = "timed passes over the pictures of a run",
        rounds = "runs of each peer", core = "the number of the core that everything runs on",
    },
}

if not cfg.data then
    error({ exit_code = 2, message = "compare_loaders: data=FOLDER is needed; --help lists the keys" }, 0)
end

local quoted = runs.quoted
local words = ("data=%s image=%d randaugment=%d epochs=%d"):format(quoted(cfg.data), cfg.image, cfg.randaugment, cfg.epochs)
local bound = ("taskset -c %d "):format(cfg.core)

local function command_of(peer)
    if peer == "libjpeg" then
        return bound .. quoted(runs.program():match "^(.*/)" .. "tests/bench_jpeg_decode") .. " " .. quoted(cfg.data)
    end
    local debian = peer == "pillow-debian"
    local python = debian and "/usr/bin/python3" or cfg.env .. "/bin/python"
    return ("%s%s -B %speers/loader_step.py pipeline=%s %s"):format(bound, quoted(python), quoted(here),
        debian and "pillow" or peer, words)
end

local peers = {}
for i, name in ipairs(cfg.peers) do
    peers[i] = { name = name, command = command_of(name) }
end
local own = ("%s%s %sloader.lua workers=1 like=torchvision %s"):format(bound, quoted(runs.program()), quoted(here), words)
local found = runs.alternate(own, peers, cfg.rounds, function(round, name, ours, theirs)
    print(("round %d  %-14s  effv2 %7.1f  peer %7.1f img/s  ratio %.2f"):format(round, name, ours.images_per_s,
        theirs.images_per_s, ours.images_per_s / theirs.images_per_s))
end)

local summaries = {}
print "\n| peer | its img/s | effv2 img/s | ratio (least to largest) |\n|---|---|---|---|"
for i, peer in ipairs(peers) do
    local s = runs.rates(found[peer.name])
    s.peer, summaries[i] = peer.name, s
    print(("| %s | %.0f | %.0f | **%.2f** (%.2f to %.2f) |"):format(s.peer, s.images_per_s, s.effv2_images_per_s, s.ratio,
        s.least_ratio, s.largest_ratio))
end
print(effv2.json_encode {
    cpu = effv2.info().cpu, image = cfg.image, randaugment = cfg.randaugment, rounds = cfg.rounds, peers = summaries,
})
