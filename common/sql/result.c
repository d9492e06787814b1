/* Results: a table of values whose bytes live in the result's own arena. */
#include "sql/sql_internal.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdint.h>

struct sql_result *sql_result_new(enum sql_status status)
{
    struct sql_result *result = mem_calloc(1, sizeof(*result));
    result->status = status;
    arena_init(&result->arena, 512);
    list_init(&result->link);
    return result;
}

void sql_result_free(struct sql_result *result)
{
    if (!result) {
        return;
    }
    list_remove(&result->link);
    arena_deinit(&result->arena);
    mem_free(result->cells);
    mem_free(result);
}

void sql_result_add(struct sql_result *result, struct sql_value value)
{
    if (result->cell_count == result->cell_cap) {
        result->cell_cap = result->cell_cap ? result->cell_cap * 2 : 8;
        result->cells = mem_realloc_array(result->cells, result->cell_cap, sizeof(*result->cells));
    }
    if (value.bytes.len) {
        value.bytes = arena_copy(&result->arena, value.bytes);
    }
    result->cells[result->cell_count++] = value;
}

enum sql_status sql_status(const struct sql_result *result)
{
    return result->status;
}

size_t sql_rows(const struct sql_result *result)
{
    return result->columns ? result->cell_count / result->columns : 0;
}

int64_t sql_affected(const struct sql_result *result)
{
    return result->affected;
}

static const struct sql_value *cell(const struct sql_result *result, size_t row, size_t column)
{
    ASSERT(column < result->columns && row < sql_rows(result));
    return &result->cells[row * result->columns + column];
}

bool sql_is_null(const struct sql_result *result, size_t row, size_t column)
{
    return cell(result, row, column)->type == SQL_NULL;
}

int64_t sql_get_integer(const struct sql_result *result, size_t row, size_t column)
{
    return cell(result, row, column)->integer;
}

struct span sql_get_span(const struct sql_result *result, size_t row, size_t column)
{
    return cell(result, row, column)->bytes;
}
