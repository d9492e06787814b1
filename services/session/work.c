/* Two queues under one mutex: what waits for a thread, and what waits for the loop. */
#include "work.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/wake.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct unit {
    struct list_node node;
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

struct work {
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct list_node waiting;
    struct list_node finished;
    uint32_t waiting_count;
    uint32_t max_queued;
    bool is_closing;
    struct loop_wake *wake;
    uint32_t thread_count;
    pthread_t threads[];
};

/* Waits for a job, with the mutex held; NULL when the threads must end. */
static struct unit *next(struct work *work)
{
    while (list_is_empty(&work->waiting) && !work->is_closing) {
        (void)pthread_cond_wait(&work->wanted, &work->mutex);
    }
    if (work->is_closing) {
        return NULL;
    }
    work->waiting_count--;
    return CONTAINER_OF(list_pop(&work->waiting), struct unit, node);
}

static void *thread_main(void *arg)
{
    struct work *work = arg;
    struct unit *unit;
    (void)pthread_mutex_lock(&work->mutex);
    while ((unit = next(work))) {
        (void)pthread_mutex_unlock(&work->mutex);
        unit->run(unit->arg);
        (void)pthread_mutex_lock(&work->mutex);
        list_add_tail(&work->finished, &unit->node);
        if (!work->is_closing) {
            loop_wake_send(work->wake);
        }
    }
    (void)pthread_mutex_unlock(&work->mutex);
    return NULL;
}

static struct unit *take_finished(struct work *work)
{
    (void)pthread_mutex_lock(&work->mutex);
    struct list_node *node = list_pop(&work->finished);
    (void)pthread_mutex_unlock(&work->mutex);
    return node ? CONTAINER_OF(node, struct unit, node) : NULL;
}

static void on_wake(void *arg)
{
    struct work *work = arg;
    struct unit *unit;
    while ((unit = take_finished(work))) {
        unit->done(unit->arg);
        mem_free(unit);
    }
}

/* Signals are the loop's thread's. */
static void start_threads(struct work *work, uint32_t count)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 0; i < count; i++) {
        int failed = pthread_create(&work->threads[i], NULL, thread_main, work);
        ASSERT(!failed);
        work->thread_count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct work *work_new(struct loop *loop, uint32_t threads, uint32_t max_queued)
{
    struct work *work = mem_calloc(1, sizeof(*work) + threads * sizeof(work->threads[0]));
    (void)pthread_mutex_init(&work->mutex, NULL);
    (void)pthread_cond_init(&work->wanted, NULL);
    list_init(&work->waiting);
    list_init(&work->finished);
    work->max_queued = max_queued;
    work->wake = loop_wake_new(loop, on_wake, work);
    start_threads(work, threads);
    return work;
}

static void drop(struct list_node *list)
{
    struct list_node *node;
    while ((node = list_pop(list))) {
        mem_free(CONTAINER_OF(node, struct unit, node));
    }
}

void work_free(struct work *work)
{
    (void)pthread_mutex_lock(&work->mutex);
    work->is_closing = true;
    (void)pthread_cond_broadcast(&work->wanted);
    (void)pthread_mutex_unlock(&work->mutex);
    for (uint32_t i = 0; i < work->thread_count; i++) {
        (void)pthread_join(work->threads[i], NULL);
    }
    loop_wake_free(work->wake);
    drop(&work->waiting);
    drop(&work->finished);
    (void)pthread_cond_destroy(&work->wanted);
    (void)pthread_mutex_destroy(&work->mutex);
    mem_free(work);
}

int work_add(struct work *work, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
    (void)pthread_mutex_lock(&work->mutex);
    bool is_full = work->waiting_count >= work->max_queued;
    if (!is_full) {
        struct unit *unit = mem_alloc(sizeof(*unit));
        *unit = (struct unit){.run = run, .done = done, .arg = arg};
        list_add_tail(&work->waiting, &unit->node);
        work->waiting_count++;
        (void)pthread_cond_signal(&work->wanted);
    }
    (void)pthread_mutex_unlock(&work->mutex);
    return is_full ? -1 : 0;
}
