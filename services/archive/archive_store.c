/* Statements. Those that read a range have the same parameters, so that one list of values fits all:
 * $1 account, $2 after_id, $3 before_id, $4 start_ms, $5 end_ms, $6 peer, $7 resource, $8 to $11 the
 * words' patterns; pages also $12 limit, $13 skip, $14 count_up_to. */
#include "archive_store.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "bus/wire.h"
#include "fold.h"
#include "jid/jid.h"
#include "stanza/stanza.h"
#include "write.h"
#include "xep0441_prefs.h"
#include "xml/ns.h"

static uint64_t key_of(struct span account)
{
    return hash_span(account);
}

/* ---- writing ---- */

/* The text of the first body, as it is searched. */
static void write_body(const struct stanza *stanza, struct arena *arena, struct buf *out)
{
    const struct xml_child *child = stanza_child(stanza, NS_CLIENT, "body");
    struct xml_node *node = NULL;

    if (child &&
        xml_tree_parse(stanza_child_bytes(stanza, child), SPAN(NS_CLIENT), arena, &node) == 0 &&
        node)
        fold_text(xml_node_text(node, arena), out);
}

static int insert(struct sql_conn *conn, const struct kept *kept, struct span peer,
                  const struct stanza *stanza)
{
    struct arena arena = {0};
    struct buf xml = {0};
    struct buf body = {0};
    const struct sql_result *result;

    if (stanza) {
        stanza_write(stanza, (struct span){0}, SPAN(NS_CLIENT), &xml);
        write_body(stanza, &arena, &body);
    }
    result =
        sql_exec(conn, &SQL("INSERT INTO archive (uid, account, peer, resource, at_ms, body, xml) "
                            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (uid) DO NOTHING",
                            sql_blob(kept->uid), sql_text(kept->account), sql_text(jid_bare(peer)),
                            sql_text(jid_resource(peer)), sql_integer((int64_t)kept->at_ms),
                            body.len > 0 ? sql_text(buf_span(&body)) : sql_null(),
                            stanza ? sql_text(buf_span(&xml)) : sql_null()));
    arena_deinit(&arena);
    buf_deinit(&xml);
    buf_deinit(&body);
    return sql_status(result) == SQL_OK ? 0 : -1;
}

static struct span peer_of(const struct kept *kept, const struct stanza *stanza)
{
    if (!(kept->flags & WIRE_KEEP_SENT))
        return stanza->from;
    return span_is_empty(stanza->to) ? kept->account : stanza->to;
}

/* What the account does not want archived leaves its uid alone, which its client has been told; what
 * it sent itself leaves nothing. */
static int put(struct sql_conn *conn, struct kept *kept, const struct stanza *stanza)
{
    struct span peer = peer_of(kept, stanza);
    int is_wanted = prefs_allow(conn, kept, peer);

    if (is_wanted < 0)
        return -1;
    if (is_wanted)
        return insert(conn, kept, peer, stanza);
    return kept->flags & WIRE_KEEP_SENT ? 0 : insert(conn, kept, (struct span){0}, NULL);
}

int archive_store_put(struct sql_conn *conn, struct kept *kept)
{
    struct arena arena = {0};
    struct stanza stanza;
    int rc = 0;

    if (stanza_decode(kept->stanza, &arena, &stanza) == 0)
        rc = put(conn, kept, &stanza);
    else
        LOG_ERROR("bad-keep-item", "account=%.*s", SPAN_ARG(kept->account));
    arena_deinit(&arena);
    return rc;
}

/* ---- reading ---- */

/* SQLite chooses indexes without knowing how many rows there are: `+at_ms` and `account || ''` keep it
 * from those that would find the whole archive. */

#define RANGE                                                                                      \
    "account = $1 AND id > $2 AND id < $3 AND +at_ms >= $4 AND +at_ms <= $5 AND xml IS NOT NULL"
/* PostgreSQL wants every parameter used. */
#define ALL      RANGE " AND CAST($6 AS TEXT) IS NOT NULL AND CAST($7 AS TEXT) IS NOT NULL"
#define PEER     RANGE " AND peer = $6 AND CAST($7 AS TEXT) IS NOT NULL"
#define RESOURCE RANGE " AND peer = $6 AND resource = $7"
#define LIKE(n)  " AND (CAST($" n " AS TEXT) IS NULL OR body LIKE $" n " ESCAPE '!')"
#define NULL_(n) " AND CAST($" n " AS TEXT) IS NULL"
#define WORDS    LIKE("8") LIKE("9") LIKE("10") LIKE("11")
#define NO_WORDS NULL_("8") NULL_("9") NULL_("10") NULL_("11")
#define PAGE(where, order)                                                                         \
    "SELECT id, uid, at_ms, xml, (SELECT COUNT(*) FROM (SELECT 1 FROM archive WHERE " where        \
    " LIMIT $14) AS counted) FROM archive WHERE " where " ORDER BY id " order                      \
    " LIMIT $12 OFFSET $13"
#define COUNT(where) "SELECT COUNT(*) FROM archive WHERE " where
#define THREE_OF(where)                                                                            \
    {                                                                                              \
        PAGE(where, "ASC"), PAGE(where, "DESC"), COUNT(where)                                      \
    }

enum { STATEMENT_ASC, STATEMENT_DESC, STATEMENT_COUNT };

/* Words or not; then all, one peer, one session of a peer. */
static const char *const statements[2][3][3] = {
    {THREE_OF(ALL NO_WORDS), THREE_OF(PEER NO_WORDS), THREE_OF(RESOURCE NO_WORDS)},
    {THREE_OF(ALL WORDS), THREE_OF(PEER WORDS), THREE_OF(RESOURCE WORDS)},
};

#define RANGE_PARAMS (7 + ARCHIVE_MAX_WORDS)
#define PAGE_PARAMS  (RANGE_PARAMS + 3)

static const char *statement(const struct archive_range *range, int kind)
{
    size_t peer = span_is_empty(range->peer) ? 0 : span_is_empty(range->resource) ? 1 : 2;

    return statements[range->word_count > 0][peer][kind];
}

static void fill(const struct archive_range *range, struct sql_value *params)
{
    params[0] = sql_text(range->account);
    params[1] = sql_integer(range->after_id);
    params[2] = sql_integer(range->before_id);
    params[3] = sql_integer((int64_t)range->start_ms);
    params[4] = sql_integer((int64_t)range->end_ms);
    params[5] = sql_text(range->peer);
    params[6] = sql_text(range->resource);
    for (size_t i = 0; i < ARCHIVE_MAX_WORDS; i++)
        params[7 + i] = i < range->word_count ? sql_text(range->words[i]) : sql_null();
}

void archive_store_page(struct sql *sql, const struct archive_page *page, sql_fn *fn, void *arg)
{
    struct sql_value params[PAGE_PARAMS];
    const struct sql_statement query = {
        .text = statement(&page->range, page->is_backwards ? STATEMENT_DESC : STATEMENT_ASC),
        .params = params,
        .param_count = PAGE_PARAMS,
    };

    fill(&page->range, params);
    params[RANGE_PARAMS] = sql_integer(page->limit);
    params[RANGE_PARAMS + 1] = sql_integer(page->skip);
    params[RANGE_PARAMS + 2] = sql_integer(page->count_up_to);
    sql_query(sql, key_of(page->range.account), &query, fn, arg);
}

void archive_store_count(struct sql *sql, const struct archive_range *range, sql_fn *fn, void *arg)
{
    struct sql_value params[RANGE_PARAMS];
    const struct sql_statement query = {
        .text = statement(range, STATEMENT_COUNT), .params = params, .param_count = RANGE_PARAMS};

    fill(range, params);
    sql_query(sql, key_of(range->account), &query, fn, arg);
}

struct span archive_store_pattern(struct span word, struct arena *arena)
{
    struct buf folded = {0};
    struct buf pattern = {0};
    struct span result;

    fold_text(word, &folded);
    buf_append_u8(&pattern, '%');
    for (size_t i = 0; i < folded.len; i++) {
        if (strchr("%_!", folded.data[i]))
            buf_append_u8(&pattern, '!');
        buf_append(&pattern, &folded.data[i], 1);
    }
    buf_append_u8(&pattern, '%');
    result = arena_copy(arena, buf_span(&pattern));
    buf_deinit(&folded);
    buf_deinit(&pattern);
    return result;
}

void archive_store_find(struct sql *sql, struct span account,
                        const struct span uids[ARCHIVE_FIND_MAX], sql_fn *fn, void *arg)
{
    sql_query(sql, key_of(account),
              &SQL("SELECT uid, id FROM archive WHERE uid IN ($1, $2, $3, $4) "
                   "AND account || '' = $5",
                   sql_blob(uids[0]), sql_blob(uids[1]), sql_blob(uids[2]), sql_blob(uids[3]),
                   sql_text(account)),
              fn, arg);
}

void archive_store_some(struct sql *sql, struct span account, const struct span *uids, size_t count,
                        sql_fn *fn, void *arg)
{
    static const char text[] =
        "SELECT id, uid, at_ms, xml, (SELECT COUNT(*) FROM archive WHERE id < 0) FROM archive "
        "WHERE uid IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
        "$18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30) "
        "AND account || '' = $31 AND xml IS NOT NULL ORDER BY id";
    struct sql_value params[ARCHIVE_SOME_MAX + 1];

    for (size_t i = 0; i < ARCHIVE_SOME_MAX; i++)
        params[i] = sql_blob(uids[i < count ? i : 0]);
    params[ARCHIVE_SOME_MAX] = sql_text(account);
    sql_query(sql, key_of(account),
              &(struct sql_statement){
                  .text = text, .params = params, .param_count = ARCHIVE_SOME_MAX + 1},
              fn, arg);
}

/* Times grow with ids but for the difference of clocks. */
void archive_store_times(struct sql *sql, const struct archive_range *range, sql_fn *fn, void *arg)
{
    uint64_t from = range->start_ms > ARCHIVE_SKEW_MS ? range->start_ms - ARCHIVE_SKEW_MS : 0;
    uint64_t to =
        range->end_ms < INT64_MAX - ARCHIVE_SKEW_MS ? range->end_ms + ARCHIVE_SKEW_MS : INT64_MAX;

    sql_query(sql, key_of(range->account),
              &SQL("SELECT (SELECT id FROM archive WHERE account = $1 AND at_ms >= $2 "
                   "ORDER BY at_ms, id LIMIT 1), "
                   "(SELECT id FROM archive WHERE account = $1 AND at_ms > $3 "
                   "ORDER BY at_ms, id LIMIT 1)",
                   sql_text(range->account), sql_integer((int64_t)from), sql_integer((int64_t)to)),
              fn, arg);
}

void archive_store_ends(struct sql *sql, struct span account, sql_fn *fn, void *arg)
{
    sql_query(sql, key_of(account),
              &SQL("SELECT uid, at_ms FROM archive WHERE id IN ("
                   "(SELECT id FROM archive WHERE account = $1 AND xml IS NOT NULL "
                   "ORDER BY id LIMIT 1), "
                   "(SELECT id FROM archive WHERE account = $1 AND xml IS NOT NULL "
                   "ORDER BY id DESC LIMIT 1)) ORDER BY id",
                   sql_text(account)),
              fn, arg);
}

/* ---- removing ---- */

void archive_store_forget(struct sql *sql, struct span account, sql_fn *fn, void *arg)
{
    sql_query(sql, key_of(account),
              &SQL("DELETE FROM archive WHERE id IN "
                   "(SELECT id FROM archive WHERE account = $1 ORDER BY id LIMIT $2)",
                   sql_text(account), sql_integer(ARCHIVE_CHUNK)),
              fn, arg);
}

void archive_store_expire(struct sql *sql, uint64_t until_ms, sql_fn *fn, void *arg)
{
    sql_query(sql, 0,
              &SQL("DELETE FROM archive WHERE id IN (SELECT id FROM "
                   "(SELECT id, at_ms FROM archive ORDER BY id LIMIT $1) AS oldest "
                   "WHERE at_ms < $2)",
                   sql_integer(ARCHIVE_CHUNK), sql_integer((int64_t)until_ms)),
              fn, arg);
}

void archive_store_shorten(struct sql *sql, struct span account, uint32_t max, sql_fn *fn,
                           void *arg)
{
    sql_query(sql, key_of(account),
              &SQL("DELETE FROM archive WHERE id IN (SELECT id FROM archive WHERE account = $1 "
                   "AND id <= (SELECT id FROM archive WHERE account = $1 ORDER BY id DESC "
                   "LIMIT 1 OFFSET $2) ORDER BY id LIMIT $3)",
                   sql_text(account), sql_integer(max), sql_integer(ARCHIVE_CHUNK)),
              fn, arg);
}
