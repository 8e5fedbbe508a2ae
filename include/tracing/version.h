/* SPDX-License-Identifier: MIT
 *
 * The version, in one place: what every wire tells its collector, and what the operator is told.
 */
#ifndef TRACING_VERSION_H
#define TRACING_VERSION_H

#define TRC_VERSION "0.1.0"

#endif
