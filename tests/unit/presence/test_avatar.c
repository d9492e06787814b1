/* XEP-0153: the hash of the photo in presence that is broadcast, probed for and kept. */
#include "rig.h"

#define ROMEO "romeo@localhost/orchard"
#define R(n)  ORIGIN(1, n)

#define X(content) "<x xmlns=\"vcard-temp:x:update\">" content "</x>"

static struct rig rig;

/* What pubsub keeps of romeo's vCard. */
static void photo_is(struct span hash)
{
    struct arena arena = {0};
    uint64_t before = rig.answered;
    redis_call(rig.redis, rig_count, &rig.answered, SPAN("SET"),
               redis_key(REDIS_KEY_avatar, SPAN("romeo@localhost"), (struct span){0}, &arena),
               hash);
    while (rig.answered == before) {
        loop_run_once(rig.loop, 1);
    }
    arena_deinit(&arena);
}

static void without_a_vcard_presence_stays_as_it_is(void **state)
{
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "<presence from=\"" ROMEO "\"/>");
    rig_does(&rig, ROMEO, R(2),
             "<presence xmlns='jabber:client'><x xmlns='vcard-temp:x:update'/></presence>");
    rig_expect(&rig, "<presence from=\"" ROMEO "\"><x xmlns=\"vcard-temp:x:update\"/></presence>");
}

static void the_hash_is_added(void **state)
{
    (void)state;
    photo_is(SPAN("aaf4c61d"));
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "<presence from=\"" ROMEO "\">" X("<photo>aaf4c61d</photo>") "</presence>");
    rig_does(&rig, ROMEO, R(2),
             "<presence xmlns='jabber:client'><show>away</show>"
             "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/></presence>");
    rig_expect(&rig, "<show>away</show><c xmlns=\"http://jabber.org/protocol/caps\" node=\"n\" "
                     "ver=\"v\"/>" X("<photo>aaf4c61d</photo>") "</presence>");
    /* kept so: who comes later sees it too */
    rig_bind(&rig, "romeo@localhost/street", 3);
    rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 1),
             "<presence xmlns='jabber:client' type='unavailable'/>");
    rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 2), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "ver=\"v\"/>" X("<photo>aaf4c61d</photo>") LATE "</presence>");
}

static void no_photo_is_said_too(void **state)
{
    (void)state;
    photo_is(SPAN(""));
    rig_bind(&rig, ROMEO, 1);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "<presence from=\"" ROMEO "\">" X("<photo/>") "</presence>");
}

static void what_the_client_says_of_a_photo_stands(void **state)
{
    static const struct {
        const char *sent;
        const char *shown;
    } cases[] = {
        {"<x xmlns='vcard-temp:x:update'><photo/></x>", X("<photo/>")},
        {"<x xmlns='vcard-temp:x:update'><photo>other</photo></x>", X("<photo>other</photo>")},
        {"<x xmlns='vcard-temp:x:update'/>", X("<photo>aaf4c61d</photo>")},
        {"<x xmlns='vcard-temp:x:update'> </x><show>dnd</show>",
         "<show>dnd</show>" X("<photo>aaf4c61d</photo>")},
        {"<x xmlns='other'><photo/></x>",
         "<x xmlns=\"other\"><photo/></x>" X("<photo>aaf4c61d</photo>")},
    };
    char text[400];
    (void)state;
    photo_is(SPAN("aaf4c61d"));
    rig_bind(&rig, ROMEO, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(text, sizeof(text), "<presence xmlns='jabber:client'>%s</presence>",
                       cases[i].sent);
        rig_does(&rig, ROMEO, R(i + 1), text);
        (void)snprintf(text, sizeof(text), "<presence from=\"" ROMEO "\">%s</presence>",
                       cases[i].shown);
        rig_expect(&rig, text);
    }
}

static int set_up(void **state)
{
    (void)state;
    rig_start_on(&rig, 1, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(without_a_vcard_presence_stays_as_it_is),
        RIG_TEST(the_hash_is_added),
        RIG_TEST(no_photo_is_said_too),
        RIG_TEST(what_the_client_says_of_a_photo_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
