/* Making the hashes, keeping what they stand for, telling those who have streams. */
#include "base/list.h"
#include "base/mem.h"
#include "caps.h"
#include "conf/conf.h"
#include "loop/timer.h"
#include "own.h"
#include "router.h"
#include "services.h"
#include "xml/ns.h"

#define SETTLE_MS 300 /* daemons that start together are announced together */
#define ROOM_MS   20  /* a full backlog is tried again after this */
#define KEPT      8   /* XEP-0390 section 6.1 asks for the last 3 */

/* What disco#info of a domain was. */
struct info {
    struct list_node node; /* in caps->infos, latest first */
    struct span domain;
    struct span node_0115; /* URL#hash */
    struct span node_0390;
    struct span features; /* for stream features */
    struct span rest;     /* of the <query/>, behind its name and namespace */
    struct arena arena;
};

struct caps {
    struct router *router;
    struct list_node infos;
    struct loop_timer timer;
    uint32_t generation; /* 0: there is nothing to tell yet */
};

static const struct span info_start = {"<query xmlns=\"" NS_DISCO_INFO "\"",
                                       sizeof("<query xmlns=\"" NS_DISCO_INFO "\"") - 1};

static struct info *latest(const struct caps *caps, struct span domain)
{
    LIST_FOREACH(node, &caps->infos)
    {
        struct info *info = CONTAINER_OF(node, struct info, node);

        if (span_eq(info->domain, domain))
            return info;
    }
    return NULL;
}

static void info_free(struct info *info)
{
    list_remove(&info->node);
    arena_deinit(&info->arena);
    mem_free(info);
}

/* ---- making ---- */

static struct span taken(struct info *info, struct buf *text)
{
    struct span copy = arena_copy(&info->arena, buf_span(text));

    buf_reset(text);
    return copy;
}

static void write_features(struct info *info, struct span url, struct span caps, struct span caps2)
{
    struct buf text = {0};

    buf_append_cstr(&text, "<c xmlns=\"" NS_CAPS "\" hash=\"sha-1\"");
    xml_write_attr("node", url, &text);
    xml_write_attr("ver", caps, &text);
    buf_append_cstr(&text,
                    "/><c xmlns=\"" NS_CAPS2 "\"><hash xmlns=\"" NS_HASHES "\" algo=\"sha-256\">");
    buf_append_span(&text, caps2);
    buf_append_cstr(&text, "</hash></c>");
    info->features = taken(info, &text);
    buf_deinit(&text);
}

static struct info *info_new(const struct caps *caps, struct span domain)
{
    struct info *info = mem_calloc(1, sizeof(*info));
    struct span url = span_cstr(conf_str_of(caps->router->conf, CONF_router_server_url, domain));
    struct disco disco = {0};
    struct buf text = {0};

    list_init(&info->node);
    info->domain = arena_copy(&info->arena, domain);
    if (span_is_empty(url))
        url = arena_printf(&info->arena, "https://%.*s/", SPAN_ARG(domain));
    xep0030_server(caps->router, domain, &info->arena, &disco);
    disco_write_caps(&disco, &text);
    struct span hash = taken(info, &text);
    disco_write_caps2(&disco, &text);
    struct span hash2 = taken(info, &text);
    disco_write(&disco, (struct span){0}, &text);
    info->rest = span_from(taken(info, &text), info_start.len);
    info->node_0115 = arena_printf(&info->arena, "%.*s#%.*s", SPAN_ARG(url), SPAN_ARG(hash));
    info->node_0390 = arena_printf(&info->arena, NS_CAPS2 "#sha-256.%.*s", SPAN_ARG(hash2));
    write_features(info, url, hash, hash2);
    buf_deinit(&text);
    return info;
}

/* Those of `domain` but the latest ones. */
static void forget_old(struct caps *caps, struct span domain)
{
    int kept = 0;

    LIST_FOREACH_SAFE(node, &caps->infos)
    {
        struct info *info = CONTAINER_OF(node, struct info, node);

        if (span_eq(info->domain, domain) && ++kept > KEPT)
            info_free(info);
    }
}

/* Whether what disco#info says has changed. */
static bool refresh(struct caps *caps, struct span domain)
{
    struct info *now = info_new(caps, domain);
    struct info *before = latest(caps, domain);

    if (before && span_eq(before->features, now->features)) {
        info_free(now);
        return false;
    }
    list_add_head(&caps->infos, &now->node);
    forget_old(caps, now->domain);
    return true;
}

/* ---- telling ---- */

static void on_settled(void *arg, enum bus_outcome outcome)
{
    (void)arg;
    (void)outcome; /* who is gone is told when it comes again */
}

static int tell(const struct caps *caps, struct spoke *spoke)
{
    const struct router *router = caps->router;

    for (size_t i = 0; i < router->domain_count; i++) {
        const struct info *info = latest(caps, router->domains[i]);
        struct wire_msg msg = {.id = WIRE_ID_stream_features};

        msg.u.stream_features = (struct wire_stream_features){info->domain, info->features};
        if (bus_send_to(spoke->peer, &msg, on_settled, NULL) != 0)
            return -1;
    }
    spoke->caps = caps->generation;
    return 0;
}

static bool wants(const struct caps *caps, const struct spoke *spoke)
{
    return spoke->peer && spoke->caps != caps->generation &&
           services_has_streams(caps->router->services, bus_peer_kind(spoke->peer));
}

static void publish(void *arg)
{
    struct caps *caps = arg;
    struct router *router = caps->router;
    uint32_t again_ms = services_patience_ms(router->services);
    bool has_changed = false;

    if (!services_is_complete(router->services))
        return; /* the next one to come asks again */
    for (size_t i = 0; i < router->domain_count; i++)
        has_changed |= refresh(caps, router->domains[i]);
    caps->generation += has_changed;
    LIST_FOREACH(node, &router->spokes)
    {
        struct spoke *spoke = CONTAINER_OF(node, struct spoke, all);

        if (wants(caps, spoke) && tell(caps, spoke) != 0)
            again_ms = ROOM_MS;
    }
    if (again_ms)
        loop_timer_start(&caps->timer, again_ms + 1, 0);
}

/* ---- questions, life ---- */

bool caps_answer(const struct caps *caps, struct span domain, struct span node, struct buf *out)
{
    LIST_FOREACH(at, &caps->infos)
    {
        const struct info *info = CONTAINER_OF(at, struct info, node);

        if (!span_eq(info->domain, domain) ||
            !(span_eq(info->node_0115, node) || span_eq(info->node_0390, node)))
            continue;
        buf_append_span(out, info_start);
        xml_write_attr("node", node, out);
        buf_append_span(out, info->rest);
        return true;
    }
    return false;
}

void caps_touch(struct caps *caps)
{
    if (caps)
        loop_timer_start(&caps->timer, SETTLE_MS, 0);
}

struct caps *caps_new(struct router *router)
{
    struct caps *caps = mem_calloc(1, sizeof(*caps));

    caps->router = router;
    list_init(&caps->infos);
    loop_timer_init(&caps->timer, router->loop, publish, caps);
    return caps;
}

void caps_free(struct caps *caps)
{
    struct list_node *node;

    if (!caps)
        return;
    loop_timer_stop(&caps->timer);
    while ((node = list_first(&caps->infos)) != NULL)
        info_free(CONTAINER_OF(node, struct info, node));
    mem_free(caps);
}
