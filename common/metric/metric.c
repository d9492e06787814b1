/* Metrics: relaxed atomics per line of metrics.def, written in Prometheus' text format. */
#include "metric/metric.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_line {
    const char *name;
    const char *labels;
    enum metric_type type;
    const char *help;
};

static const struct metric_line metric_lines[METRIC_COUNT] = {
#define METRIC(id, name, labels, type, help) {name, labels, METRIC_##type, help},
#include "metric/metrics.def"
#undef METRIC
};

/* Upper bounds of histogram buckets in seconds. */
static const double metric_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                       0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
#define METRIC_BOUNDS (sizeof(metric_bounds) / sizeof(metric_bounds[0]))

struct metric_histogram {
    _Atomic uint64_t buckets[METRIC_BOUNDS + 1]; /* the last: everything larger */
    _Atomic uint64_t sum_us;
};

static _Atomic int64_t metric_values[METRIC_COUNT];
static _Atomic bool metric_touched[METRIC_COUNT];
static struct metric_histogram metric_histograms[METRIC_COUNT];

static void metric_raise(enum metric_id id, int64_t by)
{
    atomic_fetch_add_explicit(&metric_values[id], by, memory_order_relaxed);
    atomic_store_explicit(&metric_touched[id], true, memory_order_relaxed);
}

void metric_inc(enum metric_id id)
{
    ASSERT(metric_lines[id].type == METRIC_COUNTER);
    metric_raise(id, 1);
}

void metric_add(enum metric_id id, uint64_t amount)
{
    ASSERT(metric_lines[id].type == METRIC_COUNTER);
    metric_raise(id, (int64_t)amount);
}

void metric_set(enum metric_id id, int64_t value)
{
    ASSERT(metric_lines[id].type == METRIC_GAUGE);
    atomic_store_explicit(&metric_values[id], value, memory_order_relaxed);
    atomic_store_explicit(&metric_touched[id], true, memory_order_relaxed);
}

void metric_change(enum metric_id id, int64_t by)
{
    ASSERT(metric_lines[id].type == METRIC_GAUGE);
    metric_raise(id, by);
}

void metric_observe(enum metric_id id, double seconds)
{
    struct metric_histogram *histogram = &metric_histograms[id];
    size_t bucket = 0;

    ASSERT(metric_lines[id].type == METRIC_HISTOGRAM);
    while (bucket < METRIC_BOUNDS && seconds > metric_bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    if (seconds > 0) {
        atomic_fetch_add_explicit(&histogram->sum_us, (uint64_t)(seconds * 1e6),
                                  memory_order_relaxed);
    }
    metric_raise(id, 1);
}

int64_t metric_value(enum metric_id id)
{
    return atomic_load_explicit(&metric_values[id], memory_order_relaxed);
}

/* ---- text ---- */
static void write_head(const struct metric_line *line, struct buf *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", line->name, line->help, line->name,
               types[line->type]);
}

static void write_value(const struct metric_line *line, int64_t value, struct buf *out)
{
    const char *open = line->labels[0] != '\0' ? "{" : "";
    const char *close = line->labels[0] != '\0' ? "}" : "";

    buf_printf(out, "%s%s%s%s %" PRId64 "\n", line->name, open, line->labels, close, value);
}

static void write_histogram(const struct metric_line *line, struct metric_histogram *histogram,
                            struct buf *out)
{
    const char *comma = line->labels[0] != '\0' ? "," : "";
    const char *open = line->labels[0] != '\0' ? "{" : "";
    const char *close = line->labels[0] != '\0' ? "}" : "";
    uint64_t count = 0;

    for (size_t i = 0; i < METRIC_BOUNDS; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", line->name, line->labels, comma,
                   metric_bounds[i], count);
    }
    count += atomic_load_explicit(&histogram->buckets[METRIC_BOUNDS], memory_order_relaxed);
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", line->name, line->labels, comma,
               count);
    buf_printf(out, "%s_sum%s%s%s %.6f\n", line->name, open, line->labels, close,
               (double)atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) / 1e6);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", line->name, open, line->labels, close, count);
}

void metric_write(struct buf *out)
{
    const struct metric_line *headed = NULL; /* first line of the name whose head was written */
    const struct metric_line *first = NULL;

    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_line *line = &metric_lines[i];
        if (first == NULL || strcmp(first->name, line->name) != 0) {
            first = line;
        }
        if (!atomic_load_explicit(&metric_touched[i], memory_order_relaxed)) {
            continue;
        }
        if (headed != first) {
            write_head(first, out);
            headed = first;
        }
        if (line->type == METRIC_HISTOGRAM) {
            write_histogram(line, &metric_histograms[i], out);
        } else {
            write_value(line, metric_value((enum metric_id)i), out);
        }
    }
}
