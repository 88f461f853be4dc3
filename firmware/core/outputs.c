#include "outputs.h"

#include "board.h"
#include "clock.h"
#include "core.h"
#include "events.h"
#include "protocol.h"

#define NONE 0xFF
#define MAX_AHEAD 0x7FF00000UL /* ticks: less than half of what 32 bits hold */
#define SHORTEST 20            /* ticks: what an interrupt takes, twice */
#define SPIN 8                 /* ticks: nearer than what board_alarm() can be sure of */

struct change {
    uint32_t at;
    uint16_t sequence;
    uint8_t output, level, cause, next;
};

/* A chain in order of time; the others are free. Touched with interrupts off. */
static struct change changes[OUTPUT_SLOTS];
static uint8_t first, unused;
static uint8_t levels[BOARD_OUTPUTS], safe_levels[BOARD_OUTPUTS];

static void clear(void)
{
    uint8_t i;

    first = NONE;
    for (i = 0; i < OUTPUT_SLOTS; i++)
        changes[i].next = i + 1 < OUTPUT_SLOTS ? i + 1 : NONE;
    unused = 0;
}

static uint32_t drive(uint8_t output, uint8_t level)
{
    board_output(output, level);
    levels[output] = level;
    return board_ticks();
}

static void insert(uint8_t output, uint8_t level, uint32_t at, uint8_t cause, uint16_t sequence)
{
    uint8_t slot = unused, *link = &first;
    struct change *change = &changes[slot];

    unused = change->next;
    change->at = at;
    change->output = output;
    change->level = level;
    change->cause = cause;
    change->sequence = sequence;
    while (*link != NONE && (int32_t)(changes[*link].at - at) <= 0)
        link = &changes[*link].next;
    change->next = *link;
    *link = slot;
    core_alarm();
}

/* Forget what is pending for that output; whether there was something. */
static uint8_t forget(uint8_t output)
{
    uint8_t *link = &first, found = 0;

    while (*link != NONE) {
        uint8_t slot = *link;
        if (changes[slot].output == output) {
            *link = changes[slot].next;
            changes[slot].next = unused;
            unused = slot;
            found = 1;
        } else {
            link = &changes[slot].next;
        }
    }
    return found;
}

static uint8_t pending(uint8_t output)
{
    uint8_t slot;

    for (slot = first; slot != NONE; slot = changes[slot].next)
        if (changes[slot].output == output)
            return 1;
    return 0;
}

/* How many slots are free, at most two. */
static uint8_t room(void)
{
    return unused == NONE ? 0 : changes[unused].next == NONE ? 1 : 2;
}

/* Do what is due and set the alarm for what comes next. From the alarm's interrupt, or with interrupts off. */
void core_alarm(void)
{
    while (first != NONE) {
        struct change *change = &changes[first];
        int32_t ahead = (int32_t)(change->at - board_ticks());
        uint8_t slot = first;
        uint32_t at;

        if (ahead > SPIN) {
            board_alarm(change->at);
            return;
        }
        while ((int32_t)(change->at - board_ticks()) > 0)
            ;
        at = drive(change->output, change->level);
        events_push(EVENT_OUTPUT, change->output, (uint8_t)(change->level | change->cause << 1),
                    change->sequence, at);
        first = change->next;
        change->next = unused;
        unused = slot;
    }
}

void outputs_start(void)
{
    uint8_t i;

    clear();
    for (i = 0; i < BOARD_OUTPUTS; i++)
        drive(i, 0);
}

uint32_t outputs_safe(void)
{
    uint8_t i, state = board_lock();
    uint32_t at = 0;

    clear();
    for (i = 0; i < BOARD_OUTPUTS; i++)
        at = drive(i, safe_levels[i]);
    board_unlock(state);
    return at;
}

uint32_t outputs_toggle(uint8_t output)
{
    uint8_t state = board_lock();
    uint32_t at;

    forget(output);
    at = drive(output, !levels[output]);
    board_unlock(state);
    return at;
}

static uint8_t wrong(uint8_t output, uint8_t level)
{
    return output >= BOARD_OUTPUTS ? ERR_INDEX : level > 1 ? ERR_VALUE : 0;
}

uint8_t outputs_set(uint8_t output, uint8_t level, uint32_t *at)
{
    uint8_t state, error = wrong(output, level);

    if (error)
        return error;
    state = board_lock();
    forget(output);
    *at = drive(output, level);
    board_unlock(state);
    return 0;
}

uint8_t outputs_pulse(uint8_t output, uint8_t level, uint32_t width, uint16_t sequence, uint32_t *at)
{
    uint8_t state, error = wrong(output, level);

    if (error)
        return error;
    if (width < SHORTEST || width > MAX_AHEAD)
        return ERR_VALUE;
    state = board_lock();
    if (pending(output)) {
        error = ERR_BUSY;
    } else if (!room()) {
        error = ERR_FULL;
    } else {
        *at = drive(output, level);
        insert(output, !level, *at + width, CAUSE_PULSE_END, sequence);
    }
    board_unlock(state);
    return error;
}

uint8_t outputs_hold(uint8_t output, uint8_t level, uint32_t hold, uint16_t sequence, uint32_t *at)
{
    uint8_t state, error = wrong(output, level);

    if (error)
        return error;
    if (hold < SHORTEST || hold > MAX_AHEAD)
        return ERR_VALUE;
    state = board_lock();
    if (!forget(output) && !room()) {
        error = ERR_FULL;
    } else {
        *at = drive(output, level);
        insert(output, safe_levels[output], *at + hold, CAUSE_HOLD_LAPSED, sequence);
    }
    board_unlock(state);
    return error;
}

uint8_t outputs_schedule(uint8_t output, uint8_t level, uint64_t at, uint32_t width, uint16_t sequence)
{
    uint8_t state, error = wrong(output, level);
    uint64_t now = clock_now();

    if (error)
        return error;
    if (width && (width < SHORTEST || width > MAX_AHEAD))
        return ERR_VALUE;
    if (at < now + SHORTEST || at - now > MAX_AHEAD - width)
        return ERR_TIME;
    state = board_lock();
    if (room() < (width ? 2 : 1)) {
        error = ERR_FULL;
    } else {
        insert(output, level, (uint32_t)at, CAUSE_SCHEDULE, sequence);
        if (width)
            insert(output, !level, (uint32_t)at + width, CAUSE_PULSE_END, sequence);
    }
    board_unlock(state);
    return error;
}

uint8_t outputs_config(uint8_t output, uint8_t safe_level)
{
    uint8_t error = wrong(output, safe_level);

    if (!error)
        safe_levels[output] = safe_level;
    return error;
}
