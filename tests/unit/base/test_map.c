/* Maps agree with a plain array through every put, removal and walk; lists keep their order. */
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEYS 2000

static int values[KEYS];

static struct span key_of(size_t i, char text[32])
{
    int len = snprintf(text, 32, "user%zu@example.org", i);

    return span_of(text, (size_t)len);
}

static void strings_are_found_replaced_and_removed(void **state)
{
    struct map map;
    char text[32];

    (void)state;
    map_init(&map);
    assert_null(map_get(&map, SPAN("x")));
    assert_null(map_remove(&map, SPAN("x")));
    for (size_t i = 0; i < KEYS; i++)
        assert_null(map_put(&map, key_of(i, text), &values[i]));
    assert_int_equal(map_count(&map), KEYS);
    assert_ptr_equal(map_put(&map, key_of(7, text), &values[8]), &values[7]);
    assert_int_equal(map_count(&map), KEYS);
    assert_ptr_equal(map_put(&map, key_of(7, text), &values[7]), &values[8]);
    for (size_t i = 0; i < KEYS; i += 3)
        assert_ptr_equal(map_remove(&map, key_of(i, text)), &values[i]);
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&map, key_of(i, text)), i % 3 ? &values[i] : NULL);
    map_deinit(&map);
    assert_int_equal(map_count(&map), 0);
}

static void the_empty_key_and_nul_bytes_are_keys(void **state)
{
    struct map map = {0};

    (void)state;
    map_put(&map, SPAN(""), &values[0]);
    map_put(&map, SPAN("a\0b"), &values[1]);
    map_put(&map, SPAN("a\0c"), &values[2]);
    assert_ptr_equal(map_get(&map, (struct span){0}), &values[0]);
    assert_ptr_equal(map_get(&map, SPAN("a\0b")), &values[1]);
    assert_null(map_get(&map, SPAN("a")));
    map_deinit(&map);
}

static void a_walk_sees_each_entry_once_while_removing(void **state)
{
    struct map map = {0};
    struct map_cursor cursor = {0};
    struct span key;
    void *value;
    char text[32];
    int seen[KEYS] = {0};

    (void)state;
    assert_false(map_next(&map, &cursor, NULL, NULL));
    for (size_t i = 0; i < KEYS; i++)
        map_put(&map, key_of(i, text), &values[i]);
    cursor = (struct map_cursor){0};
    while (map_next(&map, &cursor, &key, &value)) {
        ptrdiff_t i = (int *)value - values;
        seen[i]++;
        assert_true(span_eq(key, key_of((size_t)i, text)));
        if (i % 2)
            assert_ptr_equal(map_remove(&map, key), value);
    }
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(map_count(&map), KEYS / 2);
    map_deinit(&map);
}

static void integers_survive_random_changes(void **state)
{
    struct map64 map;
    void *shadow[256] = {0};
    size_t count = 0;

    (void)state;
    map64_init(&map);
    for (uint64_t step = 0; step < 200000; step++) {
        uint64_t random = hash_u64(1, step);
        uint64_t key = random % 256;
        if (random >> 63) {
            assert_ptr_equal(map64_put(&map, key, &values[key]), shadow[key]);
            count += !shadow[key];
            shadow[key] = &values[key];
        } else {
            assert_ptr_equal(map64_remove(&map, key), shadow[key]);
            count -= shadow[key] != NULL;
            shadow[key] = NULL;
        }
        assert_int_equal(map64_count(&map), count);
        key = (random >> 8) % 256;
        assert_ptr_equal(map64_get(&map, key), shadow[key]);
    }
    map64_deinit(&map);
}

static void integers_are_walked_while_all_are_removed(void **state)
{
    struct map64 map = {0};
    struct map_cursor cursor = {0};
    uint64_t key;
    void *value;
    size_t seen = 0;

    (void)state;
    for (uint64_t i = 0; i < KEYS; i++)
        map64_put(&map, i << 32, &values[i]);
    while (map64_next(&map, &cursor, &key, &value)) {
        assert_ptr_equal(map64_remove(&map, key), &values[key >> 32]);
        seen++;
    }
    assert_int_equal(seen, KEYS);
    assert_int_equal(map64_count(&map), 0);
    map64_deinit(&map);
}

struct item {
    int number;
    struct list_node node;
};

static void a_list_keeps_order_and_forgets_what_is_removed(void **state)
{
    struct list_node head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    int sum = 0;

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_pop(&head));
    list_add_tail(&head, &items[1].node);
    list_add_tail(&head, &items[2].node);
    list_add_head(&head, &items[0].node);
    LIST_FOREACH(node, &head)
    sum = sum * 10 + CONTAINER_OF(node, struct item, node)->number;
    assert_int_equal(sum, 123);
    LIST_FOREACH_SAFE(node, &head)
    {
        if (CONTAINER_OF(node, struct item, node)->number == 2)
            list_remove(node);
    }
    assert_false(list_is_linked(&items[1].node));
    list_remove(&items[1].node);
    assert_ptr_equal(list_pop(&head), &items[0].node);
    assert_ptr_equal(list_first(&head), &items[2].node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_found_replaced_and_removed),
        cmocka_unit_test(the_empty_key_and_nul_bytes_are_keys),
        cmocka_unit_test(a_walk_sees_each_entry_once_while_removing),
        cmocka_unit_test(integers_survive_random_changes),
        cmocka_unit_test(integers_are_walked_while_all_are_removed),
        cmocka_unit_test(a_list_keeps_order_and_forgets_what_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
