/* Where the route cache's knowledge comes from: the session registry and presence state in Redis,
 * and `session` for whether an account exists.
 */
#ifndef JACKDAW_ROUTER_LOADER_H
#define JACKDAW_ROUTER_LOADER_H

#include "route_cache.h"

struct bus;
struct loader;
struct redis;

/* Returns owned. Free it after `redis` and before `bus`. */
struct loader *loader_new(struct redis *redis, struct bus *bus);
void loader_free(struct loader *loader);
/* For router_options. */
struct route_source loader_source(struct loader *loader);
/* Who gets the answers. NULL: nobody any more. */
void loader_set_cache(struct loader *loader, struct route_cache *cache);

#endif
