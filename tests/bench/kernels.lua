--- The speed of every convolution, depthwise convolution and norm of the models, per kernel variant.
--
--     effv2 tests/bench/kernels.lua model=efficientnetv2-s,efficientnet-b0,resnet50 image=128 batch=16
--
-- Each distinct shape has a line for each variant that can compute it: how often the models have it, then forward,
-- backward-data and backward-weights (of a norm: forward and backward). Convolutions are in GFLOP/s, depthwise ones and
-- norms in GB/s, where each array counts once a pass; Winograd is given the operations of the definition. A star marks
-- the variant that is chosen when none is pinned. The peaks of the machine come first; the last line is a JSON object.
local effv2 = require "effv2"
local core = require "effv2.core"

local cfg = effv2.config {
    model = { "efficientnetv2-s", "efficientnet-b0", "resnet50" }, image = 128, batch = 16, threads = effv2.threads(),
    isa = effv2.info().isa, variants = "*", trials = 5,
    help = {
        "Times the kernels of the models' layers.",
        model = "names of effv2.models.list()", isa = "the instruction set whose variants are timed",
        variants = "a pattern of variants, such as *.winograd.*", trials = "runs of each pass; the median counts",
    },
}

-- ---- the shapes -------------------------------------------------------------------------------------

local shapes = {} -- a list, and by key

local function note(shape, x)
    shape.height, shape.width, shape.channels = x[2], x[3], x[4]
    local key = effv2.json_encode(shape)
    if not shapes[key] then
        shape.count = 0
        shapes[key], shapes[#shapes + 1] = shape, shape
    end
    shapes[key].count = shapes[key].count + 1
end

local function note_layer(layer, x)
    if layer:type() == "Conv2d" then
        local depthwise = layer.groups > 1 and layer.groups == layer.in_channels
        note({
            kind = depthwise and "depthwise" or "conv2d", out_channels = layer.out_channels, kernel = layer.kernel_size,
            stride = layer.stride, padding = layer.padding, groups = layer.groups,
        }, x:shape())
    elseif layer:type() == "BatchNorm2d" then
        note({ kind = "norm", activation = layer.activation }, x:shape())
    end
end

--- Notes the shapes of all layers in one forward pass.
local function note_model(name)
    local model = effv2.models.create(name):eval()
    local meta = getmetatable(effv2.nn.Dropout {})
    local call = meta.__call
    function meta.__call(layer, x)
        note_layer(layer, x)
        return call(layer, x)
    end
    effv2.step(effv2.no_grad, model, effv2.zeros(1, cfg.image, cfg.image, 3))
    meta.__call = call
end

-- ---- one shape: tensors, and what is done with them ---------------------------------------------------

--- passes: { { name, "forward" or "backward", f, amount }, ... } of the op; amounts are operations or bytes.
local function conv_passes(s)
    local x = effv2.randn(cfg.batch, s.height, s.width, s.channels)
    local w = effv2.randn(s.kernel, s.kernel, s.channels / s.groups, s.out_channels)
    local options = { stride = s.stride, padding = s.padding, groups = s.groups }
    local function forward()
        return effv2.conv2d(x, w, options)
    end
    local dy = effv2.randn(unpack(forward():shape()))
    local function backward_to(tensor)
        return function()
            tensor:requires_grad(true)
            forward():backward(dy)
            tensor:requires_grad(false)
        end
    end
    local dense = s.kind == "conv2d"
    local amount = dense and effv2.cost("conv2d", x, w, options).flops or 4 * (x:numel() + w:numel() + dy:numel())
    return "conv2d", {
        { "forward", "forward", forward, amount }, { "data", "backward", backward_to(x), amount },
        { "weights", "backward", backward_to(w), amount },
    }
end

local function norm_passes(s)
    local x = effv2.randn(cfg.batch, s.height, s.width, s.channels)
    local gamma, beta, dy = effv2.ones(s.channels), effv2.zeros(s.channels), effv2.randn(unpack(x:shape()))
    local function forward()
        return effv2.batch_norm(x, gamma, beta, { activation = s.activation })
    end
    local function backward()
        x:requires_grad(true)
        forward():backward(dy)
        x:requires_grad(false)
    end
    return "batch_norm", {
        { "forward", "forward", forward, 4 * 2 * x:numel() }, { "backward", "backward", backward, 4 * 3 * x:numel() },
    }
end

-- ---- timing -----------------------------------------------------------------------------------------

local function median(list)
    table.sort(list)
    return list[math.ceil(#list / 2)]
end

--- Seconds that the op takes in one call of f.
local function seconds_of(op, pass, f)
    core.profile_start()
    effv2.step(f)
    core.profile_stop()
    for _, row in ipairs(core.profile_rows()) do
        if row.op == op then
            return row[pass].seconds
        end
    end
end

--- Rates of all passes, { forward = 1e9 a second, ... }; the first run of each is not counted.
local function rates_of(op, passes)
    local rates = {}
    for _, entry in ipairs(passes) do
        local name, pass, f, amount = unpack(entry)
        local times = {}
        seconds_of(op, pass, f)
        for trial = 1, cfg.trials do
            times[trial] = seconds_of(op, pass, f)
        end
        rates[name] = amount / median(times) / 1e9
    end
    return rates
end

--- The variants of the instruction set that can compute the shape.
local function variants_of(kind, forward)
    local list = {}
    for _, kernel in ipairs(effv2.kernels(kind .. "." .. cfg.variants)) do
        if kernel.isa == cfg.isa then
            kernel:with(effv2.step, forward)
            if effv2.kernel_used(kind).name == kernel.name then
                list[#list + 1] = kernel
            end
        end
    end
    return list
end

-- ---- the table --------------------------------------------------------------------------------------

local function shape_text(s)
    local text = ("%dx%dx%d"):format(s.height, s.width, s.channels)
    if s.kind == "norm" then
        return ("%s %s"):format(text, s.activation)
    end
    return ("%s%s k%d s%d"):format(text, s.kind == "conv2d" and "->" .. s.out_channels or "", s.kernel, s.stride)
end

local function print_line(s, kernel, chosen, rates)
    local line = {}
    for _, name in ipairs { "forward", "data", "weights", "backward" } do
        if rates[name] then
            line[#line + 1] = ("%s %6.1f"):format(name, rates[name])
        end
    end
    print(("%3d  %-26s  %s %-24s  %s"):format(s.count, shape_text(s), kernel.name == chosen and "*" or " ", kernel.name,
        table.concat(line, "  ")))
    io.stdout:flush()
end

local function time_shape(s, results)
    local op, passes = (s.kind == "norm" and norm_passes or conv_passes)(s)
    local forward = passes[1][3]
    effv2.step(forward)
    local chosen = effv2.kernel_used(s.kind).name
    for _, kernel in ipairs(variants_of(s.kind, forward)) do
        local rates = kernel:with(rates_of, op, passes)
        print_line(s, kernel, chosen, rates)
        results[#results + 1] = {
            kind = s.kind, shape = shape_text(s), count = s.count, variant = kernel.name, chosen = kernel.name == chosen,
            rates = rates,
        }
    end
end

effv2.set_threads(cfg.threads)
effv2.use_isa(cfg.isa)
effv2.manual_seed(0)
for _, name in ipairs(cfg.model) do
    note_model(name)
end

local flops, bandwidth = effv2.peak_flops() / 1e9, effv2.peak_bandwidth()
print(("peaks of %d threads, %s: %.0f GFLOP/s, memory read at %.1f GB/s, copied at %.1f GB/s"):format(cfg.threads, cfg.isa,
    flops, bandwidth.read / 1e9, bandwidth.copy / 1e9))
local results, units = {}, { conv2d = "GFLOP/s", depthwise = "GB/s", norm = "GB/s" }
for _, kind in ipairs { "conv2d", "depthwise", "norm" } do
    print(("\n%s, %s"):format(kind, units[kind]))
    for _, s in ipairs(shapes) do
        if s.kind == kind then
            effv2.step(time_shape, s, results)
        end
    end
end
print(effv2.json_encode {
    cpu = effv2.info().cpu, threads = cfg.threads, isa = cfg.isa, image = cfg.image, batch = cfg.batch, models = cfg.model,
    peak_gflops = flops, read_gb_s = bandwidth.read / 1e9, copy_gb_s = bandwidth.copy / 1e9, results = results,
})
