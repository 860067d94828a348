--- Decoded pictures that are kept in memory: within a budget, and without a trace in the samples.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"
local data, augment = effv2.data, effv2.augment

describe("a source that keeps decoded pictures", function()
    --- Calls f with the shard of 30 JPEGs of 60 x 60 pixels, and its path; one of them ends early.
    local function with_jpegs(f)
        support.in_folder(function(root)
            local path = root .. "/shapes.tar"
            local shapes = data.open("shapes", { train = 30 }).train
            assert(effv2.pack_shard(path, { source = shapes, size = 60 }))
            assert.is_equal(0, os.execute(("cd %s && tar -xf shapes.tar && truncate -s -300 000000012.jpg && "
                .. "tar -cf shapes.tar $(ls *.jpg *.cls) && rm *.jpg *.cls"):format(root)))
            f(root, path)
        end)
    end

    local function bytes_of(source, pipeline, workers)
        local loader, list = data.loader {
            source = source, pipeline = pipeline, batch_size = 7, seed = 2, workers = workers, on_bad = "skip", max_bad = 5,
        }, {}
        for epoch = 0, 2 do
            for batch in loader:batches { epoch = epoch } do
                list[#list + 1] = batch.images:tobytes() .. batch.indices:tobytes()
            end
        end
        local bad = #loader:bad()
        loader:close()
        return list, bad
    end

    it("gives the same samples, at sizes that files are decoded smaller for, too", function()
        with_jpegs(function(root)
            assert.is_equal(0, os.execute(("cd %s && mkdir f && tar -xf shapes.tar -C f"):format(root)))
            local source = data.pictures(root .. "/f")
            for _, case in ipairs {
                { augment.train { size = 16, randaugment = 5 }, kept = 0 },
                { augment.train { size = 30 }, kept = 0 },
                { augment.train { size = 31 }, kept = 29 },
                { augment.train { size = 48, randaugment = 5, filter = "pil_bicubic" }, kept = 29 },
                { augment.train { size = 16, scaled = false }, kept = 29 },
                { augment.eval { size = 16 }, kept = 29 },
            } do
                local wanted, bad = bytes_of(source, case[1], 0)
                for _, workers in ipairs { 0, 1, 3 } do
                    local cached = source:cached(10)
                    local got, got_bad = bytes_of(cached, case[1], workers)
                    assert.is_same(wanted, got)
                    assert.is_equal(bad, got_bad)
                    assert.is_equal(case.kept * 60 * 60 * 3, cached:cached_bytes())
                    if case.kept == 0 then -- nor does what is there already change them
                        bytes_of(cached, augment.eval { size = 16 }, 0)
                        assert.is_true(cached:cached_bytes() > 0)
                        assert.is_same(wanted, bytes_of(cached, case[1], workers))
                    end
                end
            end
        end)
    end)

    it("keeps to its budget, and gives the memory back", function()
        with_jpegs(function(_, path)
            collectgarbage()
            collectgarbage()
            local before = effv2.memory().live
            local source = data.judging(path)
            local cached = source:cached(0.025) -- two pictures of 10,800 bytes
            assert.is_equal(0, cached:cached_bytes())
            local limited = data.loader {
                source = cached, pipeline = augment.eval { size = 40 }, batch_size = 30, pixel_limit = 3599, on_bad = "skip",
                max_bad = 30,
            }
            assert.is_false((pcall(limited.next, limited)))
            limited:close()
            assert.is_equal(0, cached:cached_bytes())
            bytes_of(cached, augment.eval { size = 40 }, 2)
            assert.is_equal(21600, cached:cached_bytes())
            assert.is_equal("shards", cached:kind())
            assert.is_same(source:class_names(), cached:class_names())
            assert.is_equal(source:name(3), cached:name(3))
            assert.is_equal(source:label(3), cached:label(3))
            assert.is_equal(source:image(3):tobytes(), cached:image(3):tobytes())
            cached, source = nil, nil -- luacheck: ignore
            collectgarbage()
            collectgarbage()
            assert.is_equal(before, effv2.memory().live)
        end)
    end)

    it("is what data.open gives when asked", function()
        with_jpegs(function(_, path)
            local set = data.open(path, { cache_mb = 1 })
            bytes_of(set.train, augment.eval { size = 40 }, 1)
            assert.is_true(set.train:cached_bytes() > 0)
            assert.is_equal(0, data.open(path).train:cached_bytes())
            support.check({ "a negative budget", data.open, "cached: -1 megabytes", "megabytes" }, path, { cache_mb = -1 })
        end)
    end)
end)
