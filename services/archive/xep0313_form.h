/* XEP-0313 Message Archive Management, what is asked: the form in a query, and the form that says what
 * may be in it. */
#ifndef JACKDAW_ARCHIVE_XEP0313_FORM_H
#define JACKDAW_ARCHIVE_XEP0313_FORM_H

#include "archive.h"
#include "archive_store.h"
#include "xep0059_rsm.h"

/* A query, read. Spans live as long as the request. */
struct mam_query {
    struct rsm_request rsm;
    bool is_flipped;
    struct span queryid;
    struct span with; /* normalised JID; empty: everybody */
    uint64_t start_ms;
    uint64_t end_ms;
    struct span words[ARCHIVE_MAX_WORDS];
    size_t word_count;
    struct span after_id; /* as the client wrote them, as are the next ones and those in `rsm` */
    struct span before_id;
    struct span ids[ARCHIVE_SOME_MAX]; /* bytes; each once */
    size_t id_count;
};

/* NULL, or the condition of the error. */
const char *form_read(const struct service_request *request, struct arena *arena,
                      struct mam_query *query_out);
/* The archive's id of a message as the client writes it: 0 and its bytes in `arena`, or -1 when no
 * message can have it. */
int form_uid(struct span text, struct arena *arena, struct span *uid_out);

service_handler_fn xep0313_form; /* iq get: the fields */

#endif
