/* XEP-0484: Fast Authentication Streamlining Tokens, with the mechanisms of
 * draft-schmaus-kitten-sasl-ht-09: HT-SHA-256 without channel binding (-NONE), bound by tls-exporter
 * (-EXPR) or tls-server-end-point (-ENDP).
 *
 * A token is for one client (user-agent id) of one account and one mechanism. It is made at the end
 * of a login that asks for it, and anew when one is used that is older than session.token_rotation.
 */
#ifndef JACKDAW_SESSION_XEP0484_FAST_H
#define JACKDAW_SESSION_XEP0484_FAST_H

#include "sasl.h"

/* The mechanism's only message. */
void xep0484_first(struct sasl_job *job, struct span message);
/* The login was right: does to the client's tokens what follows from it, then sasl_accept (with a
 * new token in the job, if there is one) or another end. */
void xep0484_settle(struct sasl_job *job);

#endif
