--- A study: which learning rate and width let a small network learn sin(3x) best, with three seeds each?
--
-- Each trial is a process of its own, two at a time. Run it again and nothing is left to do; interrupt it, and the same
-- command goes on; raise `trials`, and it runs those that are new. `effv2 recipes/study.lua show sine db=sine.db` and
-- `... pareto sine x=parameters` look at what is in the database.
local effv2 = require "effv2"
local nn, space = effv2.nn, effv2.search.space

local function objective(trial) -- effv2.manual_seed(trial.seed) was called
    local width, act = trial.params.width, trial.params.act
    local hidden = nn.Dense { in_features = 1, out_features = width }
    local out = nn.Dense { in_features = width, out_features = 1 }
    local model = nn.Sequential { { "hidden", hidden }, { "act", nn.Activation { kind = act } }, { "out", out } }
    local optimiser = effv2.optim.sgd { momentum = trial.params.momentum or 0 }:attach(model)
    local x = effv2.rand(64, 1) * 2 - 1
    local values = x:reshape(64):totable()
    for i, value in ipairs(values) do
        values[i] = { math.sin(3 * value) }
    end
    local y = effv2.tensor(values)

    local loss
    for epoch = 1, 10 do
        for _ = 1, 30 do
            effv2.step(function()
                optimiser:zero_grad()
                local batch_loss = (model(x) - y):square():mean()
                batch_loss:backward()
                optimiser:step { lr = trial.params.lr }
                loss = batch_loss:item()
            end)
        end
        trial:report(epoch, loss) -- the stopper may end the trial here
    end
    return loss, { parameters = 3 * width + 1 }
end

local study = effv2.search.study {
    name = "sine", path = "sine.db", trials = 6, seeds = 3, jobs = 2, direction = "minimize", stopper = "median",
    space = {
        lr = space.log(1e-3, 0.3),
        width = space.log_int(4, 64),
        act = { "relu", "silu", "sigmoid" },
        momentum = space.when("act", { "relu", "silu" }, space.uniform(0.5, 0.95)),
    },
    objective = objective,
    quiet = true,
}
study:run()
print(study:summary())
