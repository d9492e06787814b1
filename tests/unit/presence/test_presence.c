/* Presence of sessions: broadcast, what a new resource sees, going, directed presence, probes; and
 * what happens when Redis goes or the daemon is asked the same again. */
#include "rig.h"

#define ROMEO  "romeo@localhost/orchard"
#define JULIET "juliet@localhost/balcony"
#define R(n)   ORIGIN(1, n)
#define J(n)   ORIGIN(2, n)

static struct rig rig;

/* Romeo sees Juliet and the other way round; both are online. */
static void make_friends(void)
{
    rig_bind(&rig, ROMEO, 1);
    rig_bind(&rig, JULIET, 2);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, JULIET, J(1), "<presence xmlns='jabber:client'/>");
    rig_does(&rig, ROMEO, R(2),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_does(&rig, JULIET, J(2),
             "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
    rig_expect(&rig, "romeo@localhost <presence from=\"" JULIET "\">" LATE "</presence>");
    rig_does(&rig, JULIET, J(3),
             "<presence xmlns='jabber:client' type='subscribe' to='romeo@localhost'/>");
    rig_does(&rig, ROMEO, R(3),
             "<presence xmlns='jabber:client' type='subscribed' to='juliet@localhost'/>");
}

static void a_change_goes_to_contacts_and_own_resources_at_once(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, ROMEO, R(4),
             "<presence xmlns='jabber:client'><show>away</show><priority>5</priority></presence>");
    rig_expect(&rig, "juliet@localhost," ROMEO " <presence from=\"" ROMEO "\"><show>away</show>");
    rig_expect(&rig, "notice " ROMEO " available=1 priority=5\n");
    /* the same priority again is no news for routers, and contacts are not read again */
    rig_does(&rig, ROMEO, R(5),
             "<presence xmlns='jabber:client'><show>dnd</show><priority>5</priority></presence>");
    rig_expect_not(&rig, "notice");
    rig_expect_not(&rig, "from=\"" JULIET);
}

static void a_new_resource_sees_everybody(void **state)
{
    (void)state;
    make_friends();
    rig_bind(&rig, "romeo@localhost/street", 3);
    rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 1), "<presence xmlns='jabber:client'/>");
    /* Redis gives the resources in any order */
    bool is_last = strstr(buf_cstr(&rig.said), "," ROMEO ",romeo@localhost/street ") != NULL;
    rig_expect(&rig, is_last ? "juliet@localhost," ROMEO ",romeo@localhost/street "
                               "<presence from=\"romeo@localhost/street\"/>"
                             : "juliet@localhost,romeo@localhost/street," ROMEO
                               " <presence from=\"romeo@localhost/street\"/>");
    rig_expect(&rig, "romeo@localhost/street <presence from=\"" JULIET "\">" LATE "</presence>");
    rig_expect(&rig, "romeo@localhost/street <presence from=\"" ROMEO "\">" LATE "</presence>");
}

static void priorities_are_checked(void **state)
{
    static const char *const bad[] = {"128", "-129", "x", "1.5", "", "1</priority><priority>2"};
    char xml[128];
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(xml, sizeof(xml),
                       "<presence xmlns='jabber:client'><priority>%s</priority></presence>",
                       bad[i]);
        rig_does(&rig, ROMEO, R(i + 1), xml);
        rig_expect(&rig, "<bad-request");
        rig_expect(&rig, "to=\"" ROMEO "\"");
        rig_expect_not(&rig, "notice");
    }
    rig_does(&rig, ROMEO, R(90),
             "<presence xmlns='jabber:client'><priority> -128 </priority></presence>");
    rig_expect(&rig, "notice " ROMEO " available=1 priority=-128\n");
}

static void going_is_told_to_all_who_know(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, ROMEO, R(4), "<presence xmlns='jabber:client' to='room@muc.localhost/romeo'/>");
    rig_expect(&rig, "<presence from=\"" ROMEO "\" to=\"room@muc.localhost/romeo\"/>");
    rig_does(&rig, ROMEO, R(5), "<presence xmlns='jabber:client' to='" JULIET "'/>");
    rig_does(&rig, ROMEO, R(6), "<presence xmlns='jabber:client' to='nurse@localhost'/>");
    rig_does(&rig, ROMEO, R(7),
             "<presence xmlns='jabber:client' to='nurse@localhost' type='unavailable'/>");
    rig_does(&rig, ROMEO, R(8),
             "<presence xmlns='jabber:client' type='unavailable'><status>bye</status></presence>");
    rig_expect(&rig, "room@muc.localhost/romeo <presence from=\"" ROMEO
                     "\" type=\"unavailable\"><status>bye");
    rig_expect(&rig,
               "juliet@localhost," ROMEO " <presence from=\"" ROMEO "\" type=\"unavailable\"");
    rig_expect(&rig, "notice " ROMEO " available=0");
    rig_expect_not(&rig, "nurse");
    rig_expect_not(&rig, JULIET " <presence");
    /* and only once */
    rig_does(&rig, ROMEO, R(9), "<presence xmlns='jabber:client' type='unavailable'/>");
    assert_int_equal(rig.said.len, 0);
}

static void a_session_that_is_gone_is_said_to_be(void **state)
{
    (void)state;
    make_friends();
    /* its resource is bound anew before its end is told */
    rig_bind(&rig, ROMEO, 9);
    rig_does(&rig, ROMEO, R(4), "<presence xmlns='jabber:client' type='unavailable'/>");
    rig_expect(&rig, "juliet@localhost <presence from=\"" ROMEO "\" type=\"unavailable\"/>");
    /* presence of a session that has ended counts no more */
    rig_does(&rig, ROMEO, R(5), "<presence xmlns='jabber:client'/>");
    assert_int_equal(rig.said.len, 0);
    /* the new one's does, and survives a late goodbye of the old one */
    rig_does(&rig, ROMEO, ORIGIN(9, 1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, "notice " ROMEO " available=1");
    rig_does(&rig, ROMEO, R(6), "<presence xmlns='jabber:client' type='unavailable'/>");
    assert_int_equal(rig.said.len, 0);
}

static void asked_again_it_does_the_same(void **state)
{
    (void)state;
    make_friends();
    rig_bind(&rig, "romeo@localhost/street", 3);
    for (int i = 0; i < 2; i++) {
        rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 1), "<presence xmlns='jabber:client'/>");
        rig_expect(&rig,
                   "romeo@localhost/street <presence from=\"" JULIET "\">" LATE "</presence>");
    }
    for (int i = 0; i < 2; i++) {
        rig_does(&rig, "romeo@localhost/street", ORIGIN(3, 2),
                 "<presence xmlns='jabber:client' type='unavailable'/>");
        rig_expect(&rig, "juliet@localhost");
        rig_expect(&rig, "notice romeo@localhost/street available=0");
    }
}

static void probes_are_answered_to_those_who_may_see(void **state)
{
    (void)state;
    make_friends();
    rig_does(&rig, ROMEO, R(4),
             "<presence xmlns='jabber:client' type='probe' to='juliet@localhost/x'/>");
    rig_expect(&rig, ROMEO " <presence from=\"" JULIET "\">" LATE "</presence>");
    rig_bind(&rig, "nurse@localhost/house", 4);
    rig_does(&rig, "nurse@localhost/house", ORIGIN(4, 1),
             "<presence xmlns='jabber:client' type='probe' to='juliet@localhost'/>");
    rig_expect_not(&rig, JULIET);
    rig_does(&rig, JULIET, J(4), "<presence xmlns='jabber:client' type='unavailable'/>");
    rig_does(&rig, ROMEO, R(5),
             "<presence xmlns='jabber:client' type='probe' to='juliet@localhost'/>");
    rig_expect(&rig, ROMEO " <presence from=\"juliet@localhost\" type=\"unavailable\">" LATE
                           "</presence>");
}

static void last_activity_is_for_subscribers(void **state)
{
    const char *ask = "<iq xmlns='jabber:client' type='get' id='1' to='juliet@localhost'>"
                      "<query xmlns='jabber:iq:last'/></iq>";
    struct presence *owner;
    (void)state;
    make_friends();
    owner = rig_owner(&rig, SPAN("juliet@localhost"));
    buf_reset(&rig.said);
    rig_send_to(&rig, owner, ROMEO, R(4), ask);
    rig_settle(&rig);
    rig_expect(&rig, "seconds=\"0\"");
    rig_does(
        &rig, JULIET, J(4),
        "<presence xmlns='jabber:client' type='unavailable'><status>night</status></presence>");
    rig_send_to(&rig, owner, ROMEO, R(5), ask);
    rig_settle(&rig);
    rig_expect(&rig, ">night</query>");
    buf_reset(&rig.said);
    rig_send_to(&rig, owner, "nurse@localhost/house", ORIGIN(4, 1), ask);
    rig_settle(&rig);
    rig_expect(&rig, "<forbidden");
    rig_expect_not(&rig, "night");
}

/* A user with 20 contacts online: whatever is asked of Redis leaves in a few writes. */
static void many_contacts_cost_few_round_trips(void **state)
{
    char full[64];
    char xml[128];
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(full, sizeof(full), "friend%u@localhost/x", i);
        rig_bind(&rig, full, 100 + i);
        rig_does(&rig, full, ORIGIN(100 + i, 1), "<presence xmlns='jabber:client'/>");
        (void)snprintf(xml, sizeof(xml),
                       "<presence xmlns='jabber:client' type='subscribe' to='friend%u@localhost'/>",
                       i);
        rig_does(&rig, ROMEO, R(10 + i), xml);
        rig_does(&rig, full, ORIGIN(100 + i, 2),
                 "<presence xmlns='jabber:client' type='subscribed' to='romeo@localhost'/>");
    }
    int64_t writes = metric_value(METRIC_redis_flushes);
    rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
    rig_expect(&rig, ROMEO " <presence from=\"friend19@localhost/x\">" LATE "</presence>");
    assert_in_range(metric_value(METRIC_redis_flushes) - writes, 1, 3);
}

static void redis_that_goes_is_waited_for(void **state)
{
    (void)state;
    make_friends();
    private_redis_kill(&rig.server);
    buf_reset(&rig.said);
    rig_send(&rig, ROMEO, R(4), "<presence xmlns='jabber:client'><show>xa</show></presence>");
    for (int i = 0; i < 20; i++) {
        rig_turn(&rig);
    }
    assert_int_equal(rig.said.len, 0);
    private_redis_spawn(&rig.server);
    rig_wait_ready(&rig);
    rig_bind(&rig, ROMEO, 1);
    rig_settle(&rig);
    /* it came back empty: to it this is a new session's first presence */
    rig_expect(&rig, "juliet@localhost," ROMEO " <presence from=\"" ROMEO "\"><show>xa</show>");
}

static void only_so_long(void **state)
{
    (void)state;
    rig_bind(&rig, ROMEO, 1);
    for (int i = 0; i < rig.count; i++) {
        rig.presences[i]->limits.retry_for_ms = 300;
    }
    private_redis_kill(&rig.server);
    rig_does(&rig, ROMEO, R(4),
             "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
    rig_expect(&rig, "<resource-constraint");
    rig_does(&rig, ROMEO, R(5),
             "<iq xmlns='jabber:client' type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
    rig_expect(&rig, "<resource-constraint");
    private_redis_spawn(&rig.server);
}

/* Killed after each possible number of turns of its loop; the other one is then asked the same. */
static void a_killed_instance_loses_nothing(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        if (turns) {
            rig_stop(&rig);
            rig_start_on(&rig, 2, NULL);
        }
        rig.only = 1;
        rig_bind(&rig, ROMEO, 1);
        rig_bind(&rig, JULIET, 2);
        rig_does(&rig, ROMEO, R(1), "<presence xmlns='jabber:client'/>");
        rig_does(&rig, ROMEO, R(2),
                 "<presence xmlns='jabber:client' type='subscribe' to='juliet@localhost'/>");
        rig_does(&rig, JULIET, J(1), "<presence xmlns='jabber:client'/>");
        rig_does(&rig, JULIET, J(9), "<presence xmlns='jabber:client' to='nurse@localhost'/>");
        for (unsigned step = 2; step <= 3; step++) {
            const char *xml = step == 2 ? "<presence xmlns='jabber:client' type='subscribed' "
                                          "to='romeo@localhost'/>"
                                        : "<presence xmlns='jabber:client' type='unavailable'/>";
            const char *due = step == 2 ? "romeo@localhost <presence from=\"" JULIET "\">" LATE
                                          "</presence>"
                                        : "<presence from=\"" JULIET "\" type=\"unavailable\"/>";
            buf_reset(&rig.said);
            rig_send(&rig, JULIET, J(step), xml);
            for (int i = 0; i < turns; i++) {
                rig_turn(&rig);
            }
            rig_kill(&rig, rig.only - 1);
            rig.only = 3 - rig.only;
            rig_send(&rig, JULIET, J(step), xml);
            rig_settle(&rig);
            rig_expect(&rig, due);
            rig_expect(&rig, step == 2 ? "romeo@localhost" : "nurse@localhost");
            rig_wait_ready(&rig);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    rig_start_on(&rig, 2, NULL);
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
        RIG_TEST(a_change_goes_to_contacts_and_own_resources_at_once),
        RIG_TEST(a_new_resource_sees_everybody),
        RIG_TEST(priorities_are_checked),
        RIG_TEST(going_is_told_to_all_who_know),
        RIG_TEST(a_session_that_is_gone_is_said_to_be),
        RIG_TEST(asked_again_it_does_the_same),
        RIG_TEST(probes_are_answered_to_those_who_may_see),
        RIG_TEST(last_activity_is_for_subscribers),
        RIG_TEST(many_contacts_cost_few_round_trips),
        RIG_TEST(redis_that_goes_is_waited_for),
        RIG_TEST(only_so_long),
        RIG_TEST(a_killed_instance_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
