std = "luajit"
max_line_length = 130
files["tests/lua/*.lua"] = { std = "+busted" }
files["tests/cli/*.lua"] = { std = "+busted" }
exclude_files = { "build" }
