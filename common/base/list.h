/* An intrusive doubly linked list: the node is a member of what is listed.
 *
 * The head is a node of its own. A node that is in no list points at itself after list_init or
 * list_remove, so that removing it again is harmless.
 */
#ifndef JACKDAW_BASE_LIST_H
#define JACKDAW_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

/* The `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Every node of the list at `head`; the list must not change meanwhile. */
#define LIST_FOREACH(node, head)                                                                   \
    for (struct list_node *node = (head)->next; node != (head); node = node->next)

/* As LIST_FOREACH; `node` may be removed (and freed) inside. */
#define LIST_FOREACH_SAFE(node, head)                                                              \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list_node *node)
{
    node->next = node->prev = node;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

/* Whether `node` (initialised) is in a list. */
static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != node;
}

/* `node` must not be in a list. */
static inline void list_add_tail(struct list_node *head, struct list_node *node)
{
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
}

/* `node` must not be in a list. */
static inline void list_add_head(struct list_node *head, struct list_node *node)
{
    list_add_tail(head->next, node);
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The first node, or NULL when the list is empty. */
static inline struct list_node *list_first(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

/* Removes and returns the first node, or NULL. */
static inline struct list_node *list_pop(struct list_node *head)
{
    struct list_node *node = list_first(head);

    if (node)
        list_remove(node);
    return node;
}

#endif
