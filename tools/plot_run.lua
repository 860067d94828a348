--- Draws the curve of a run: accuracy and image size by epoch, as SVG, with gnuplot.
--
--     effv2 tools/plot_run.lua RUN/metrics.jsonl OUT.svg
local effv2 = require "effv2"
local gnuplot = require "effv2.report.gnuplot"

local source, target = arg[1], arg[2]
if not (source and target) then
    error("usage: effv2 tools/plot_run.lua RUN/metrics.jsonl OUT.svg", 0)
end

local judged, sizes = {}, {}
for line in assert(effv2.read_file(source)):gmatch "[^\n]+" do
    local m = assert(effv2.json_decode(line, source))
    if m.kind == "epoch" then
        sizes[#sizes + 1] = ("%d %d"):format(m.epoch, m.image_size)
        judged[#judged + 1] = m.top1 and ("%d %.2f %.2f"):format(m.epoch, 100 * m.top1, 100 * (m.ema_top1 or m.top1))
    end
end

gnuplot.draw(target, ([[
set key right center
set xlabel "epoch"
set ylabel "validation top-1, %%"
set y2label "image size, px"
set ytics nomirror
set y2tics
set y2range [0:*]
$judged << END
%s
END
$sizes << END
%s
END
plot $judged using 1:3 with linespoints pointtype 7 pointsize 0.4 title "moving average", \
     $judged using 1:2 with lines title "raw weights", \
     $sizes using 1:2 axes x1y2 with steps dashtype 2 title "image size"]]):format(table.concat(judged, "\n"),
    table.concat(sizes, "\n")), 720, 420)
