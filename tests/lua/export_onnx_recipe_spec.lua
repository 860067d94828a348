--- recipes/export_onnx.lua: what it writes and what it prints.
local effv2 = require "effv2"
local read_file = require "tests.lua.onnx_file"
local recipes = dofile "tests/lua/support_recipes.lua"
local run_graph = require "tests.lua.onnx_runtime"
local support = dofile "tests/lua/support.lua"

describe("recipes/export_onnx.lua", function()
    local folder, model

    setup(function()
        folder, model = recipes.folder()
    end)

    teardown(recipes.clean)

    local function export(arguments)
        return recipes.run("export_onnx", "model=efficientnetv2-tiny " .. arguments:gsub("DIR", folder))
    end

    it("writes the weights of a file, whichever its layout", function()
        local images = effv2.randn(2, 48, 40, 3)
        local want = effv2.no_grad(model, images)
        for _, arguments in ipairs { "weights=DIR/w.safetensors", "weights=DIR/t.safetensors layout=timm" } do
            local code, output, errors = export(arguments .. " size=48,40 out=DIR/m.onnx")
            assert.is_equal(0, code, errors)
            assert.matches("image batchx3x48x40, logits batchx3", output)
            local got = run_graph(read_file(folder .. "/m.onnx").graph, images:permute { 1, 4, 2, 3 })
            local off = effv2.max(effv2.abs(got - want):reshape { -1 }):item()
            assert.is_true(off <= 2e-5 * effv2.max(effv2.abs(want):reshape { -1 }):item())
        end
    end)

    it("needs no weights where they are said to be random", function()
        local code, _, errors = export "init=random size=32 out=DIR/random.onnx"
        assert.is_equal(0, code, errors)
        local inputs = read_file(folder .. "/random.onnx").graph.inputs
        assert.is_equal("image", inputs[1].name)
    end)

    it("takes another implementation's padding", function()
        local function paddings(arguments)
            local code, _, errors = export("init=random size=32 out=DIR/padded.onnx model=efficientnetv2-b0 " .. arguments)
            assert.is_equal(0, code, errors)
            for _, attribute in ipairs(read_file(folder .. "/padded.onnx").graph.nodes[1].attributes) do
                if attribute.name == "pads" then
                    return attribute.ints
                end
            end
        end
        assert.is_same({ 0, 0, 1, 1 }, paddings "")
        assert.is_same({ 1, 1, 1, 1 }, paddings "preset=timm")
    end)

    for _, case in ipairs {
        { "what is missing on the command line", "size=32 out=DIR/x", 2, "weights=FILE", "init=random" },
        { "another layout", "weights=DIR/w.safetensors layout=timm out=DIR/x", 1, "in layout timm", "those of layout effv2" },
        { "a missing file", "weights=DIR/nope out=DIR/x", 1, "nope: cannot read", "No such file" },
        { "a folder to write that is not there", "init=random size=32 out=DIR/no/x", 1, "no/x: cannot write", "does not exist" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = export(case[2])
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
            assert.is_false(effv2.file_exists(folder .. "/x"))
        end)
    end
end)
