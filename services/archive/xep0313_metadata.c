/* Archive metadata (section 5): the first and the last message. */
#include "archive_store.h"
#include "ask.h"
#include "base/clock.h"
#include "base/codec.h"
#include "xep0313_query.h"
#include "xml/ns.h"

static void write_end(const char *name, const struct sql_result *result, size_t row,
                      struct buf *out)
{
    char stamp[CLOCK_XEP82_SIZE];

    clock_format_xep82((uint64_t)sql_get_integer(result, row, 1), stamp);
    buf_printf(out, "<%s id=\"", name);
    hex_encode(sql_get_span(result, row, 0), out);
    buf_printf(out, "\" timestamp=\"%s\"/>", stamp);
}

static void on_ends(void *arg, const struct sql_result *result)
{
    struct ask *ask = arg;
    size_t rows = sql_rows(result);
    struct buf out = {0};

    if (sql_status(result) != SQL_OK) {
        ask_failed(ask, sql_status(result));
        return;
    }
    buf_append_cstr(&out, "<metadata xmlns=\"" NS_MAM "\">");
    if (rows > 0) {
        write_end("start", result, 0, &out);
        write_end("end", result, rows - 1, &out);
    }
    buf_append_cstr(&out, "</metadata>");
    ask_result(ask, buf_span(&out));
    buf_deinit(&out);
}

void xep0313_metadata(void *ctx, struct service_request *request)
{
    struct archive *archive = ctx;

    archive_store_ends(archive->sql, request->account, on_ends, ask_new(archive, request));
}
