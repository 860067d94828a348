--- Means, deviations, and whether two lists of results differ by more than chance.
local results = require "effv2.search.results"

local statistics = {}

--- { mean =, deviation = (of the sample; nil of one value), values = } of a list; nil of an empty one.
function statistics.spread(values)
    local mean, deviation = results.spread(values)
    return mean and { mean = mean, deviation = deviation, values = values }
end

-- Student's t: the 97.5 % points for 1, 2, ... degrees of freedom; beyond the list the last one, which is too wide.
local T = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086 }

--- Of the mean of several samples' means: the mean, its variance, and the sum that its degrees of freedom are made of; no
-- variance where a sample has one value only.
local function mean_of_means(samples)
    local mean, variance, sum = 0, 0, 0
    for _, values in ipairs(samples) do
        local sample = statistics.spread(values)
        mean = mean + sample.mean / #samples
        if not sample.deviation then
            variance = nil
        elseif variance then
            local part = (sample.deviation / #samples) ^ 2 / #values
            variance, sum = variance + part, sum + part ^ 2 / (#values - 1)
        end
    end
    return mean, variance, sum
end

--- How far one side is above the other, and half the width of the 95 % interval (Welch's, degrees of freedom rounded down;
-- nil where a sample has one value only, or none deviates).
-- @param a, b lists of samples, each a list of values: the samples of a side count alike, however many values they have
function statistics.difference(a, b)
    local first, first_variance, first_sum = mean_of_means(a)
    local second, second_variance, second_sum = mean_of_means(b)
    local difference, variance = first - second, first_variance and second_variance and first_variance + second_variance
    if not variance or variance == 0 then
        return difference
    end
    local freedom = math.floor(variance ^ 2 / (first_sum + second_sum) + 1e-9)
    return difference, T[math.min(#T, math.max(1, freedom))] * math.sqrt(variance)
end

--- The rank correlation of two lists of numbers, from -1 to 1 (Spearman's, ties share their ranks); nil where all
-- numbers of a list are the same.
function statistics.rank_correlation(a, b)
    local function ranks(list)
        local order, rank = {}, {}
        for i = 1, #list do
            order[i] = i
        end
        table.sort(order, function(i, j) return list[i] < list[j] end)
        local first = 1
        while first <= #order do
            local last = first
            while last < #order and list[order[last + 1]] == list[order[first]] do
                last = last + 1
            end
            for k = first, last do
                rank[order[k]] = (first + last) / 2
            end
            first = last + 1
        end
        return rank
    end
    local ra, rb, mean = ranks(a), ranks(b), (#a + 1) / 2
    local product, square_a, square_b = 0, 0, 0
    for i = 1, #a do
        product = product + (ra[i] - mean) * (rb[i] - mean)
        square_a, square_b = square_a + (ra[i] - mean) ^ 2, square_b + (rb[i] - mean) ^ 2
    end
    return square_a * square_b > 0 and product / math.sqrt(square_a * square_b) or nil
end

return statistics
