#!/bin/sh
# Tests of the program from outside. Usage: tests/cli/run.sh PATH/effv2
exec "${1:?usage: run.sh PATH/effv2}" /usr/bin/busted -o TAP "$(dirname "$0")"
