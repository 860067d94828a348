--- Draws the curve of a run: loss, accuracy and image size by epoch, as SVG, with gnuplot.
--
--     effv2 tools/plot_run.lua RUN/metrics.jsonl OUT.svg
local effv2 = require "effv2"

local source, target = arg[1], arg[2]
if not (source and target) then
    error("usage: effv2 tools/plot_run.lua RUN/metrics.jsonl OUT.svg", 0)
end

local rows = {}
for line in assert(effv2.read_file(source)):gmatch "[^\n]+" do
    local m = assert(effv2.json_decode(line, source))
    rows[#rows + 1] = ("%d %.4f %.2f %.2f %d"):format(m.epoch, m.loss, 100 * m.top1, 100 * (m.ema_top1 or m.top1), m.image_size)
end
local points = table.concat(rows, "\n") .. "\n"

local gnuplot = assert(io.popen("gnuplot", "w"))
gnuplot:write(([[
set terminal svg size 720,420 background "white"
set output "%s"
set key right center
set xlabel "epoch"
set ylabel "validation top-1, %%"
set y2label "image size, px"
set ytics nomirror
set y2tics
set y2range [0:*]
$run << END
%sEND
plot $run using 1:4 with linespoints pointtype 7 pointsize 0.4 title "moving average", \
     $run using 1:3 with lines title "raw weights", \
     $run using 1:5 axes x1y2 with steps dashtype 2 title "image size"
]]):format(target, points))
if not gnuplot:close() then
    error("gnuplot did not run (apt install gnuplot-nox)", 0)
end
