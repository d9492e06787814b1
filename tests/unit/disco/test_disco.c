/* Service discovery as XML and as hashes: the examples of XEP-0115 section 5 and XEP-0390 section 4.5.
 */
#include "disco/disco.h"

#include "xml/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct disco disco;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    disco_init(&disco, &arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    buf_deinit(&out);
    arena = (struct arena){0};
    return 0;
}

static void add_identity(const char *category, const char *type, const char *lang, const char *name)
{
    disco_add_identity(&disco, &(struct disco_identity){span_cstr(category), span_cstr(type),
                                                        span_cstr(lang), span_cstr(name)});
}

static void add_features(const char *const *features, size_t count)
{
    for (size_t i = 0; i < count; i++)
        disco_add_feature(&disco, span_cstr(features[i]));
}

static void add_field(struct disco_form *form, const char *var, const char *one, const char *other)
{
    struct span *values = arena_calloc(&arena, 2, sizeof(*values));

    values[0] = span_cstr(one);
    values[1] = span_cstr(other);
    disco_add_field(&disco, form, &(struct disco_field){span_cstr(var), values, other ? 2 : 1});
}

static void check(void (*write)(const struct disco *disco, struct buf *out), const char *expected)
{
    buf_reset(&out);
    write(&disco, &out);
    buf_append_u8(&out, 0);
    assert_string_equal(out.data, expected);
}

static const char *const muc_client[] = {
    "http://jabber.org/protocol/muc",
    NS_DISCO_ITEMS,
    NS_DISCO_INFO,
    NS_CAPS,
};

static void caps_of_the_simple_example(void **state)
{
    (void)state;
    add_identity("client", "pc", "", "Exodus 0.9.1");
    add_features(muc_client, 4);
    check(disco_write_caps, "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

static void caps_of_the_complex_example(void **state)
{
    struct disco_form *form;

    (void)state;
    add_identity("client", "pc", "en", "Psi 0.11");
    add_identity("client", "pc", "el", "\xce\xa8 0.11");
    add_features(muc_client, 4);
    form = disco_add_form(&disco, SPAN("urn:xmpp:dataforms:softwareinfo"));
    add_field(form, "software_version", "0.11", NULL);
    add_field(form, "ip_version", "ipv6", "ipv4");
    add_field(form, "os", "Mac", NULL);
    add_field(form, "os_version", "10.5.1", NULL);
    add_field(form, "software", "Psi", NULL);
    check(disco_write_caps, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

static const char *const bombus[] = {
    "http://jabber.org/protocol/si",
    "http://jabber.org/protocol/bytestreams",
    "http://jabber.org/protocol/chatstates",
    "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/disco#items",
    "urn:xmpp:ping",
    "jabber:iq:time",
    "jabber:iq:privacy",
    "jabber:iq:version",
    "http://jabber.org/protocol/rosterx",
    "urn:xmpp:time",
    "jabber:x:oob",
    "http://jabber.org/protocol/ibb",
    "http://jabber.org/protocol/si/profile/file-transfer",
    "urn:xmpp:receipts",
    "jabber:iq:roster",
    "jabber:iq:last",
};

static void caps2_of_the_simple_example(void **state)
{
    (void)state;
    add_identity("client", "mobile", "", "BombusMod");
    add_features(bombus, sizeof(bombus) / sizeof(bombus[0]));
    check(disco_write_caps2, "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=");
}

static const char *const tkabber[] = {
    "games:board",
    "http://jabber.org/protocol/activity",
    "http://jabber.org/protocol/activity+notify",
    "http://jabber.org/protocol/bytestreams",
    "http://jabber.org/protocol/chatstates",
    "http://jabber.org/protocol/commands",
    "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/disco#items",
    "http://jabber.org/protocol/evil",
    "http://jabber.org/protocol/feature-neg",
    "http://jabber.org/protocol/geoloc",
    "http://jabber.org/protocol/geoloc+notify",
    "http://jabber.org/protocol/ibb",
    "http://jabber.org/protocol/iqibb",
    "http://jabber.org/protocol/mood",
    "http://jabber.org/protocol/mood+notify",
    "http://jabber.org/protocol/rosterx",
    "http://jabber.org/protocol/si",
    "http://jabber.org/protocol/si/profile/file-transfer",
    "http://jabber.org/protocol/tune",
    "http://www.facebook.com/xmpp/messages",
    "http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify",
    "jabber:iq:avatar",
    "jabber:iq:browse",
    "jabber:iq:dtcp",
    "jabber:iq:filexfer",
    "jabber:iq:ibb",
    "jabber:iq:inband",
    "jabber:iq:jidlink",
    "jabber:iq:last",
    "jabber:iq:oob",
    "jabber:iq:privacy",
    "jabber:iq:roster",
    "jabber:iq:time",
    "jabber:iq:version",
    "jabber:x:data",
    "jabber:x:event",
    "jabber:x:oob",
    "urn:xmpp:avatar:metadata+notify",
    "urn:xmpp:ping",
    "urn:xmpp:receipts",
    "urn:xmpp:time",
};

static void caps2_of_the_complex_example(void **state)
{
    struct disco_form *form;

    (void)state;
    add_identity("client", "pc", "en", "Tkabber");
    add_identity("client", "pc", "ru", "\xd0\xa2\xd0\xba\xd0\xb0\xd0\xb1\xd0\xb1\xd0\xb5\xd1\x80");
    add_features(tkabber, sizeof(tkabber) / sizeof(tkabber[0]));
    form = disco_add_form(&disco, SPAN("urn:xmpp:dataforms:softwareinfo"));
    add_field(form, "software", "Tkabber", NULL);
    add_field(form, "software_version", "0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)", NULL);
    add_field(form, "os", "Windows", NULL);
    add_field(form, "os_version", "XP", NULL);
    check(disco_write_caps2, "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=");
}

/* A category that goes on where another ends, with a character below the separator. */
static void identities_are_ordered_part_by_part(void **state)
{
    (void)state;
    add_identity("a-b", "c", "", "");
    add_identity("a", "z", "", "");
    check(disco_write_caps, "Dm0ZTlYoIGCynjItyKxXv1wxR0g=");
}

static void the_xml_holds_everything_once_and_escaped(void **state)
{
    struct disco_form *form;

    (void)state;
    add_identity("server", "im", "en", "a<b");
    add_identity("pubsub", "pep", "", "");
    disco_add_feature(&disco, SPAN("urn:x"));
    disco_add_feature(&disco, SPAN("urn:x"));
    form = disco_add_form(&disco, SPAN("urn:form"));
    add_field(form, "v", "1&2", "3");
    disco_write(&disco, SPAN("n"), &out);
    buf_append_u8(&out, 0);
    assert_string_equal(
        out.data, "<query xmlns=\"http://jabber.org/protocol/disco#info\" node=\"n\">"
                  "<identity category=\"server\" type=\"im\" xml:lang=\"en\" name=\"a&lt;b\"/>"
                  "<identity category=\"pubsub\" type=\"pep\"/><feature var=\"urn:x\"/>"
                  "<x xmlns=\"jabber:x:data\" type=\"result\">"
                  "<field var=\"FORM_TYPE\" type=\"hidden\"><value>urn:form</value></field>"
                  "<field var=\"v\"><value>1&amp;2</value><value>3</value></field></x></query>");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(caps_of_the_simple_example),          TEST(caps_of_the_complex_example),
        TEST(caps2_of_the_simple_example),         TEST(caps2_of_the_complex_example),
        TEST(identities_are_ordered_part_by_part), TEST(the_xml_holds_everything_once_and_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
