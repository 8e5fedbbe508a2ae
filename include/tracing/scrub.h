/* SPDX-License-Identifier: MIT
 *
 * The query of a request without its secrets (tracing-query = scrub).
 *
 * OpenTelemetry asks for REDACTED in place of the values of AWSAccessKeyId, Signature, sig,
 * X-Goog-Signature, X-Amz-Signature, X-Amz-Credential and X-Amz-Security-Token
 * (semantic-conventions docs/http/http-spans.md, url.query). Here it stands for the value of every
 * key that
 *
 *   - is one of these: assertion auth authcode authorization bearer clientassertion code
 *     codeverifier cookie csrf cvc cvv devicecode hmac idtokenhint jwt key oauthverifier otp pass
 *     passcode pin pw samlresponse sess session sid sig ssn totp userpass xauth xsrf
 *   - or ends in: accesskey accesskeyid accountkey apikey appkey authkey cardnumber ccnumber
 *     clientkey creditcard encryptionkey masterkey privatekey pwd sessid sessionid sharedkey
 *     signature signingkey subscriptionkey token
 *   - or has in it: credential passphrase passw secret
 *
 * in whatever case, and with whatever between its words (access_token, accessToken, Access-Token);
 * or that has a part like that between brackets and dots (user[password], a.password). Better one
 * too many: a pageToken is REDACTED, too. Of the one-word keys `code` (OAuth), `key` (Google) and
 * `session` are as often harmless; a country_code, a sort_key or sessions stay.
 *
 * What is encoded once is as good as what is not, so that secrets are found in a URL that is a
 * value, encoded (next=%2Fa%3Ftoken%3Dx) or not. They are not looked for in JSON, nor in what is
 * encoded twice.
 */
#ifndef TRACING_SCRUB_H
#define TRACING_SCRUB_H

#include "tracing/buf.h"

/* What becomes of a query (tracing-query). */
enum trc_query {
    TRC_QUERY_SCRUB = 0, /* it stays, without its secrets */
    TRC_QUERY_DROP,
    TRC_QUERY_KEEP
};

/* Appends `query`, without the question mark, as it came but for its secrets. What ends a secret is
 * an ampersand, or the end: others may be a part of it. What `out` has no room for is cut and sets
 * its overflow. Time: linear in the length. Thread: any. */
void trc_query_scrub(struct trc_slice query, struct trc_buf *out);

#endif
