/* What one nng message between two daemons holds: the frame, with its encoder and decoder.
 *
 * Every frame opens with magic and version. HELLO says who speaks and what it has of an earlier
 * conversation; DATA carries a run of consecutive entries (items, calls, replies, settlements) and
 * how far the other side's entries have arrived; BYE ends a conversation for good; NOTICES carries
 * what publishers said. All integers are little endian. The decoder checks the whole frame, entries
 * and sections included, so that walking them later cannot fail.
 */
#ifndef JACKDAW_BUS_FRAME_H
#define JACKDAW_BUS_FRAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_NAME_MAX     63   /* bytes of a kind and of an instance name */
#define FRAME_ANNOUNCE_MAX 4096 /* lines */
#define FRAME_ENTRY_BYTES  13   /* what an entry costs beyond its body */
#define FRAME_DATA_BYTES   34   /* what a DATA frame costs beyond its entries */

/* What the dialler will do on this pipe: each direction of a conversation has a pipe of its own. */
enum frame_lane { FRAME_SPEAKS, FRAME_LISTENS };

enum frame_type { FRAME_HELLO = 1, FRAME_DATA, FRAME_BYE, FRAME_NOTICES };

/* The link ids name the two ends' memory of the conversation: whoever forgot makes a new one, and
 * the other side sees that what was under way is lost. */
struct frame_hello {
    enum frame_lane lane;
    uint64_t boot;      /* of the speaker's process */
    uint64_t link;      /* the speaker's end */
    uint64_t your_link; /* the hearer's end as the speaker knows it; 0: not known */
    uint64_t received;  /* the hearer's entries have arrived up to this number */
    struct span kind;
    struct span instance;
    const struct span *announce;
    uint32_t announce_count;
};

struct frame_data {
    uint64_t link;     /* the hearer's end */
    uint64_t received; /* the hearer's entries have arrived up to this number */
    uint64_t first;    /* number of the first entry */
    bool gap;          /* entries after `received` were lost: send again from there */
    uint32_t count;
    struct span entries;
};

enum frame_entry_kind { FRAME_ITEM = 1, FRAME_CALL, FRAME_REPLY, FRAME_SETTLE };

struct frame_entry {
    enum frame_entry_kind kind;
    uint64_t handle;  /* of a call and its reply, else 0 */
    struct span body; /* an encoded message; for FRAME_SETTLE runs of numbers */
};

/* Entries `first` .. `first + count - 1` are settled. */
struct frame_run {
    uint64_t first;
    uint32_t count;
};

/* What one publisher said: `count` messages numbered from `first`; none tells what comes next. */
struct frame_section {
    struct span publisher;
    uint64_t boot;
    uint64_t first;
    uint32_t count;
    struct span messages;
    struct span whole; /* the section's own bytes, for passing on */
};

struct frame {
    enum frame_type type;
    union {
        struct frame_hello hello;
        struct frame_data data;
        uint64_t bye_link; /* the hearer's end */
        struct span sections;
    } u;
};

void frame_write_hello(const struct frame_hello *hello, struct buf *out);
/* Writes the head; `count` and `entries` of `data` are ignored. Entries follow with
 * frame_write_entry, then frame_end_data with how many they were. */
void frame_begin_data(const struct frame_data *data, struct buf *out);
void frame_write_entry(const struct frame_entry *entry, struct buf *out);
void frame_end_data(uint32_t count, struct buf *out);
void frame_write_bye(uint64_t link, struct buf *out);
/* Head of a NOTICES frame; sections follow. */
void frame_begin_notices(struct buf *out);
/* `messages` is what frame_write_message wrote, `count` times. */
void frame_write_section(const struct frame_section *section, struct buf *out);
void frame_write_message(struct span message, struct buf *out);
void frame_write_run(const struct frame_run *run, struct buf *out);

/* Decodes a whole frame. Spans borrow `in`, the announcements are in `arena`. 0, or -1 when it is
 * not one well-formed frame of this version. */
int frame_decode(struct span in, struct arena *arena, struct frame *frame_out);
/* Takes the first element off `rest`, which came from frame_decode: false when there is none left.
 */
bool frame_next_entry(struct span *rest, struct frame_entry *entry_out);
bool frame_next_run(struct span *rest, struct frame_run *run_out);
bool frame_next_section(struct span *rest, struct frame_section *section_out);
bool frame_next_message(struct span *rest, struct span *message_out);

#endif
