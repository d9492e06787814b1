/* Metrics: counters, gauges and histograms from one table (metrics.def), shown to Prometheus.
 *
 * Cheap: a relaxed atomic add. May be used from any thread.
 */
#ifndef JACKDAW_METRIC_METRIC_H
#define JACKDAW_METRIC_METRIC_H

#include "base/buf.h"

#include <stdint.h>

enum metric_id {
#define METRIC(id, name, labels, type, help) METRIC_##id,
#include "metric/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Counters. */
void metric_inc(enum metric_id id);
void metric_add(enum metric_id id, uint64_t amount);
/* Gauges. */
void metric_set(enum metric_id id, int64_t value);
void metric_change(enum metric_id id, int64_t by);
/* Histograms; buckets from 100 µs to 10 s. */
void metric_observe(enum metric_id id, double seconds);
/* A counter's or gauge's value, a histogram's number of observations. */
int64_t metric_value(enum metric_id id);

/* Appends all metrics that were ever touched, in the Prometheus text format 0.0.4. */
void metric_write(struct buf *out);

#endif
