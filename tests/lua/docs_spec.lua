-- What the documents show works: Lua blocks run, commands run (trainings only up to their configuration).
local PROGRAM = os.getenv "EFFV2" or "build/release/effv2"

local function blocks(path, language)
    local file = assert(io.open(path))
    local text, found = file:read "*a", {}
    file:close()
    for block in text:gmatch("\n```" .. language .. "\n(.-)\n```") do
        found[#found + 1] = block
    end
    return found
end

local function run(command)
    local pipe = assert(io.popen(command .. " 2>&1; echo \"exit $?\""))
    local output = pipe:read "*a"
    pipe:close()
    return tonumber(output:match "exit (%d+)%s*$"), output
end

--- Runs a program in Lua in a folder of its own, where it may leave files.
local function run_block(text)
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)) == 0)
    local file = assert(io.open(folder .. "/block.lua", "w"))
    file:write(text)
    file:close()
    local code, output = run(("program=$(realpath '%s'); cd '%s' && \"$program\" --threads 1 block.lua"):format(PROGRAM, folder))
    os.execute(("rm -rf '%s'"):format(folder))
    return code, output
end

local DOCUMENTS = {
    "README.md", "ARCHITECTURE.md", "docs/decoding.md", "docs/augmentation.md", "docs/sweeps.md", "docs/search.md",
    "docs/experiments.md",
}

for _, document in ipairs(DOCUMENTS) do
    describe(document, function()
        for i, block in ipairs(blocks(document, "lua")) do
            it("runs its Lua block " .. i, function()
                local code, output = run_block(block)
                assert.are.equal(0, code, output)
            end)
        end
        for _, block in ipairs(blocks(document, "sh")) do
            for line in block:gmatch "[^\n]+" do
                it("runs: " .. line, function()
                    local arguments = assert(line:match "^effv2 (.*)$", "a command that is not effv2")
                    local training = (arguments:match "^recipes/" or arguments:match "^experiments/")
                        and not arguments:match "%-%-help"
                    local code, output = run(("'%s' %s%s"):format(PROGRAM, arguments, training and " --print-config" or ""))
                    assert.are.equal(0, code, output)
                end)
            end
        end
        it("names only files that exist", function()
            local file = assert(io.open(document))
            local text = file:read "*a"
            file:close()
            for path in text:gmatch "[`( ]([%w_]+/[%w_/%.]+%.[%w]+)[`) ]" do
                if not path:match "^build/" and not path:match "^runs/" and not path:match "^ops/" then
                    local found = io.open(path) or io.open("core/" .. path) or io.open("core/image/" .. path)
                    local example = path:match "softplus"
                    assert.is_true(found ~= nil or example ~= nil, path)
                    if found then
                        found:close()
                    end
                end
            end
        end)
    end)
end
