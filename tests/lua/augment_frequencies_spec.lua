--- How often policies draw which operation, sign, filter and magnitude: chi-square tests.
--
-- Each outcome of a policy is made once by itself; drawn pictures are then recognised by their bytes. Right code fails
-- a test for one seed of 100,000; the seeds are fixed.
local ffi = require "ffi"
local effv2 = require "effv2"
local dialects = require "effv2.augment.dialects"
local operations = require "effv2.augment.operations"
local augment = effv2.augment

local SIZE, DRAWS = 32, 30000

local blends = { color = true, contrast = true, brightness = true, sharpness = true }

--- A picture that every operation changes, geometry in every sign, magnitude and filter.
local function restless()
    local rows, state = {}, 1
    for y = 1, SIZE do
        rows[y] = {}
        for x = 1, SIZE do
            rows[y][x] = {}
            for c = 1, 3 do
                state = (state * 16807) % 2147483647
                rows[y][x][c] = 20 + state % (120 + 30 * c)
            end
        end
    end
    return effv2.tensor(rows, "uint8")
end

local picture = restless()
local as_it_is = augment.pipeline { augment.steps.resize { filter = "pil_bilinear" }, size = SIZE }

--- What one operation makes of a picture: with both signs and filters where there are any, each as likely.
local function variants(at, dialect, compiled)
    local warp = compiled.name:match "^rotate" or compiled.name:match "^shear" or compiled.name:match "^translate"
    local filters = warp and dialect.other and { dialect.filter, dialect.other } or { dialect.filter }
    local signs = compiled.signed and { 1, -1 } or { 1 }
    local list = {}
    for _, sign in ipairs(signs) do
        local args = compiled.args
        if sign < 0 then
            args = { blends[compiled.primitive] and 2 - args[1] or -args[1] }
        end
        for _, filter in ipairs(filters) do
            list[#list + 1] = {
                picture = effv2.apply_operation(at, { name = compiled.name, primitive = compiled.primitive, args = args },
                    { rule = dialect.rule, filter = filter, fill = dialect.fill }),
                sign = #signs == 2 and sign or nil, filter = #filters == 2 and filter or nil,
            }
        end
    end
    return list
end

--- Adds the outcomes of one operation at one magnitude.
local function add_outcomes(outcomes, dialect, compiled, magnitude, probability)
    local list = variants(picture, dialect, compiled)
    for _, outcome in ipairs(list) do
        outcome.name, outcome.magnitude, outcome.probability = compiled.name, magnitude, probability / #list
        outcomes[#outcomes + 1] = outcome
    end
end

--- Adds what the operations of a group from the k-th on make of a picture, each applied with its probability.
local function add_group(outcomes, dialect, group, k, outcome)
    local operation = group[k]
    if not operation then
        outcomes[#outcomes + 1] = outcome
        return
    end
    local function go_on(at, probability)
        if probability > 0 then
            add_group(outcomes, dialect, group, k + 1,
                { picture = at, name = outcome.name, probability = outcome.probability * probability })
        end
    end
    go_on(outcome.picture, 1 - operation.probability)
    local list = variants(outcome.picture, dialect, operation)
    for _, variant in ipairs(list) do
        go_on(variant.picture, operation.probability / #list)
    end
end

--- The outcomes of a dialect's operations at these magnitudes (each equally likely), by the published list.
local function outcomes_of(dialect, magnitudes)
    local applied = dialect.probability or 1
    local outcomes = { { picture = picture, name = "none", probability = 1 - applied } }
    for _, entry in ipairs(dialect.operations) do
        for _, magnitude in ipairs(magnitudes) do
            if entry.name ~= "cutout" then
                add_outcomes(outcomes, dialect, operations.at(entry, magnitude, SIZE), magnitude,
                    applied / #dialect.operations / #magnitudes)
            end
        end
    end
    return outcomes
end

--- Counts of drawn pictures by their bytes.
local function draw(policy)
    local pipeline = augment.pipeline { policy, augment.steps.resize { filter = "pil_bilinear" }, size = SIZE }
    local counts = {}
    for index = 1, DRAWS do
        local bytes = pipeline(picture, { seed = 11, index = index }):tobytes()
        counts[bytes] = (counts[bytes] or 0) + 1
    end
    return counts
end

--- Below which chi-square with n degrees of freedom stays but for one time in 100,000 (Wilson and Hilferty).
local function bound(n)
    local normal = 4.2649
    return n * (1 - 2 / (9 * n) + normal * math.sqrt(2 / (9 * n))) ^ 3
end

--- Tests the counts by a label of the outcomes; outcomes whose pictures are the same are taken together.
-- @param unknown the label of pictures that are no outcome (cutout's, which has many), with their probability
local function check(counts, outcomes, label, unknown)
    local labels, probability = {}, {}
    for _, outcome in ipairs(outcomes) do
        local bytes, here = as_it_is(outcome.picture):tobytes(), label(outcome)
        local already = labels[bytes]
        if not already then
            labels[bytes] = { [here] = true }
        else
            already[here] = true
        end
        probability[bytes] = (probability[bytes] or 0) + outcome.probability
    end
    local expected, seen = {}, {}
    local function name_of(bytes)
        local names = {}
        for name in pairs(labels[bytes]) do
            names[#names + 1] = tostring(name)
        end
        table.sort(names)
        return table.concat(names, " or ")
    end
    for bytes, p in pairs(probability) do
        local name = name_of(bytes)
        expected[name], seen[name] = (expected[name] or 0) + p * DRAWS, seen[name] or 0
    end
    if unknown then
        expected[unknown.name], seen[unknown.name] = unknown.probability * DRAWS, 0
    end
    for bytes, count in pairs(counts) do
        local name = labels[bytes] and name_of(bytes) or unknown and unknown.name
        assert(name, "a picture was drawn that is no outcome")
        seen[name] = seen[name] + count
    end
    local chi, classes, total = 0, 0, 0
    for name, wanted in pairs(expected) do
        total = total + wanted
        if wanted > 0 then
            chi, classes = chi + (seen[name] - wanted) ^ 2 / wanted, classes + 1
        else
            assert(seen[name] == 0, name)
        end
    end
    assert.is_near(DRAWS, total, 1e-6)
    assert.is_true(classes > 1)
    if chi > bound(classes - 1) then
        local text = {}
        for name, wanted in pairs(expected) do
            text[#text + 1] = ("%s: %d times, wanted %.1f"):format(name, seen[name], wanted)
        end
        table.sort(text)
        error(("chi-square is %.1f over %d classes\n%s"):format(chi, classes, table.concat(text, "\n")), 0)
    end
end

local function by_name(outcome) return outcome.name end
local function by_sign(outcome) return outcome.sign or "none" end
local function by_name_and_sign(outcome) return ("%s %s"):format(outcome.name, outcome.sign) end
local function by_filter(outcome) return outcome.filter or "none" end

describe("RandAugment draws as often as its dialect says", function()
    for _, case in ipairs { { "timm", 7 }, { "timm_inc", 9 }, { "torchvision", 9 }, { "relative", 7 }, { "official", 3 } } do
        local name, magnitude = case[1], case[2]
        it(("operations, signs and filters: %s at %d"):format(name, magnitude), function()
            local dialect = dialects.randaugment[name]
            local outcomes = outcomes_of(dialect, { magnitude })
            local counts = draw(augment.randaugment { n = 1, magnitude = magnitude, dialect = name })
            local with_cutout = name == "official" or name == "relative"
            local unknown = with_cutout and { name = "cutout", probability = 1 / #dialect.operations } or nil
            check(counts, outcomes, by_name, unknown)
            check(counts, outcomes, by_sign, unknown)
            check(counts, outcomes, by_name_and_sign, unknown)
            if dialect.other then
                check(counts, outcomes, by_filter)
            end
        end)
    end
end)

describe("Magnitudes are drawn as often", function()
    --- The outcomes of a built policy, whose groups are equally likely.
    local function outcomes_of_groups(dialect, groups)
        local outcomes, applied = { { picture = picture, name = "none", probability = 1 - dialect.probability } }, 1
        for i, group in ipairs(groups) do
            add_outcomes(outcomes, dialect, group[1], i, applied * group[1].probability / #groups)
        end
        return outcomes
    end

    for _, name in ipairs { "timm", "timm_inc" } do
        it(("as their noise makes them: %s"):format(name), function()
            local policy = augment.randaugment { n = 1, magnitude = 6, noise = 1, dialect = name }
            local outcomes = outcomes_of_groups(dialects.randaugment[name], policy.build(SIZE).operations)
            local counts = draw(policy)
            check(counts, outcomes, by_name)
            check(counts, outcomes, by_sign)
            check(counts, outcomes, function(outcome) -- the eighth of the normal distribution
                return outcome.magnitude and math.floor((outcome.magnitude - 1) % 64 / 8) or "none"
            end)
        end)
    end

    it("as a normal distribution has them", function()
        -- Between these, the normal distribution has an eighth each.
        local octiles = { -1.150349, -0.674490, -0.318639, 0, 0.318639, 0.674490, 1.150349, math.huge }
        local counts = { 0, 0, 0, 0, 0, 0, 0, 0 }
        for _, group in ipairs(augment.randaugment {
            magnitude = 6, noise = 0.5, dialect = "timm", operations = { "rotate" },
        }.build(SIZE).operations) do
            local deviations = (group[1].args[1] / 3 - 6) / 0.5
            for i, octile in ipairs(octiles) do
                if deviations < octile then
                    counts[i] = counts[i] + 1
                    break
                end
            end
        end
        assert.is_same({ 8, 8, 8, 8, 8, 8, 8, 8 }, counts)
    end)

    it("as TrivialAugment has them: all equally", function()
        local magnitudes = {}
        for magnitude = 0, 30 do
            magnitudes[magnitude + 1] = magnitude
        end
        local outcomes = outcomes_of(dialects.trivialaugment, magnitudes)
        local counts = draw(augment.trivialaugment())
        check(counts, outcomes, by_name)
        check(counts, outcomes, by_sign)
        check(counts, outcomes, by_name_and_sign)
        check(counts, outcomes, function(outcome) return outcome.magnitude or "none" end)
    end)
end)

describe("AutoAugment draws", function()
    for name, settings in pairs { v0 = {}, imagenet = { policy = "imagenet" } } do
        it(("sub-policies equally, and applies their operations as often as they say: %s"):format(name), function()
            local policy = augment.autoaugment(settings)
            local groups, outcomes = policy.build(SIZE).operations, {}
            for i, group in ipairs(groups) do
                add_group(outcomes, dialects.autoaugment[name], group, 1,
                    { picture = picture, name = i, probability = 1 / #groups })
            end
            check(draw(policy), outcomes, by_name)
        end)
    end
end)

describe("Random erasing", function()
    local SIDE = 48

    --- Height and width of the erased rectangle of an image of ones, or nil.
    local function erased(sample)
        local bytes = sample:tobytes()
        local values = ffi.cast("const float *", bytes)
        local top, bottom, left, right
        for y = 0, SIDE - 1 do
            for x = 0, SIDE - 1 do
                if values[(y * SIDE + x) * 3] == 0 then
                    top, bottom = top or y, y
                    left, right = math.min(left or x, x), math.max(right or x, x)
                end
            end
        end
        return top and bottom - top + 1, top and right - left + 1, top, left
    end

    --- The paper's procedure: what the first fitting try erases.
    local function by_the_book()
        for _ = 1, 10 do
            local area = (0.02 + math.random() * (1 / 3 - 0.02)) * SIDE * SIDE
            local aspect = math.exp(math.log(0.3) + math.random() * (math.log(1 / 0.3) - math.log(0.3)))
            local height, width = math.floor(math.sqrt(area * aspect) + 0.5), math.floor(math.sqrt(area / aspect) + 0.5)
            if height < SIDE and width < SIDE then
                return height, width, math.random(0, SIDE - height), math.random(0, SIDE - width)
            end
        end
    end

    --- A class by area, aspect and place.
    local function class(height, width, top, left)
        if not height then
            return "nothing"
        end
        local area, aspect = height * width / SIDE ^ 2, math.log(height / width)
        return ("%d %d %s %s"):format(math.floor(area * 12), math.floor(aspect * 2 + 0.5),
            top > (SIDE - height) / 2, left > (SIDE - width) / 2)
    end

    it("erases the areas, aspects and places of the paper", function()
        local drawn, wanted, book = 6000, {}, 200000
        local seen, chi, classes, rare, rare_seen = {}, 0, 0, 0, 0
        local white = effv2.full(1, SIDE, SIDE, 3, { dtype = "uint8" })
        local pipeline = augment.pipeline {
            augment.steps.resize {}, augment.steps.normalise "none", augment.steps.erase { probability = 1 }, size = SIDE,
        }
        math.randomseed(5)
        for _ = 1, book do
            local name = class(by_the_book())
            wanted[name] = (wanted[name] or 0) + drawn / book
        end
        for index = 1, drawn do
            local name = class(erased(pipeline(white, { index = index })))
            seen[name] = (seen[name] or 0) + 1
            assert.is_not_nil(wanted[name], name)
        end
        for name, expected in pairs(wanted) do
            if expected < 5 then
                rare, rare_seen = rare + expected, rare_seen + (seen[name] or 0)
            else
                chi, classes = chi + ((seen[name] or 0) - expected) ^ 2 / expected, classes + 1
            end
        end
        chi = chi + (rare_seen - rare) ^ 2 / math.max(rare, 1)
        assert.is_true(classes > 20)
        assert.is_true(chi < bound(classes) * (1 + drawn / book), ("chi-square is %.1f over %d classes"):format(chi, classes))
    end)

    it("fills with a constant, one colour, or noise", function()
        local function values(fill)
            local pipeline = augment.pipeline {
                augment.steps.resize {}, augment.steps.normalise "none",
                augment.steps.erase { probability = 1, fill = fill, area = { 0.25, 0.25 }, aspect = { 1, 1 } }, size = 16,
            }
            local list, different, n = {}, 0, 0
            for _, row in ipairs(pipeline(effv2.full(200, 16, 16, 3, { dtype = "uint8" }), { index = 3 }):totable()) do
                for _, pixel in ipairs(row) do
                    if pixel[1] ~= 200 then
                        n = n + 1
                        local key = table.concat(pixel, " ")
                        different, list[key] = different + (list[key] and 0 or 1), pixel
                    end
                end
            end
            local _, one = next(list)
            return n, different, one
        end
        assert.is_same({ 64, 1, { 7, 8, 9 } }, { values { 7, 8, 9 } })
        local n, different, pixel = values "color"
        assert.is_same({ 64, 1 }, { n, different })
        assert.is_true(pixel[1] ~= pixel[2] and math.abs(pixel[1]) < 5 and math.abs(pixel[2]) < 5)
        n, different = values "normal"
        assert.is_same({ 64, 64 }, { n, different })
    end)
end)
