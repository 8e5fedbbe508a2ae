// SPDX-License-Identifier: MIT

//go:build tools

// Package tools pins the Jaeger all-in-one that the interop tests run: 1.62 is
// the last release whose all-in-one still has the agent (UDP 6831 and 6832) in it.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
