/* Reading replies: a struct redis_reply is hiredis's own reply under another name, so nothing is
 * copied. */
#include "redis/redis_internal.h"

#include "base/assert.h"

static const redisReply *native(const struct redis_reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

static const enum redis_type types[] = {
    [REDIS_REPLY_STRING] = REDIS_STRING,   [REDIS_REPLY_ARRAY] = REDIS_ARRAY,
    [REDIS_REPLY_INTEGER] = REDIS_INTEGER, [REDIS_REPLY_NIL] = REDIS_NIL,
    [REDIS_REPLY_STATUS] = REDIS_STRING,   [REDIS_REPLY_ERROR] = REDIS_ERROR,
};

enum redis_type redis_type(const struct redis_reply *reply)
{
    if (!reply) {
        return REDIS_DOWN;
    }
    int type = native(reply)->type;
    ASSERT(type >= REDIS_REPLY_STRING && type <= REDIS_REPLY_ERROR);
    return types[type];
}

bool redis_failed(const struct redis_reply *reply)
{
    enum redis_type type = redis_type(reply);
    return type == REDIS_DOWN || type == REDIS_ERROR;
}

struct span redis_text(const struct redis_reply *reply)
{
    enum redis_type type = redis_type(reply);
    if (type != REDIS_STRING && type != REDIS_ERROR) {
        return (struct span){0};
    }
    return span_of(native(reply)->str, native(reply)->len);
}

int64_t redis_integer(const struct redis_reply *reply)
{
    int64_t value = 0;
    if (redis_type(reply) == REDIS_INTEGER) {
        return native(reply)->integer;
    }
    return span_to_i64(redis_text(reply), &value) == 0 ? value : 0;
}

size_t redis_count(const struct redis_reply *reply)
{
    return redis_type(reply) == REDIS_ARRAY ? native(reply)->elements : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i)
{
    ASSERT(i < redis_count(reply));
    return (const struct redis_reply *)(const void *)native(reply)->element[i];
}
