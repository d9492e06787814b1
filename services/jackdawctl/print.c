/* Tables for people and for machines. */
#include "base/buf.h"
#include "ctl.h"

#include <stdio.h>

#define COLUMNS_MAX 8

void ctl_json_string(struct span text, struct buf *out)
{
    buf_append_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_u8(out, c);
    }
    buf_append_u8(out, '"');
}

static void write_json(const struct ctl_table *table, struct buf *out)
{
    buf_append_cstr(out, "[");
    for (size_t row = 0; row < table->row_count; row++) {
        buf_append_cstr(out, row > 0 ? ",\n {" : "\n {");
        for (size_t i = 0; i < table->column_count; i++) {
            buf_append_cstr(out, i > 0 ? ", " : "");
            ctl_json_string(span_cstr(table->columns[i]), out);
            buf_append_cstr(out, ": ");
            ctl_json_string(table->cells[row * table->column_count + i], out);
        }
        buf_append_cstr(out, "}");
    }
    buf_append_cstr(out, "\n]\n");
}

static void write_row(const struct span *cells, const size_t *widths, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        int pad = i + 1 < count ? (int)(widths[i] - cells[i].len) + 2 : 0;
        buf_append_span(out, cells[i]);
        buf_printf(out, "%*s", pad, "");
    }
    buf_append_cstr(out, "\n");
}

static void write_text(const struct ctl_table *table, struct buf *out)
{
    struct span heads[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    for (size_t i = 0; i < table->column_count; i++) {
        heads[i] = span_cstr(table->columns[i]);
        widths[i] = heads[i].len;
        for (size_t row = 0; row < table->row_count; row++) {
            size_t len = table->cells[row * table->column_count + i].len;
            widths[i] = len > widths[i] ? len : widths[i];
        }
    }
    write_row(heads, widths, table->column_count, out);
    for (size_t row = 0; row < table->row_count; row++)
        write_row(table->cells + row * table->column_count, widths, table->column_count, out);
}

void ctl_table_print(const struct ctl *ctl, const struct ctl_table *table)
{
    struct buf out = {0};
    (ctl->is_json ? write_json : write_text)(table, &out);
    (void)fwrite(out.data, 1, out.len, stdout);
    buf_deinit(&out);
}
