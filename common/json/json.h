/* JSON texts (RFC 8259), read only: the only user of jansson.
 *
 * What is not quite JSON is refused, so that two readers cannot take one text for two things: a
 * member named twice, a string that holds U+0000, broken UTF-8, a number beyond a double's range.
 */
#ifndef JACKDAW_JSON_JSON_H
#define JACKDAW_JSON_JSON_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct json;

/* One object or array, nothing behind it. Returns owned, or NULL when it is none. */
struct json *json_parse(struct span text);
/* NULL is allowed. */
void json_free(struct json *json);

/* The functions below borrow, and take NULL for a value of no kind. */
bool json_is_members(const struct json *json);
bool json_is_list(const struct json *json);
/* The member `name` of an object; NULL when it is none or has none. */
const struct json *json_member(const struct json *json, const char *name);
/* Of an array, 0 of anything else. */
size_t json_count(const struct json *json);
const struct json *json_element(const struct json *json, size_t index);
/* Whether it is a string; borrows from `json`. */
bool json_text(const struct json *json, struct span *text_out);
/* Whether it is a number. */
bool json_number(const struct json *json, double *number_out);
/* The text of a member, empty when it has none. */
struct span json_member_text(const struct json *json, const char *name);

#endif
