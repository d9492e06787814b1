/* What the process says of itself in /metrics. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon_internal.h"
#include "metric/metric.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static int64_t process_rss(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (file != NULL) {
        if (fscanf(file, "%*d %ld", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t process_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = 0;

    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 3; /* ".", ".." and the directory itself */
}

/* Raises a counter to what was counted elsewhere. */
static void raise_to(enum metric_id id, uint64_t value)
{
    uint64_t shown = (uint64_t)metric_value(id);

    metric_add(id, value > shown ? value - shown : 0);
}

void process_measure(void)
{
    metric_set(METRIC_process_rss, process_rss());
    metric_set(METRIC_process_fds, process_fds());
    raise_to(METRIC_process_cpu_us, clock_cpu_us());
    raise_to(METRIC_log_errors, log_lines(LOG_LEVEL_ERROR));
    raise_to(METRIC_log_warnings, log_lines(LOG_LEVEL_WARN));
}
