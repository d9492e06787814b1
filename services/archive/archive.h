/* The archive daemon as a whole: what its files share.
 *
 * Messages come as `keep` items from the routers and are written in batches, many to a transaction
 * (write.h). What waits for its account to come online is the offline store (offline_store.h,
 * xep0160_offline.c), what was said is the archive (archive_store.h, xep0313_*.c). Nothing about an
 * account lasts in memory, so that any instance can take the next item.
 */
#ifndef JACKDAW_ARCHIVE_ARCHIVE_H
#define JACKDAW_ARCHIVE_ARCHIVE_H

#include "base/list.h"
#include "base/map.h"
#include "daemon/daemon.h"
#include "loop/timer.h"
#include "redis/redis.h"
#include "service/service.h"
#include "sql/sql.h"

struct offline;
struct prefs;
struct trim;
struct writer;

struct archive_limits {
    uint32_t max_offline; /* messages an account's offline store holds */
    uint32_t max_waiting; /* messages that wait to be written */
    uint32_t linger_ms;   /* between two transactions */
    uint32_t retry_for_ms;
    uint32_t page; /* messages in a page when the client does not say */
    uint32_t max_page;
    uint32_t max_count;    /* how far results are counted */
    uint64_t max_age_ms;   /* 0: no limit */
    uint32_t max_messages; /* of one account; 0: no limit */
};

struct archive {
    struct daemon *daemon;
    struct redis *redis;
    struct sql *sql;
    struct service *service;
    struct writer *writer;
    struct offline *offline;
    struct prefs *prefs;
    struct trim *trim;
    struct archive_limits limits;
    struct list_node taken;  /* struct taken.node */
    size_t busy;             /* items and requests under way */
    struct loop_timer there; /* Redis is told that this cluster has us */
    bool is_closing;
    daemon_done_fn *drained;
    void *drained_arg;
};

/* An item that is not settled yet, at the head of what deals with it. */
struct taken {
    struct list_node node;
    struct archive *archive;
    struct bus_peer *peer; /* NULL: gone, nobody to settle with */
    uint64_t token;
};

/* Allocates `size` bytes that begin with struct taken, zeroed. */
void *taken_new(struct archive *archive, struct bus_peer *peer, uint64_t token, size_t size);
/* Settles and frees it. */
void taken_end(struct taken *taken);

/* One more thing is under way; and one less. */
void archive_begin(struct archive *archive);
void archive_end(struct archive *archive);

extern const struct service_table archive_table;

/* For daemon_spec. */
size_t archive_announce(struct arena *arena, const struct span **lines_out);
int archive_open(struct daemon *d, void **ctx_out);
bool archive_is_ready(void *ctx, struct buf *why);
void archive_reload(void *ctx);
void archive_drain(void *ctx, daemon_done_fn *done, void *arg);
void archive_close(void *ctx);
void archive_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg);
void archive_peer_down(void *ctx, struct bus_peer *peer);
void archive_notice(void *ctx, const struct wire_msg *msg);

#endif
