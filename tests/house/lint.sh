#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a reviewer should not have to say: layout of C, shell scripts, ceilings on files and functions.
# Ends with the count of checks; each check prints what it found.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

readonly LINES_OF_FILE=500 LINES_OF_FUNCTION=70 COMPLEXITY=15
passed=0 failed=0

check() {
  local name=$1 found
  shift
  found=$("$@" 2>&1)
  if [ -z "$found" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'lint: %s\n%s\n' "$name" "$found"
  fi
}

c_files() { git ls-files -co --exclude-standard '*.c' '*.h'; }

layout() { c_files | xargs clang-format --dry-run -Werror 2>&1 | grep -E 'error|warning' | head -n 20; }

shell() { git ls-files -co --exclude-standard '*.sh' '*.bash' '*.bats' .ci/run | xargs shellcheck -x | head -n 60; }

long_files() {
  git ls-files -co --exclude-standard 'plugin/*' 'include/*' '*.py' '*.sh' | xargs wc -l |
    awk -v max="$LINES_OF_FILE" '$2 != "total" && $1 > max { print $2 ": " $1 " lines, at most " max }'
}

# pmccabe: modified complexity, complexity, statements, first line, lines, file(line): function
large_functions() {
  git ls-files 'plugin/*.c' | xargs pmccabe |
    awk -v lines="$LINES_OF_FUNCTION" -v cc="$COMPLEXITY" \
      '$1 > cc || $5 > lines { print $6 " " $7 ": complexity " $1 ", " $5 " lines" }'
}

licences() { c_files | xargs grep -L 'SPDX-License-Identifier: MIT'; }

python_compiles() {
  git ls-files -co --exclude-standard '*.py' |
    xargs -n1 /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])'
}

check 'layout of C (make format mends it)' layout
check 'shellcheck' shell
check 'files too long' long_files
check 'functions too large' large_functions
check 'files without a licence line' licences
check 'Python files' python_compiles
check 'include arrows' /usr/bin/python3 tests/house/arrows.py
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
