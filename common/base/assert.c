/* Where a broken invariant ends. */
#include "base/assert.h"

#include "base/log.h"

#include <stdlib.h>

void assert_failed(const char *condition, const char *file, int line, const char *func)
{
    log_write(LOG_LEVEL_ERROR, "assert", "condition=%s file=%s line=%d function=%s", condition,
              file, line, func);
    abort();
}
