/* What the files of custody share. */
#ifndef JACKDAW_CUSTODY_INTERNAL_H
#define JACKDAW_CUSTODY_INTERNAL_H

#include "custody/queue.h"

/* delivery.c */
void custody_tell_again(void *custody);
void custody_deliveries_free(struct custody *custody);

/* queue.c */
/* Something of the queue is to be written at the end of this turn. */
void queue_touch(struct custody_queue *queue);
/* Shows the client all up to `number` that it was not shown. */
void queue_show(struct custody_queue *queue, uint64_t number);
/* What waited for Redis to have it up to `number` has waited long enough. */
void queue_settle(struct custody_queue *queue, uint64_t number);
/* The queue is under another epoch by now: tells its user. */
void queue_lose(struct custody_queue *queue);

/* write.c */
void custody_write_dirty(void *custody);
void custody_tick(void *custody);
/* Commands under way no longer know the queue. */
void queue_forget_writes(struct custody_queue *queue);

/* remember.c */
/* Commands under way no longer know the custody. */
void custody_forget_noting(struct custody *custody);

/* load.c */
void queue_forget_load(struct custody_queue *queue);

/* What is on its way to the stream of a queue. */
struct custody_pending {
    struct list_node node; /* in queue->pending */
    struct delivery *delivery;
    uint64_t number;   /* 0: held until the queue is open */
    bool is_marker;    /* a second copy: waits for the first one to be kept */
    bool is_delivered; /* the client was shown it */
};

#endif
