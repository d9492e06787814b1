/* What the process says of itself in /metrics. */
#include "base/clock.h"
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

void process_measure(void)
{
    int64_t cpu = (int64_t)clock_cpu_us();
    int64_t shown = metric_value(METRIC_process_cpu_us);

    metric_set(METRIC_process_rss, process_rss());
    metric_set(METRIC_process_fds, process_fds());
    if (cpu > shown) {
        metric_add(METRIC_process_cpu_us, (uint64_t)(cpu - shown));
    }
}
