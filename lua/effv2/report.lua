--- Reports: tables of results as Markdown and CSV, and plots, drawn by gnuplot.
local gnuplot = require "effv2.report.gnuplot"

local report = {}

--- Results as rows and columns.
report.table = require "effv2.report.table"
--- Curves and points, one panel or several side by side.
report.plot = require "effv2.report.plot"
--- Whether plots can be drawn: gnuplot is there.
report.can_plot = gnuplot.installed

return report
