#include "events.h"

#include "board.h"
#include "core.h"
#include "protocol.h"
#include "wire.h"

#define EVENTS 32 /* a power of two; indices run freely */

static struct event ring[EVENTS];
static volatile uint8_t head, tail;
static volatile uint16_t dropped;

static struct input {
    uint32_t debounce, quiet_from, last_bounce;
    uint16_t number, inexact, bounces;
    uint8_t edges, told, level, holding;
} inputs[BOARD_INPUTS];

static struct {
    uint16_t low, high;
    uint8_t channel, above, known;
} analog;

void events_start(void)
{
    analog.channel = 0xFF;
}

void events_push(uint8_t kind, uint8_t index, uint8_t flags, uint16_t extra, uint32_t at)
{
    uint8_t state = board_lock(), put = head;

    if ((uint8_t)(put - tail) == EVENTS) {
        dropped++;
    } else {
        struct event *event = &ring[put & (EVENTS - 1)];
        event->kind = kind;
        event->index = index;
        event->flags = flags;
        event->extra = extra;
        event->at = at;
        head = put + 1;
    }
    board_unlock(state);
}

uint8_t events_waiting(void)
{
    return head != tail;
}

uint8_t events_pop(struct event *event)
{
    if (head == tail)
        return 0;
    *event = ring[tail & (EVENTS - 1)];
    tail++;
    return 1;
}

uint16_t events_dropped(void)
{
    uint8_t state = board_lock();
    uint16_t found = dropped;

    board_unlock(state);
    return found;
}

/* -- inputs ------------------------------------------------------------------------------------------------- */

static void report(uint8_t index, struct input *input, uint8_t level, uint32_t at, uint8_t flags)
{
    input->told = level;
    if (input->edges & (level ? 1 : 2))
        events_push(EVENT_EDGE, index, (uint8_t)(level | flags), input->number++, at);
}

/* The hold-off of a contact is over: if it came to rest at the other level, its last bounce was an edge. */
static void settle(uint8_t index, struct input *input)
{
    input->holding = 0;
    if (input->level != input->told)
        report(index, input, input->level, input->last_bounce, EDGE_SETTLED);
}

void core_edge(uint8_t index, uint8_t level, uint32_t at, uint8_t flags)
{
    struct input *input = &inputs[index];

    if (flags & EDGE_INEXACT)
        input->inexact++;
    if (input->holding && (int32_t)(at - input->quiet_from) >= 0)
        settle(index, input);
    input->level = level;
    if (input->holding) {
        input->bounces++;
        input->last_bounce = at;
        return;
    }
    report(index, input, level, at, flags);
    if (input->debounce) {
        input->holding = 1;
        input->quiet_from = at + input->debounce;
    }
}

void events_settle(void)
{
    uint8_t i;

    for (i = 0; i < BOARD_INPUTS; i++) {
        uint8_t state;

        if (!*(volatile uint8_t *)&inputs[i].holding)
            continue;
        state = board_lock();
        if (inputs[i].holding && (int32_t)(board_ticks() - inputs[i].quiet_from) >= 0)
            settle(i, &inputs[i]);
        board_unlock(state);
    }
}

uint32_t events_arm(uint8_t index, uint8_t edges, uint8_t pull_up, uint32_t debounce)
{
    struct input *input = &inputs[index];
    uint8_t state = board_lock();
    uint32_t at;

    input->edges = edges & 3;
    input->debounce = debounce;
    input->holding = 0;
    board_arm(index, input->edges != 0, pull_up & 1);
    input->told = input->level = board_input(index);
    at = board_ticks();
    board_unlock(state);
    return at;
}

uint8_t events_level(uint8_t index)
{
    return inputs[index].told;
}

uint8_t *events_put_counts(uint8_t *p, uint8_t index)
{
    uint8_t state = board_lock();
    uint16_t number = inputs[index].number, inexact = inputs[index].inexact, bounces = inputs[index].bounces;

    board_unlock(state);
    return put16(put16(put16(p, number), inexact), bounces);
}

/* -- analogue ----------------------------------------------------------------------------------------------- */

void core_analog(uint16_t value, uint32_t at)
{
    uint8_t above = analog.above ? value > analog.low : value >= analog.high;

    if (analog.known && above == analog.above)
        return;
    /* The first reading is told as well: from then on the host knows the level. */
    analog.known = 1;
    analog.above = above;
    events_push(EVENT_ANALOG, analog.channel, above, value, at);
}

uint8_t events_analog(uint8_t channel, uint8_t on, uint16_t low, uint16_t high)
{
    if (channel >= BOARD_ANALOGS)
        return ERR_INDEX;
    if (on > 1 || low >= high)
        return ERR_VALUE;
    if (analog.channel != 0xFF && analog.channel != channel)
        return on ? ERR_BUSY : 0;
    board_analog(0xFF);
    analog.channel = on ? channel : 0xFF;
    analog.low = low;
    analog.high = high;
    analog.known = analog.above = 0;
    if (on)
        board_analog(channel);
    return 0;
}
