# SPDX-License-Identifier: MIT
# shellcheck shell=bash

# The interop tests stand on what the end-to-end tests build.
# shellcheck source-path=SCRIPTDIR source=../e2e/setup_suite.bash
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/setup_suite.bash"
