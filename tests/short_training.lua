-- A few updates of a small network on a few pictures, with everything that a training has: for sanitizers and valgrind.
local effv2 = require "effv2"

local folder = os.tmpname()
os.remove(folder)
effv2.manual_seed(1)
local data = effv2.data.open("shapes", { train = 24, val = 8 })
local model = effv2.models.create {
    stem = { channels = 8, stride = 2 }, head = 16, classes = 10, drop_path = 0.2, dropout = 0.2,
    stages = {
        { op = "fused", expansion = 2, kernel = 3, stride = 1, channels = 8, layers = 1 },
        { op = "mb", expansion = 2, kernel = 3, stride = 2, channels = 12, layers = 2, se = 0.25 },
    },
}
local result = effv2.train {
    model = model, data = data, epochs = 2, batch_size = 8, workers = 2, ema = 0.9, quiet = true, run = folder,
    optimizer = effv2.optim.rmsprop { weight_decay = 1e-5 }, lr = effv2.lr.cosine { peak = 0.01 },
    schedule = effv2.schedule.progressive {
        stages = 2, image_size = { 16, 24 }, randaugment = { 5, 10 }, mixup = { 0.1, 0.2 }, cutmix = { 0.1, 0.2 },
        dropout = { 0.1, 0.2 },
    },
}
assert(result.top1 and result.loss == result.loss)
os.execute(("rm -r '%s'"):format(folder))
print "done"
