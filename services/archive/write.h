/* Group commit: messages that came while the last transaction ran share the next one.
 *
 * One transaction at a time, begun at most every archive.linger when one follows the other, so that
 * a busy archive writes many messages with one flush of the disk and an idle one writes at once. A
 * database that is away delays the settling of items, nothing else; after archive.retry_for their
 * senders are told.
 */
#ifndef JACKDAW_ARCHIVE_WRITE_H
#define JACKDAW_ARCHIVE_WRITE_H

#include "archive.h"

#define WRITE_UID_SIZE 16

enum write_outcome {
    WRITE_DONE,
    WRITE_FULL, /* the offline store of the account is full */
};

/* A `keep` item. The worker that writes it reads all but `outcome`, which it sets,
 * and `has_no_prefs`. */
struct kept {
    struct taken taken;
    struct list_node node; /* the writer's */
    uint64_t origin_sid;
    uint64_t origin_n;
    uint32_t flags;    /* WIRE_KEEP_* */
    uint64_t at_ms;    /* when it came; real time */
    uint64_t since_ms; /* the same on the loop's clock */
    uint32_t max_offline;
    enum write_outcome outcome;
    bool has_no_prefs; /* these two are of xep0441_prefs.c */
    uint64_t prefs_changes;
    struct span account;
    struct span uid;
    struct span stanza; /* encoded */
    char bytes[];
};

/* Returns owned. */
struct writer *writer_new(struct archive *archive);
void writer_free(struct writer *writer);
/* A `keep` item: written, then settled. */
void writer_item(struct writer *writer, struct bus_peer *peer, uint64_t token,
                 const struct wire_msg *msg);
/* Every message that came until this real time is written. */
uint64_t writer_horizon_ms(const struct writer *writer);

/* Each ends the message: settles it; tells its sender and settles it. */
void kept_finish(struct kept *kept);
void kept_refuse(struct kept *kept, const char *condition, const char *text);

#endif
