/* Order across kinds of stanza: what a client sent first has arrived before what it sends next.
 *
 * Messages go straight to their holder, presence and iqs take the way over a service. So a stanza
 * waits while an earlier one of the same session is at a service that has neither settled it nor
 * said that all it sends because of it is on its way here (dealt): from then on the links of the
 * holders keep the order, and a holder that is slow holds up nobody but its own sessions. It does
 * not wait behind stanzas of the same service, nor longer than router.order_wait.
 */
#ifndef JACKDAW_ROUTER_ORDER_H
#define JACKDAW_ROUTER_ORDER_H

#include "job.h"

struct loop;
struct orders;

struct orders_options {
    struct loop *loop;
    void (*resume)(void *ctx, struct job *job); /* it may go on now */
    void *ctx;
    uint32_t wait_ms;
    uint32_t max_waiting; /* of one session */
};

enum order_answer { ORDER_GO, ORDER_WAIT, ORDER_TOO_MANY };

/* Returns owned. */
struct orders *orders_new(const struct orders_options *options);
/* Jobs that wait are not resumed. */
void orders_free(struct orders *orders);
void orders_set_limits(struct orders *orders, uint32_t wait_ms, uint32_t max_waiting);

/* May a job that `owner` (NULL: no service) will get go on? ORDER_WAIT: it is kept and resumed. */
enum order_answer order_admit(struct orders *orders, struct job *job, const struct owner *owner);
/* The job is at `owner` now. */
void order_taken(struct orders *orders, struct job *job, const struct owner *owner);
/* The service has dealt with the n-th stanza of session `sid`; nothing when it is not at a service. */
void order_dealt(struct orders *orders, uint64_t sid, uint64_t n);
/* And settled there. Once per order_taken. */
void order_settled(struct orders *orders, struct job *job);

#endif
