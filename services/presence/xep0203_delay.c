/* Adding <delay/>. */
#include "xep0203_delay.h"

#include "base/buf.h"
#include "base/clock.h"
#include "jid/jid.h"
#include "xml/ns.h"

void delay_add(struct job *job, uint64_t since_ms, struct stanza *stanza)
{
    char stamp[CLOCK_XEP82_SIZE];
    struct buf delay = {0};
    if (since_ms == 0 || stanza_child(stanza, NS_DELAY, "delay")) {
        return;
    }
    clock_format_xep82(since_ms, stamp);
    buf_append_cstr(&delay, "<delay xmlns=\"" NS_DELAY "\"");
    xml_write_attr("from", jid_domain(job->account), &delay);
    xml_write_attr("stamp", span_cstr(stamp), &delay);
    buf_append_cstr(&delay, "/>");
    stanza_append(stanza, SPAN(NS_DELAY), SPAN("delay"), buf_span(&delay), job->arena);
    buf_deinit(&delay);
}
