/* Reading times as XEP-0082 writes them. */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

#define MAX_YEAR 9999

/* Takes `digits` digits off the front. */
static int take_number(struct span *rest, size_t digits, int *value_out)
{
    uint64_t value;

    if (rest->len < digits || span_to_u64(span_head(*rest, digits), &value) != 0)
        return -1;
    *rest = span_from(*rest, digits);
    *value_out = (int)value;
    return 0;
}

static int take_char(struct span *rest, char c)
{
    if (rest->len == 0 || rest->data[0] != c)
        return -1;
    *rest = span_from(*rest, 1);
    return 0;
}

/* YYYY-MM-DDThh:mm:ss */
static int take_date_time(struct span *rest, struct tm *tm_out)
{
    static const struct {
        size_t digits;
        char before; /* 0: nothing */
        int min, max;
    } parts[] = {{4, 0, 0, MAX_YEAR}, {2, '-', 1, 12}, {2, '-', 1, 31},
                 {2, 'T', 0, 24},     {2, ':', 0, 59}, {2, ':', 0, 60}};
    int values[6];

    for (size_t i = 0; i < 6; i++) {
        if (parts[i].before && take_char(rest, parts[i].before) != 0)
            return -1;
        if (take_number(rest, parts[i].digits, &values[i]) != 0 || values[i] < parts[i].min ||
            values[i] > parts[i].max)
            return -1;
    }
    *tm_out = (struct tm){.tm_year = values[0] - 1900,
                          .tm_mon = values[1] - 1,
                          .tm_mday = values[2],
                          .tm_hour = values[3],
                          .tm_min = values[4],
                          .tm_sec = values[5]};
    return 0;
}

static int take_fraction(struct span *rest, int *ms_out)
{
    int weight = 100;
    size_t digits = 0;

    *ms_out = 0;
    if (take_char(rest, '.') != 0)
        return 0;
    for (int digit; take_number(rest, 1, &digit) == 0; digits++) {
        *ms_out += digit * weight;
        weight /= 10;
    }
    return digits > 0 ? 0 : -1;
}

/* Z, or +hh:mm, -hh:mm: seconds east of Greenwich. */
static int take_zone(struct span *rest, int *east_out)
{
    bool is_west = rest->len > 0 && rest->data[0] == '-';
    int hours;
    int minutes;

    *east_out = 0;
    if (take_char(rest, 'Z') == 0)
        return 0;
    if (take_char(rest, is_west ? '-' : '+') != 0 || take_number(rest, 2, &hours) != 0 ||
        take_char(rest, ':') != 0 || take_number(rest, 2, &minutes) != 0 || hours > 14 ||
        minutes > 59)
        return -1;
    *east_out = (hours * 60 + minutes) * (is_west ? -60 : 60);
    return 0;
}

int clock_parse_xep82(struct span text, uint64_t *real_ms_out)
{
    struct tm tm;
    int ms;
    int east;
    int64_t seconds;

    if (take_date_time(&text, &tm) != 0 || take_fraction(&text, &ms) != 0 ||
        take_zone(&text, &east) != 0 || text.len > 0)
        return -1;
    seconds = (int64_t)timegm(&tm) - east;
    *real_ms_out = seconds < 0 ? 0 : (uint64_t)seconds * 1000 + (uint64_t)ms;
    return 0;
}
