/* A thin cover over jansson. */
#include "json/json.h"

#include <jansson.h>

/* jansson's values stand behind our opaque type. */
static json_t *open(const struct json *json)
{
    return (json_t *)(uintptr_t)json;
}

static const struct json *cover(const json_t *value)
{
    return (const struct json *)(const void *)value;
}

struct json *json_parse(struct span text)
{
    json_error_t error;
    json_t *value = json_loadb(text.len ? text.data : "", text.len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    return (struct json *)(void *)value;
}

void json_free(struct json *json)
{
    json_decref(open(json));
}

bool json_is_members(const struct json *json)
{
    return json_is_object(open(json));
}

bool json_is_list(const struct json *json)
{
    return json_is_array(open(json));
}

const struct json *json_member(const struct json *json, const char *name)
{
    return cover(json_object_get(open(json), name));
}

size_t json_count(const struct json *json)
{
    return json_array_size(open(json));
}

const struct json *json_element(const struct json *json, size_t index)
{
    return cover(json_array_get(open(json), index));
}

bool json_text(const struct json *json, struct span *text_out)
{
    const json_t *value = open(json);
    if (!json_is_string(value)) {
        return false;
    }
    *text_out = span_of(json_string_value(value), json_string_length(value));
    return true;
}

bool json_number(const struct json *json, double *number_out)
{
    const json_t *value = open(json);
    if (!json_is_number(value)) {
        return false;
    }
    *number_out = json_number_value(value);
    return true;
}

struct span json_member_text(const struct json *json, const char *name)
{
    struct span text = {0};
    (void)json_text(json_member(json, name), &text);
    return text;
}
