/* XEP-0313 Message Archive Management: queries, and what is known of an archive without one. */
#ifndef JACKDAW_ARCHIVE_XEP0313_QUERY_H
#define JACKDAW_ARCHIVE_XEP0313_QUERY_H

#include "archive.h"

service_handler_fn xep0313_query;    /* iq set query */
service_handler_fn xep0313_metadata; /* iq get metadata (xep0313_metadata.c) */

#endif
